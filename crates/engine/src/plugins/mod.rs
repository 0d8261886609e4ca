//! The plugins, and the fixed order in which they run.
//!
//! | phase | Kong's priority | refuses with |
//! |---|---|---|
//! | [`key_auth`] | 1250 | 401 |
//! | [`acl`] | 950 | 401, 403 |
//! | [`entitlement`] | 930 | 401, 403 |
//! | [`rate_limiting`] | 910 | 429 |
//!
//! Every plugin has two halves: what it compiles from its configuration, and what it does to a request with that.
//! Neither half knows HTTP's transport. Which instance of a plugin runs for a request is said in [`precedence`].

pub mod acl;
pub mod entitlement;
pub mod key_auth;
pub mod precedence;
pub mod rate_limiting;

use std::sync::Arc;

use serde::Deserialize;

use crate::config::ConfigError;
use crate::config::wire;
use acl::Acl;
use entitlement::FeatureGate;
use key_auth::KeyAuth;
use precedence::Scope;
use rate_limiting::RateLimiting;

/// A plugin, compiled.
#[derive(Debug, Clone)]
pub enum Plugin {
    KeyAuth(Arc<KeyAuth>),
    Acl(Arc<Acl>),
    Entitlement(Arc<FeatureGate>),
    RateLimiting(Arc<RateLimiting>),
}

/// A plugin and what it applies to.
#[derive(Debug, Clone)]
pub struct Instance {
    pub scope: Scope,
    pub plugin: Plugin,
}

impl Instance {
    /// Compiles one row; none where it is switched off, but its configuration is checked all the same.
    pub(crate) fn compile(
        row: &wire::Plugin,
        of_consumer: bool,
    ) -> Result<Option<Self>, ConfigError> {
        let scope = Scope {
            route: row.route.map(|route| route.id),
            service: row.service.map(|service| service.id),
            consumer: of_consumer,
            group: row.consumer_group.map(|group| group.id),
        };
        let plugin = match row.name.as_str() {
            "key-auth" => {
                anybodys(&row.name, &scope)?;
                Plugin::KeyAuth(Arc::new(KeyAuth::compile(config(row)?)?))
            }
            "acl" => {
                anybodys(&row.name, &scope)?;
                Plugin::Acl(Arc::new(Acl::compile(config(row)?)?))
            }
            "entitlement" => {
                anybodys(&row.name, &scope)?;
                Plugin::Entitlement(Arc::new(FeatureGate::compile(config(row)?)?))
            }
            "rate-limiting" => {
                Plugin::RateLimiting(Arc::new(RateLimiting::compile(config(row)?, &scope)?))
            }
            other => {
                return Err(ConfigError::new(
                    format!("plugin {other}"),
                    "the engine has no plugin of this name",
                    "use key-auth, acl, entitlement or rate-limiting",
                ));
            }
        };
        Ok(row.enabled.then_some(Self { scope, plugin }))
    }
}

fn config<'a, T: Deserialize<'a>>(row: &'a wire::Plugin) -> Result<T, ConfigError> {
    crate::config::error::parse(row.config.get())
        .map_err(|error| error.within(&format!("plugin {} config", row.name)))
}

/// Refuses scopes which a plugin that runs before the caller is known, or decides who may call, can't have.
fn anybodys(name: &str, scope: &Scope) -> Result<(), ConfigError> {
    let location = |field: &str| format!("plugin {name} {field}");
    if scope.consumer {
        return Err(ConfigError::new(
            location("consumer"),
            "this plugin can't be set on a consumer",
            "set it on a service, on a route or globally",
        ));
    }
    if scope.group.is_some() {
        return Err(ConfigError::new(
            location("consumer_group"),
            "this plugin can't be set on a consumer group",
            "set it on a service, on a route or globally",
        ));
    }
    Ok(())
}

/// A fault in a field of a plugin's configuration.
fn fault(plugin: &str, field: &str, problem: impl Into<String>, fix: &str) -> ConfigError {
    ConfigError::new(format!("plugin {plugin} config.{field}"), problem, fix)
}

/// Whether bytes can stand in a header's value: no control characters.
pub(crate) fn is_header_value(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| !byte.is_ascii_control() || *byte == b'\t')
}
