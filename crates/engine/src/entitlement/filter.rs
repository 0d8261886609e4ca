//! Which exchanges a meter counts: metering's own rule (`metering/counting.py`), asked at the gateway.

use crate::config::ConfigError;
use crate::config::wire;
use crate::usage_log::{Completion, UsageEvent, method_number};
use crate::uuid::Uuid;

/// The compiled filter of a meter.
#[derive(Debug)]
pub struct Filter {
    /// Bit n: status n00 to n99 as a class.
    classes: u16,
    codes: Box<[u16]>,
    /// Bit n: the method of that number.
    methods: u16,
    routes: Box<[Uuid]>,
    any_completion: bool,
}

/// Beyond the known methods' numbers.
const NO_METHOD: u8 = 15;

/// What is known of an exchange before it is forwarded.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The method's number.
    pub method: u8,
    /// The rule that matched.
    pub route: Uuid,
}

impl Filter {
    pub(super) fn compile(
        row: wire::UsageFilter,
        any_completion: bool,
    ) -> Result<Self, ConfigError> {
        let mut filter = Self {
            classes: 0,
            codes: Box::default(),
            methods: 0,
            routes: row.route.into(),
            any_completion,
        };
        let mut codes = Vec::new();
        for (place, status) in row.status.iter().enumerate() {
            match status.as_bytes() {
                [class @ b'1'..=b'5', b'x', b'x'] => filter.classes |= 1 << (class - b'0'),
                [b'1'..=b'5', _, _] => match status.parse() {
                    Ok(code) => codes.push(code),
                    Err(_) => return Err(no_status(place)),
                },
                _ => return Err(no_status(place)),
            }
        }
        filter.codes = codes.into();
        for method in &row.method {
            // One that events don't tell apart is nobody's: its bit is never asked for.
            filter.methods |= 1 << method_number(method.as_bytes()).min(NO_METHOD);
        }
        Ok(filter)
    }

    /// Whether an exchange may count, as far as its request says.
    #[must_use]
    pub fn may_take(&self, part: Part) -> bool {
        (self.methods == 0 || (part.method < NO_METHOD && self.methods >> part.method & 1 == 1))
            && (self.routes.is_empty() || self.routes.contains(&part.route))
    }

    /// Whether a usage event counts.
    #[must_use]
    pub fn takes(&self, event: &UsageEvent<'_>) -> bool {
        (self.any_completion || event.completion == Completion::Complete)
            // A gRPC call that failed answers 200 all the same.
            && event.grpc_status.unwrap_or(0) == 0
            && self.takes_status(event.status)
            && self.may_take(Part { method: event.method, route: Uuid(event.route) })
    }

    fn takes_status(&self, status: u16) -> bool {
        let class = status / 100;
        (self.classes == 0 && self.codes.is_empty())
            || (class < 16 && self.classes >> class & 1 == 1)
            || self.codes.contains(&status)
    }
}

fn no_status(place: usize) -> ConfigError {
    ConfigError::new(
        format!("filter.status[{place}]"),
        "neither a class nor a code",
        "write 2xx, say, or 404",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::usage_log::OTHER_METHOD;

    fn filter(row: &Value) -> Filter {
        Filter::compile(serde_json::from_value(row.clone()).unwrap(), false).unwrap()
    }

    fn answered(status: u16) -> UsageEvent<'static> {
        UsageEvent {
            status,
            method: method_number(b"GET"),
            route: [7; 16],
            ..UsageEvent::default()
        }
    }

    #[test]
    fn empty_lists_take_all_that_came_to_an_end() {
        let all = filter(&json!({"status": [], "method": [], "route": []}));
        assert!(all.takes(&answered(500)) && all.takes(&answered(204)));
        assert!(!all.takes(&UsageEvent {
            completion: Completion::ClientAbort,
            ..answered(200)
        }));
        assert!(!all.takes(&UsageEvent {
            grpc_status: Some(5),
            ..answered(200)
        }));
    }

    #[test]
    fn each_list_has_to_match() {
        let route = Uuid([7; 16]).to_string();
        let some = filter(
            &json!({"status": ["2xx", "404"], "method": ["GET", "PROPFIND"], "route": [route]}),
        );
        assert!(some.takes(&answered(299)) && some.takes(&answered(404)));
        assert!(!some.takes(&answered(400)));
        for method in [method_number(b"POST"), OTHER_METHOD] {
            assert!(!some.takes(&UsageEvent {
                method,
                ..answered(200)
            }));
        }
        assert!(!some.may_take(Part {
            method: 0,
            route: Uuid([8; 16])
        }));
        let unknown = filter(&json!({"status": [], "method": ["PROPFIND"], "route": []}));
        assert!(!unknown.takes(&answered(200)));
    }

    #[test]
    fn statuses_are_classes_or_codes() {
        for wrong in ["", "2x", "xx", "600", "2000", "0xx", "20x", "+20"] {
            let row = json!({"status": ["200", wrong], "method": [], "route": []});
            let error = Filter::compile(serde_json::from_value(row).unwrap(), true).unwrap_err();
            assert_eq!(error.location, "filter.status[1]", "{wrong}");
        }
    }
}
