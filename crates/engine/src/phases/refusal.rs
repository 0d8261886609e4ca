//! The bodies of the gateway's own answers. What Kong has keeps Kong's body, with members of ours behind its own; what Kong hasn't is a
//! problem document (RFC 9457) with Kong's `message` in it. Whoever is refused for money's sake is told the plan, what is missing, and
//! where it is sold.

use std::fmt::Write as _;

use super::allowances::Standing;
use super::exchange::Exchange;
use super::json::{Object, Str};
use super::text::Instant;
use super::{Answer, AnswerKind};
use crate::config::Shop;
use crate::entitlement::Offer;
use crate::uuid::hex_text;

/// Where the portal sells plans and add-ons.
const BILLING: &str = "/billing";
/// Where it explains a problem's code: the page that `type` names.
const ERRORS: &str = "/errors/";
/// And what names the problem where there is no portal: the same code, as a name that isn't an address.
const ERROR_NAMES: &str = "urn:tollway:error:";

impl Exchange {
    /// Writes the body of an answer of the gateway's own.
    pub fn answer_body(&self, answer: Answer, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        match answer.kind {
            AnswerKind::NoSubscription | AnswerKind::FeatureNotInPlan => {
                self.feature(answer, &mut body);
            }
            AnswerKind::QuotaExceeded => self.quota(answer, &mut body),
            AnswerKind::RateLimited => self.rate_limited(answer, &mut body),
            kind => {
                body.text("message", kind.message());
                body.written("request_id", |text| self.push_request_id(text));
            }
        }
        body.end();
    }

    fn feature(&self, answer: Answer, body: &mut Object<'_>) {
        let gate = self
            .route()
            .and_then(|route| route.plugins.entitlement.as_ref());
        let feature = gate.and_then(|gate| gate.feature.as_deref());
        let plan = self.plan();
        let offer = (self.shop()).and_then(|shop| {
            shop.offers
                .iter()
                .find(|offer| Some(&*offer.feature) == feature)
        });
        let problem = |text: &mut Str<'_>| match (plan, feature) {
            (Some(plan), Some(feature)) => {
                let _ = write!(
                    text,
                    "The plan {plan} does not include the feature {feature}."
                );
            }
            (_, Some(feature)) => {
                let _ = write!(
                    text,
                    "No subscription is in force, and this needs the feature {feature}."
                );
            }
            _ => text.push("No subscription is in force, and this needs one."),
        };
        let fix = |text: &mut Str<'_>| {
            if feature.is_some() {
                push_offer(text, offer);
                text.push(" ");
            }
            self.push_where(
                text,
                if plan.is_none() {
                    "Subscribe at "
                } else {
                    "Buy it at "
                },
            );
        };
        self.problem(answer, body, "plan", problem, fix);
        body.optional("plan", plan);
        if let Some(feature) = feature {
            body.text("feature", feature);
            let nobody = (&[][..], &[][..]);
            let (plans, addons) = offer.map_or(nobody, |offer| (&*offer.plans, &*offer.addons));
            body.texts("plans", plans);
            body.texts("addons", addons);
        }
        self.push_upgrade_url(body);
    }

    fn quota(&self, answer: Answer, body: &mut Object<'_>) {
        let Some(standing) = self.exhausted() else {
            body.text("message", answer.kind.message());
            return;
        };
        let Standing {
            quota,
            used,
            resets_at,
            ..
        } = standing;
        let plan = self.plan();
        let resets_at = Instant::of(resets_at);
        let problem = |text: &mut Str<'_>| {
            let _ = write!(
                text,
                "The {} {} of a billing period in the plan {} are used up until {resets_at}.",
                quota.limit,
                quota.meter,
                plan.unwrap_or_default()
            );
        };
        let fix = |text: &mut Str<'_>| self.push_where(text, "Change the plan at ");
        self.problem(answer, body, "quota", problem, fix);
        body.optional("plan", plan);
        body.text("meter", &quota.meter);
        body.number("limit", quota.limit);
        body.number("used", used);
        body.written("resets_at", |text| {
            let _ = write!(text, "{resets_at}");
        });
        body.number("retry_after", self.retry_after().unwrap_or(standing.reset));
        self.push_upgrade_url(body);
    }

    /// Kong's body; the rest is said where clients are told about limits.
    fn rate_limited(&self, answer: Answer, body: &mut Object<'_>) {
        body.text("message", self.answer_message(answer));
        body.written("request_id", |text| self.push_request_id(text));
        let Some(rate) = &self.rate else { return };
        let full = rate.tightest();
        body.text("code", answer.kind.name());
        body.written("detail", |text| {
            let _ = write!(
                text,
                "{} requests a {} are allowed",
                full.limit,
                full.window.name()
            );
            if let Some(plan) = self.plan() {
                let _ = write!(text, " in the plan {plan}");
            }
            let _ = write!(text, "; try again in {} s. ", full.reset);
            self.push_where(text, "For more, change the plan at ");
        });
        body.text("window", full.window.name());
        body.number("limit", full.limit);
        body.number("retry_after", full.reset);
        body.optional("plan", self.plan());
        self.push_upgrade_url(body);
    }

    /// The members that every problem has.
    fn problem(
        &self,
        answer: Answer,
        body: &mut Object<'_>,
        location: &str,
        problem: impl Fn(&mut Str<'_>),
        fix: impl Fn(&mut Str<'_>),
    ) {
        let code = answer.kind.name();
        let all = |text: &mut Str<'_>| {
            problem(text);
            text.push(" ");
            fix(text);
        };
        body.written("type", |text| {
            match self.portal() {
                Some(portal) => [portal, ERRORS, code].map(|part| text.push(part)),
                None => [ERROR_NAMES, code, ""].map(|part| text.push(part)),
            };
        });
        body.text("title", answer.kind.message());
        body.number("status", u64::from(answer.status));
        body.written("detail", all);
        body.text("code", code);
        body.written("request_id", |text| self.push_request_id(text));
        body.single("errors", |error| {
            error.text("location", location);
            error.written("message", &problem);
            error.written("fix", &fix);
        });
        // For clients that know Kong.
        body.written("message", all);
    }

    /// What to do, and where, if anywhere.
    fn push_where(&self, text: &mut Str<'_>, what: &str) {
        match self.portal() {
            Some(portal) => [what, portal, BILLING, "."].map(|part| text.push(part)),
            None => ["Ask the seller of this API.", "", "", ""].map(|part| text.push(part)),
        };
    }

    fn push_upgrade_url(&self, body: &mut Object<'_>) {
        match self.portal() {
            None => body.optional("upgrade_url", None),
            Some(portal) => body.written("upgrade_url", |text| {
                text.push(portal);
                text.push(BILLING);
            }),
        }
    }

    fn push_request_id(&self, text: &mut Str<'_>) {
        // Hex digits are text.
        text.push(std::str::from_utf8(&hex_text(&self.request_id)).unwrap_or_default());
    }

    fn plan(&self) -> Option<&str> {
        Some(&self.entitlement()?.plan)
    }

    fn shop(&self) -> Option<&Shop> {
        Some(&self.config.as_ref()?.base.shop)
    }

    fn portal(&self) -> Option<&str> {
        self.shop()?.portal_url.as_deref()
    }

    /// What is wrong, in a sentence without a full stop.
    pub(super) fn answer_message(&self, answer: Answer) -> &str {
        let configured = match answer.kind {
            AnswerKind::RateLimited => self.limit_message(),
            _ => None,
        };
        configured.unwrap_or(answer.kind.message())
    }

    fn limit_message(&self) -> Option<&str> {
        let base = &self.config.as_ref()?.base;
        let plugin = base.rate_limiting(self.route()?, self.consumer.as_deref())?;
        plugin.error_message.as_deref()
    }
}

/// "It is in the plans a, b and in the add-on c."
fn push_offer(text: &mut Str<'_>, offer: Option<&Offer>) {
    let mut joint = "It is in";
    let of = offer.map(|offer| {
        [
            (&offer.plans, " the plan ", " the plans "),
            (&offer.addons, " the add-on ", " the add-ons "),
        ]
    });
    for (names, one, several) in of.into_iter().flatten() {
        if names.is_empty() {
            continue;
        }
        text.push(joint);
        text.push(if names.len() == 1 { one } else { several });
        for (place, name) in names.iter().enumerate() {
            if place > 0 {
                text.push(", ");
            }
            text.push(name);
        }
        joint = " and in";
    }
    if joint == "It is in" {
        text.push("Nothing on sale includes it now");
    }
    text.push(".");
}
