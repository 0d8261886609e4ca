//! acl: which consumers may pass, by the groups that they are in.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{fault, is_header_value};
use crate::config::{Base, ConfigError, Consumer};

const NAME: &str = "acl";

/// The configuration as Kong's schema has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    allow: Option<Vec<String>>,
    deny: Option<Vec<String>>,
    hide_groups_header: bool,
    #[serde(default)]
    include_consumer_groups: bool,
    /// Speaks of groups that a foreign directory vouches for; there is no plugin that would bring any.
    #[serde(rename = "always_use_authenticated_groups", default)]
    _always_use_authenticated_groups: Option<IgnoredAny>,
}

/// The compiled plugin.
#[derive(Debug)]
pub struct Acl {
    listed: Box<[Box<str>]>,
    /// Those listed may pass, or may not.
    allow: bool,
    hide_groups_header: bool,
    include_consumer_groups: bool,
}

/// What acl says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It may pass; whether the upstream is told the groups.
    Pass { show_groups: bool },
    /// Nobody is known to have sent it.
    Unauthenticated,
    /// This consumer may not.
    Forbidden,
}

impl Acl {
    pub(super) fn compile(settings: Settings) -> Result<Self, ConfigError> {
        let one_of = "set exactly one of allow and deny";
        let (listed, allow) = match (settings.allow, settings.deny) {
            (Some(listed), None) => (listed, true),
            (None, Some(listed)) => (listed, false),
            (Some(_), Some(_)) => return Err(fault(NAME, "deny", "allow is set as well", one_of)),
            (None, None) => return Err(fault(NAME, "allow", "neither list is set", one_of)),
        };
        Ok(Self {
            listed: listed.into_iter().map(String::into_boxed_str).collect(),
            allow,
            hide_groups_header: settings.hide_groups_header,
            include_consumer_groups: settings.include_consumer_groups,
        })
    }

    /// Judges a request of `consumer`.
    #[must_use]
    pub fn judge(&self, consumer: Option<&Consumer>, base: &Base) -> Passage {
        let Some(consumer) = consumer else {
            return Passage::Unauthenticated;
        };
        let is_listed = |group: &str| self.listed.iter().any(|listed| **listed == *group);
        let is_member = consumer.acls.iter().any(|group| is_listed(group))
            || (self.include_consumer_groups
                && (consumer.groups.iter()).any(|id| base.group_name(*id).is_some_and(is_listed)));
        if is_member == self.allow {
            Passage::Pass {
                show_groups: !self.hide_groups_header,
            }
        } else {
            Passage::Forbidden
        }
    }
}

/// Refuses a group's name that the `X-Consumer-Groups` header couldn't carry.
pub(crate) fn check_group(name: &str) -> Result<(), ConfigError> {
    if is_header_value(name.as_bytes()) {
        return Ok(());
    }
    Err(ConfigError::new(
        "",
        "a group's name holds a control character",
        "use printable characters: the name travels in a header",
    ))
}
