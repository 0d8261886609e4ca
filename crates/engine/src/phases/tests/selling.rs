//! What a subscription grants: features, quotas, and what those are told who want more.

use super::*;

/// 2026-11-22 13:14:15.25 lies in the first of these periods, µs.
const BOUNDARIES: [u64; 3] = [
    1_793_491_200_000_000,
    1_796_083_200_000_000,
    1_798_761_600_000_000,
];

const ASK: Asked<'_> = Asked {
    headers: ANN,
    ..ASKED
};

fn quota(meter: &str, limit: u64) -> Value {
    json!({
        "meter": meter, "counted": "requests", "filter": {"status": ["2xx"], "method": [], "route": []},
        "any_completion": false, "limit": limit, "boundaries": BOUNDARIES,
    })
}

fn entitlement(features: &[&str], quotas: &[Value]) -> Value {
    json!({
        "subscription": id(77), "plan": "free", "addons": [], "features": features, "quotas": quotas,
    })
}

fn gate(feature: Option<&str>) -> Value {
    plugin("entitlement", &json!({"feature": feature}))
}

/// Ann has this entitlement, bob none.
fn shop(plugins: &[Value], granted: &Value, portal: Option<&str>) -> Gateway {
    let mut base = base();
    base["plugins"] = json!(plugins);
    base["offers"] =
        json!([{"feature": "data_v2", "plans": ["pro", "scale"], "addons": ["v2 \"pack\""]}]);
    base["portal_url"] = json!(portal);
    let mut ann = consumer(1, "ann");
    ann["entitlement"] = granted.clone();
    Gateway::new(
        &base,
        &[ann, consumer(2, "bob")],
        &[key_of("ann-key", 1), key_of("bob key", 2)],
    )
}

impl Gateway {
    /// The end of what was forwarded, as the HTTP layer drives it.
    fn end(&mut self, change: impl FnOnce(&mut Outcome)) {
        let mut outcome = Outcome {
            status: 200,
            grpc_status: None,
            completion: Completion::Complete,
            attempts: 1,
            bytes_in: 3,
            bytes_out: 40,
            upstream: UpstreamTimes {
                sent: self.now,
                head: self.now,
            },
            ended: self.now,
        };
        change(&mut outcome);
        let event = self.exchange.event(&outcome);
        self.exchange.charge(&event);
        self.exchange.charged(&event);
        self.exchange.finished(&self.pipeline, &outcome);
    }

    /// How many of `count` requests pass and are answered with this status.
    fn passing(&mut self, count: usize, status: u16) -> usize {
        (0..count)
            .filter(|_| {
                let passes = self.begin(ASK).is_ok();
                if passes {
                    self.end(|outcome| outcome.status = status);
                }
                passes
            })
            .count()
    }

    fn at(&mut self, wall: u64) {
        self.now = Now {
            mono: self.now.mono + wall.saturating_sub(self.now.wall),
            wall,
        };
    }
}

#[test]
fn a_feature_opens_its_gate() {
    let plugins = [keys(&[]), gate(Some("data_v2"))];
    let mut gateway = shop(&plugins, &entitlement(&["data_v1", "data_v2"], &[]), None);
    assert_eq!(gateway.status(ASK).0, 200);
    let mut gateway = shop(
        &plugins,
        &entitlement(&["data_v1"], &[]),
        Some("https://p.example"),
    );
    let refused = gateway.begin(ASK).unwrap_err();
    assert_eq!(
        line(&refused.headers, "Content-Type"),
        Some("application/problem+json")
    );
    let detail = "The plan free does not include the feature data_v2. It is in the plans pro, scale and in \
                  the add-on v2 \"pack\". Buy it at https://p.example/billing.";
    let mut body = refused.body;
    body["request_id"].take();
    assert_eq!(
        body,
        json!({
            "type": "https://p.example/errors/feature_not_in_plan",
            "title": "The plan does not include this feature", "status": 403, "detail": detail,
            "code": "feature_not_in_plan", "request_id": null, "message": detail,
            "errors": [{
                "location": "plan",
                "message": "The plan free does not include the feature data_v2.",
                "fix": "It is in the plans pro, scale and in the add-on v2 \"pack\". Buy it at https://p.example/billing.",
            }],
            "plan": "free", "feature": "data_v2", "plans": ["pro", "scale"], "addons": ["v2 \"pack\""],
            "upgrade_url": "https://p.example/billing",
        })
    );
    let place = AnswerKind::FeatureNotInPlan as usize;
    assert_eq!(gateway.shared.totals().answers[place], 1);
}

#[test]
fn without_a_feature_any_subscription_opens_it() {
    let mut gateway = shop(&[keys(&[]), gate(None)], &entitlement(&[], &[]), None);
    assert_eq!(gateway.status(ASK).0, 200);
    let refused = gateway
        .begin(Asked {
            headers: BOB,
            ..ASKED
        })
        .unwrap_err();
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.message,
        "No subscription is in force, and this needs one. Ask the seller of this API."
    );
    assert_eq!(
        (
            &refused.body["type"],
            &refused.body["plan"],
            &refused.body["upgrade_url"]
        ),
        (
            &json!("urn:tollway:error:no_subscription"),
            &Value::Null,
            &Value::Null
        )
    );
    let mut gateway = shop(&[gate(None)], &Value::Null, None);
    assert_eq!(gateway.status(ASKED), (401, "Unauthorized".to_owned()));
    let mut gateway = shop(
        &[keys(&[]), gate(Some("secret"))],
        &entitlement(&[], &[]),
        None,
    );
    let refused = gateway.begin(ASK).unwrap_err();
    assert!(
        refused.message.contains("Nothing on sale includes it now."),
        "{}",
        refused.message
    );
}

#[test]
fn exactly_the_quota_passes_and_what_does_not_count_is_given_back() {
    let mut gateway = shop(
        &[keys(&[])],
        &entitlement(&[], &[quota("calls", 3)]),
        Some("http://p"),
    );
    assert_eq!(gateway.passing(10, 503), 10);
    gateway.begin(ASK).unwrap();
    assert_eq!(
        line(&gateway.response(), "RateLimit-Policy"),
        Some("\"quota:calls\";q=3;w=2592000")
    );
    assert_eq!(
        line(&gateway.response(), "RateLimit"),
        Some("\"quota:calls\";r=2;t=729945")
    );
    // The client went away; the upstream could not be reached; the exchange is forgotten.
    gateway.exchange.abandoned(&gateway.pipeline, gateway.now);
    gateway.begin(ASK).unwrap();
    gateway.answered(AnswerKind::UpstreamTimeout.into());
    gateway.begin(ASK).unwrap();
    gateway.exchange = Exchange::new();
    gateway.begin(ASK).unwrap();
    gateway.end(|outcome| outcome.completion = Completion::ClientAbort);
    gateway.begin(ASK).unwrap();
    gateway.end(|outcome| outcome.grpc_status = Some(14));
    assert_eq!(gateway.passing(10, 200), 3);
    let refused = gateway.begin(ASK).unwrap_err();
    assert_eq!(
        (refused.status, line(&refused.headers, "Retry-After")),
        (429, Some("729945"))
    );
    assert_eq!(
        refused.message,
        "The 3 calls of a billing period in the plan free are used up until 2026-12-01T00:00:00Z. \
         Change the plan at http://p/billing."
    );
    assert_eq!(
        (
            &refused.body["limit"],
            &refused.body["used"],
            &refused.body["meter"]
        ),
        (&json!(3), &json!(3), &json!("calls"))
    );
    assert_eq!(refused.body["resets_at"], "2026-12-01T00:00:00Z");
    assert_eq!(refused.body["retry_after"], 729_945);
}

#[test]
fn periods_follow_one_another_without_being_told() {
    let mut gateway = shop(&[keys(&[])], &entitlement(&[], &[quota("calls", 2)]), None);
    assert_eq!(gateway.passing(3, 200), 2);
    gateway.at(BOUNDARIES[1] - 1);
    assert_eq!(gateway.passing(3, 200), 0);
    let refused = gateway.begin(ASK).unwrap_err();
    // Never earlier than the reset.
    assert_eq!(line(&refused.headers, "Retry-After"), Some("1"));
    gateway.at(BOUNDARIES[1]);
    assert_eq!(gateway.passing(3, 200), 2);
    // A clock that is put back opens nothing anew, and beyond what is known the last period goes on.
    gateway.now.wall = BOUNDARIES[1] - 1;
    assert_eq!(gateway.passing(3, 200), 0);
    gateway.at(BOUNDARIES[2] + 1_000_000);
    assert_eq!(gateway.passing(3, 200), 0);
    let refused = gateway.begin(ASK).unwrap_err();
    assert_eq!(line(&refused.headers, "Retry-After"), Some("60"));
}

#[test]
fn what_ends_in_the_next_period_was_taken_from_the_one_it_began_in() {
    let mut gateway = shop(&[keys(&[])], &entitlement(&[], &[quota("calls", 1)]), None);
    gateway.begin(ASK).unwrap();
    gateway.at(BOUNDARIES[1]);
    gateway.end(|outcome| outcome.status = 500);
    assert_eq!(gateway.passing(3, 200), 1);
    gateway.now.wall = BOUNDARIES[1] - 1;
    assert_eq!(gateway.passing(3, 200), 1);
}

#[test]
fn limit_and_quota_do_not_eat_each_other() {
    let plugins = [keys(&[]), limited(2, &[("hour", json!(5))])];
    let mut gateway = shop(
        &plugins,
        &entitlement(&[], &[quota("calls", 3)]),
        Some("http://p"),
    );
    assert_eq!(gateway.passing(4, 200), 2);
    let refused = gateway.begin(ASK).unwrap_err();
    // Kong's body, and behind it what is known of the plan.
    assert_eq!(refused.message, "API rate limit exceeded");
    assert_eq!(
        refused.body["detail"],
        "2 requests a minute are allowed in the plan free; try again in 45 s. For more, change the plan at http://p/billing."
    );
    assert_eq!(
        line(&refused.headers, "RateLimit-Policy"),
        Some("\"minute\";q=2;w=60, \"hour\";q=5;w=3600, \"quota:calls\";q=3;w=2592000")
    );
    assert_eq!(
        line(&refused.headers, "RateLimit"),
        Some("\"minute\";r=0;t=45, \"quota:calls\";r=1;t=729945")
    );
    gateway.at(NOON.wall + 60_000_000);
    // The third of the quota; then it refuses, and the hour has two left to the end.
    assert_eq!(gateway.passing(9, 200), 1);
    let refused = gateway.begin(ASK).unwrap_err();
    assert_eq!(refused.body["code"], "quota_exceeded");
    assert_eq!(
        line(&refused.headers, "X-RateLimit-Remaining-Hour"),
        Some("2")
    );
    assert_eq!(
        line(&refused.headers, "X-RateLimit-Remaining-Minute"),
        Some("1")
    );
}

#[test]
fn several_quotas_are_taken_together() {
    let mut of_posts = quota("posts", 1);
    of_posts["filter"] = json!({"status": [], "method": ["POST"], "route": []});
    let mut elsewhere = quota("zelsewhere", 0);
    elsewhere["filter"] = json!({"status": [], "method": [], "route": [id(9)]});
    let quotas = [quota("calls", 3), of_posts, elsewhere];
    let mut gateway = shop(&[keys(&[])], &entitlement(&[], &quotas), None);
    let post = Asked {
        method: "POST",
        ..ASK
    };
    gateway.begin(post).unwrap();
    assert_eq!(
        line(&gateway.response(), "RateLimit"),
        Some("\"quota:calls\";r=2;t=729945, \"quota:posts\";r=0;t=729945")
    );
    gateway.end(|_| {});
    let refused = gateway.begin(post).unwrap_err();
    assert_eq!(
        (refused.status, &refused.body["meter"]),
        (429, &json!("posts"))
    );
    assert_eq!(gateway.passing(9, 200), 2);
}

#[test]
fn bytes_are_added_when_they_are_known() {
    let mut bytes = quota("bytes", 100);
    bytes["counted"] = json!("bytes_out");
    let mut gateway = shop(&[keys(&[])], &entitlement(&[], &[bytes]), None);
    // 40 each: the one that crosses the limit is the last.
    assert_eq!(gateway.passing(9, 200), 3);
    assert_eq!(gateway.begin(ASK).unwrap_err().body["used"], 120);
}

#[test]
fn a_change_of_plan_keeps_what_was_used_and_another_subscription_starts_anew() {
    let mut granted = entitlement(&[], &[quota("calls", 3)]);
    let mut gateway = shop(&[keys(&[])], &granted, None);
    let mut version = 8;
    let mut grant = |gateway: &mut Gateway, granted: &Value| {
        let mut ann = consumer(1, "ann");
        ann["entitlement"] = granted.clone();
        let delta = json!({
            "type": "delta", "from": version, "version": version + 1, "base": null,
            "put": {"consumers": [ann]}, "delete": {},
        });
        version += 1;
        gateway.updater.frame(&delta.to_string()).unwrap();
    };
    assert_eq!(gateway.passing(9, 200), 3);
    granted["plan"] = json!("pro");
    granted["quotas"][0]["limit"] = json!(5);
    grant(&mut gateway, &granted);
    assert_eq!(gateway.passing(9, 200), 2);
    // What is on its way while the quota is taken away, or made smaller, does no harm.
    granted["quotas"][0]["limit"] = json!(6);
    grant(&mut gateway, &granted);
    gateway.begin(ASK).unwrap();
    grant(&mut gateway, &entitlement(&[], &[]));
    gateway.end(|outcome| outcome.status = 500);
    assert_eq!(gateway.passing(9, 200), 9);
    grant(&mut gateway, &granted);
    assert_eq!(gateway.passing(9, 200), 1);
    granted["subscription"] = json!(id(78));
    grant(&mut gateway, &granted);
    assert_eq!(gateway.passing(9, 200), 6);
}

#[test]
fn a_key_opens_nothing_from_its_end_on() {
    let mut base = base();
    base["plugins"] = json!([keys(&[])]);
    let mut key = key_of("ann-key", 1);
    key["expires_at"] = json!(NOON.wall + 1);
    let mut gateway = Gateway::new(&base, &[consumer(1, "ann")], &[key]);
    assert_eq!(gateway.status(ASK).0, 200);
    gateway.now.wall += 1;
    assert_eq!(gateway.status(ASK), (401, "Unauthorized".to_owned()));
}
