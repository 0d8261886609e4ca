//! Upstreams in a base: what is accepted, and what a fault names.

use serde_json::{Value, json};

use crate::config::check_base;
use crate::config::fixtures::{base, upstream};

fn judged(change: impl FnOnce(&mut Value)) -> String {
    let mut base = base();
    base["services"][0]["host"] = json!("api");
    base["upstreams"] = json!([
        upstream(
            7,
            "api",
            &[
                ("10.0.0.1:80", 100),
                ("[2001:db8::7]:8080", 0),
                ("Up.example:80", 1)
            ]
        ),
        upstream(8, "other", &[]),
    ]);
    change(&mut base);
    check_base(&base.to_string()).map_or_else(|error| error.to_string(), |()| "accepted".into())
}

#[test]
fn kongs_defaults_are_accepted() {
    assert_eq!(judged(|_| {}), "accepted");
}

#[test]
fn faults_name_place_problem_and_fix() {
    type Case = (fn(&mut Value), &'static str);
    let cases: [Case; 18] = [
        (|u| u["name"] = json!("10.0.0.1"), "name: not a host name; "),
        (
            |u| u["name"] = json!("other"),
            "name: the name is there twice; ",
        ),
        (|u| u["slots"] = json!(9), "slots: 9 is out of range; "),
        (
            |u| u["algorithm"] = json!("random"),
            "algorithm: unknown variant",
        ),
        (
            |u| u["host_header"] = json!("a b"),
            "host_header: not a host; ",
        ),
        (
            |u| u["targets"][0]["target"] = json!("a"),
            "targets[0].target: not a host and a port; ",
        ),
        (
            |u| u["targets"][1]["target"] = json!("2001:db8::7:80"),
            "targets[1].target: not a host",
        ),
        (
            |u| u["targets"][0]["target"] = json!("[a]:80"),
            "targets[0].target: not a host",
        ),
        (
            |u| u["targets"][0]["target"] = json!("a:0"),
            "targets[0].target: not a host",
        ),
        (
            |u| u["targets"][0]["weight"] = json!(65_536),
            "targets[0].weight: invalid value",
        ),
        (
            |u| u["healthchecks"]["threshold"] = json!(101),
            "healthchecks.threshold: not a percentage; ",
        ),
        (
            |u| u["healthchecks"]["active"]["timeout"] = json!(-1),
            "healthchecks.active.timeout: out of range; ",
        ),
        (
            |u| u["healthchecks"]["active"]["concurrency"] = json!(0),
            "healthchecks.active.concurrency: 0 is",
        ),
        (
            |u| u["healthchecks"]["active"]["http_path"] = json!("a b"),
            "healthchecks.active.http_path: not a path",
        ),
        (
            |u| u["healthchecks"]["active"]["headers"] = json!({"Content-Length": ["1"]}),
            "healthchecks.active.headers.Content-Length: not a header line; ",
        ),
        (
            |u| u["algorithm"] = json!("consistent-hashing"),
            "hash_on: consistent-hashing needs",
        ),
        (
            |u| u["hash_on"] = json!("header"),
            "hash_on_header: is needed",
        ),
        (
            |u| {
                u["hash_on"] = json!("ip");
                u["hash_fallback"] = json!("query_arg");
            },
            "hash_fallback_query_arg: is needed",
        ),
    ];
    for (change, wanted) in cases {
        let fault = judged(|base| change(&mut base["upstreams"][0]));
        assert!(
            fault.starts_with(&format!("upstreams[0].{wanted}"))
                || fault.starts_with(&format!("upstreams[1].{wanted}")),
            "{fault}"
        );
    }
    let twice = judged(|base| base["upstreams"][1]["id"] = base["upstreams"][0]["id"].clone());
    assert!(
        twice.starts_with("upstreams[1].id: the id is there twice"),
        "{twice}"
    );
}
