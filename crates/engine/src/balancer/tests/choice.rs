//! Who is chosen by load and latency, what trying again avoids, and what lives on over versions and names.

use std::net::IpAddr;

use serde_json::json;

use super::*;
use crate::balancer::{Choice, Found, InFlight, Nobody, Tried};

fn next(balancer: &Balancer) -> usize {
    chosen(balancer, &Tried::default()).unwrap().member
}

fn chosen(balancer: &Balancer, tried: &Tried) -> Result<Choice, Nobody> {
    balancer.members().choose(None, tried, at(0))
}

fn address(text: &str) -> Found {
    Found {
        ip: text.parse::<IpAddr>().unwrap(),
        srv: None,
    }
}

#[test]
fn turns_go_round_and_a_weight_of_0_is_out() {
    let balancer = balancer(&[10, 0, 20], |_| {});
    let mut counts = [0; 3];
    for _ in 0..30 {
        counts[next(&balancer)] += 1;
    }
    assert_eq!(counts, [10, 0, 20]);
}

#[test]
fn turns_are_shared_by_threads() {
    let balancer = Arc::new(balancer(&[1, 1, 2], |_| {}));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let balancer = Arc::clone(&balancer);
            std::thread::spawn(move || (0..1000).map(|_| next(&balancer)).collect::<Vec<_>>())
        })
        .collect();
    let mut counts = [0; 3];
    for thread in threads {
        for member in thread.join().unwrap() {
            counts[member] += 1;
        }
    }
    assert_eq!(counts, [1000, 1000, 2000]);
}

#[test]
fn the_least_loaded_for_its_weight_is_next() {
    let balancer = balancer(&[10, 20], |row| {
        row["algorithm"] = json!("least-connections");
    });
    let members = balancer.members();
    let mut flying = Vec::new();
    let mut counts = [0; 2];
    for _ in 0..30 {
        let member = next(&balancer);
        counts[member] += 1;
        flying.push((member, InFlight::new(&members.members[member].endpoint)));
    }
    assert_eq!(counts, [10, 20]);
    flying.retain(|(member, _)| *member == 0);
    assert_eq!(members.members[1].endpoint.in_flight(), 0);
    for _ in 0..10 {
        assert_eq!(next(&balancer), 1);
    }
}

#[test]
fn equals_by_load_take_turns() {
    let balancer = balancer(&[1, 1, 1], |row| {
        row["algorithm"] = json!("least-connections");
    });
    let mut counts = [0; 3];
    for _ in 0..30 {
        counts[next(&balancer)] += 1;
    }
    assert_eq!(counts, [10, 10, 10]);
}

#[test]
fn the_quicker_one_gets_more() {
    let balancer = balancer(&[100, 100, 100], |row| row["algorithm"] = json!("latency"));
    let members = balancer.members();
    for (member, micros) in [(0, 50_000), (1, 1_000), (2, 40_000)] {
        let request = InFlight::new(&members.members[member].endpoint);
        request.took(micros, 1_000_000);
    }
    let mut counts = [0_u32; 3];
    for _ in 0..900 {
        counts[next(&balancer)] += 1;
    }
    // Of two at random: the quickest wins every pair it is in, the slowest none.
    assert!(
        counts[1] > 500 && counts[2] > counts[0] && counts[0] < 100,
        "{counts:?}"
    );
    // It recovers as the past fades.
    for at in 2..200 {
        InFlight::new(&members.members[0].endpoint).took(100, at * 1_000_000);
    }
    assert!(members.members[0].endpoint.latency_us() < 200);
}

#[test]
fn what_was_tried_is_avoided_as_long_as_there_are_others() {
    for algorithm in [
        "round-robin",
        "least-connections",
        "latency",
        "consistent-hashing",
    ] {
        let balancer = balancer(&[100, 1, 100], |row| {
            row["algorithm"] = json!(algorithm);
            row["hash_on"] = json!("ip");
        });
        for key in 0..20 {
            let mut tried = Tried::default();
            let mut seen = Vec::new();
            for _ in 0..3 {
                let choice = balancer.members().choose(Some(key), &tried, at(0)).unwrap();
                tried.add(choice.member);
                seen.push(choice.member);
            }
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2], "{algorithm}");
            assert!(balancer.members().choose(Some(key), &tried, at(0)).is_ok());
        }
    }
}

#[test]
fn names_bring_addresses_that_come_and_go() {
    let named = |row: &mut Value| row["targets"][0]["target"] = json!("API.internal:8080");
    let balancer = balancer(&[100], named);
    assert_eq!(
        chosen(&balancer, &Tried::default()),
        Err(Nobody::Unresolved)
    );
    balancer.resolved(0, &[address("10.1.0.1"), address("10.1.0.2")].into());
    let members = balancer.members();
    let first = &members.members[0].endpoint;
    assert_eq!(
        (first.address.to_string(), &*first.name),
        ("10.1.0.1:8080".to_owned(), "api.internal")
    );
    let request = InFlight::new(first);
    balancer.resolved(0, &[address("10.1.0.3"), address("10.1.0.1")].into());
    let members = balancer.members();
    assert_eq!(
        members.members[1].endpoint.in_flight(),
        1,
        "the same endpoint"
    );
    drop(request);
    assert_eq!(members.members[1].endpoint.in_flight(), 0);
    balancer.resolved(0, &[].into());
    assert_eq!(
        chosen(&balancer, &Tried::default()),
        Err(Nobody::Unresolved)
    );
}

#[test]
fn srv_records_say_port_and_weight() {
    for (by_name, name) in [(true, "one.internal"), (false, "_api._tcp.internal")] {
        let balancer = balancer(&[100], |row| {
            row["targets"][0]["target"] = json!("_api._tcp.internal:1");
            row["use_srv_name"] = json!(by_name);
        });
        let found = |port, weight| Found {
            ip: "10.1.0.1".parse().unwrap(),
            srv: Some((port, weight, "one.internal".into())),
        };
        balancer.resolved(0, &[found(8001, 3), found(8002, 0)].into());
        let members = balancer.members();
        let told: Vec<_> = (members.members.iter())
            .map(|member| {
                (
                    member.endpoint.address.port(),
                    member.weight,
                    &*member.endpoint.name,
                )
            })
            .collect();
        assert_eq!(told, [(8001, 3, name), (8002, 1, name)]);
    }
}

#[test]
fn what_is_known_lives_on_in_the_next_version() {
    let before = balancer(&[100, 100], |row| {
        row["targets"][1]["target"] = json!("b.internal:80");
    });
    before.resolved(1, &[address("10.1.0.1")].into());
    before.members().set(0, false);
    let policy = policy(&[50, 100, 100], |row| {
        row["targets"][1]["target"] = json!("10.9.9.9:80");
        row["targets"][2]["target"] = json!("b.internal:80");
    });
    let after = Balancer::new(policy, Some(&before));
    let members = after.members();
    let told: Vec<_> = (members.members.iter())
        .map(|member| {
            (
                member.endpoint.address.to_string(),
                member.endpoint.health.is_up(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("10.0.0.1:80".to_owned(), false),
            ("10.9.9.9:80".to_owned(), true),
            ("10.1.0.1:80".to_owned(), true),
        ]
    );
    // What happens to a request of the old version is known in the new one.
    before.members().set(0, true);
    assert!(members.members[0].endpoint.health.is_up());
}

#[test]
fn who_cannot_be_reached_is_asked_last_and_looked_after_once_a_second() {
    let balancer = balancer(&[1, 1, 1], |_| {});
    let members = balancer.members();
    let out = Choice {
        member: 0,
        trial: false,
    };
    members.connected(out, false, at(0));
    for _ in 0..6 {
        assert_ne!(next(&balancer), 0);
    }
    let mut tried = Tried::default();
    tried.add(1);
    tried.add(2);
    assert_eq!(
        chosen(&balancer, &tried).unwrap(),
        out,
        "when nobody else is left"
    );
    let later = |now| members.choose(None, &Tried::default(), at(now)).unwrap();
    assert_eq!(later(1_000_000), out);
    for _ in 0..6 {
        assert_ne!(later(1_000_000).member, 0, "one at a time");
    }
    members.connected(out, true, at(1_000_000));
    assert!((0..3).any(|_| next(&balancer) == 0));
}
