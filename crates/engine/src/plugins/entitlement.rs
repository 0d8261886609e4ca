//! entitlement: who may pass by what the subscription grants.

use serde::Deserialize;

use super::{fault, is_header_value};
use crate::config::{ConfigError, Consumer};

const NAME: &str = "entitlement";

/// The configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    feature: Option<String>,
}

/// The compiled plugin.
#[derive(Debug)]
pub struct FeatureGate {
    /// What has to be granted; none: any subscription in force will do.
    pub feature: Option<Box<str>>,
}

/// What the gate says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It may pass.
    Pass,
    /// Nobody is known to have sent it.
    Unauthenticated,
    /// No subscription of this consumer is in force.
    NoSubscription,
    /// The subscription doesn't grant the feature.
    FeatureMissing,
}

impl FeatureGate {
    pub(super) fn compile(settings: Settings) -> Result<Self, ConfigError> {
        let feature = settings.feature;
        if (feature.as_ref())
            .is_some_and(|name| name.is_empty() || !is_header_value(name.as_bytes()))
        {
            return Err(fault(
                NAME,
                "feature",
                "not a feature's name",
                "name a feature of the catalog, or leave it out to let every subscriber pass",
            ));
        }
        Ok(Self {
            feature: feature.map(String::into_boxed_str),
        })
    }

    /// Judges a request of `consumer`.
    #[must_use]
    pub fn judge(&self, consumer: Option<&Consumer>) -> Passage {
        let Some(consumer) = consumer else {
            return Passage::Unauthenticated;
        };
        match (&consumer.entitlement, &self.feature) {
            (None, _) => Passage::NoSubscription,
            (Some(granted), Some(feature)) if !granted.has(feature) => Passage::FeatureMissing,
            (Some(_), _) => Passage::Pass,
        }
    }
}
