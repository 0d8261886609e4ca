//! What a consumer may use now, compiled: `contracts/entitlement.py` is the definition, billing computes it.

pub mod filter;
pub mod quota;

use crate::config::ConfigError;
use crate::config::wire;
use crate::plugins::is_header_value;
use crate::uuid::Uuid;

pub use filter::{Filter, Part};
pub use quota::{Counted, Period, Quota};

/// More would not fit into one decision about a request.
pub const MOST_QUOTAS: usize = crate::limits::MOST_DRAWS;

/// What one subscription grants.
#[derive(Debug)]
pub struct Entitlement {
    /// Whose counters are drawn on.
    pub subscription: Uuid,
    /// The plan's name.
    pub plan: Box<str>,
    /// Names, sorted.
    features: Box<[Box<str>]>,
    /// At most [`MOST_QUOTAS`].
    pub quotas: Box<[Quota]>,
}

/// Who has a feature: what a refusal may recommend.
#[derive(Debug)]
pub struct Offer {
    /// Its name.
    pub feature: Box<str>,
    /// Plans with it.
    pub plans: Box<[Box<str>]>,
    /// Add-ons with it.
    pub addons: Box<[Box<str>]>,
}

impl Entitlement {
    pub(crate) fn compile(row: wire::Entitlement) -> Result<Self, ConfigError> {
        if row.quotas.len() > MOST_QUOTAS {
            return Err(ConfigError::new(
                "quotas",
                format!("{} quotas, and {MOST_QUOTAS} is the most", row.quotas.len()),
                "let fewer meters have a quota",
            ));
        }
        let subscription = row.subscription;
        let quotas: Result<Box<[_]>, _> = (row.quotas.into_iter().enumerate())
            .map(|(place, quota)| {
                Quota::compile(subscription, quota)
                    .map_err(|error| error.within(&format!("quotas[{place}]")))
            })
            .collect();
        let quotas = quotas?;
        if let Some(place) = quotas
            .windows(2)
            .position(|pair| pair[0].meter >= pair[1].meter)
        {
            return Err(ConfigError::new(
                format!("quotas[{}].meter", place + 1),
                "not after the meter before it",
                "order quotas by meter, and give one for each",
            ));
        }
        let mut features = boxed(row.features);
        features.sort_unstable();
        Ok(Self {
            subscription,
            plan: row.plan.into(),
            features,
            quotas,
        })
    }

    /// Whether the feature is granted.
    #[must_use]
    pub fn has(&self, feature: &str) -> bool {
        self.features
            .binary_search_by(|own| (**own).cmp(feature))
            .is_ok()
    }
}

impl Offer {
    pub(crate) fn compile(row: wire::Offer) -> Self {
        Self {
            feature: row.feature.into(),
            plans: boxed(row.plans),
            addons: boxed(row.addons),
        }
    }
}

/// Refuses a portal's address that couldn't stand in a header or be extended by a path.
pub(crate) fn portal_url(url: Option<String>) -> Result<Option<Box<str>>, ConfigError> {
    let Some(url) = url else { return Ok(None) };
    let is_origin = ["http://", "https://"].iter().any(|scheme| {
        url.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    let is_plain = is_header_value(url.as_bytes()) && !url.contains(['?', '#', ' ']);
    if !is_origin || !is_plain || url.ends_with('/') {
        return Err(ConfigError::new(
            "portal_url",
            "not an address that a path can follow",
            "give scheme and host, such as https://portal.example.com",
        ));
    }
    Ok(Some(url.into()))
}

fn boxed(names: Vec<String>) -> Box<[Box<str>]> {
    names.into_iter().map(String::into_boxed_str).collect()
}
