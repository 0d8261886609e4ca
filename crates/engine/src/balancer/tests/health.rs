//! In and out: thresholds, trials, what is too little.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::balancer::{Change, Choice, Health, Nobody, Report, Thresholds, Tried};

const SECOND: u64 = 1_000_000;

const LIMITS: Thresholds = Thresholds {
    successes: 2,
    http_failures: 3,
    tcp_failures: 2,
    timeouts: 1,
};

/// Out after two failed connections, `active` checks as given.
fn breaker(weights: &[u16], threshold: u32, active: u32) -> Balancer {
    balancer(weights, |row| {
        let checks = &mut row["healthchecks"];
        checks["passive"]["unhealthy"]["tcp_failures"] = json!(2);
        checks["passive"]["unhealthy"]["http_failures"] = json!(2);
        checks["threshold"] = json!(threshold);
        checks["active"]["unhealthy"]["interval"] = json!(active);
        checks["active"]["healthy"]["successes"] = json!(active);
    })
}

fn choose(balancer: &Balancer, now: u64) -> Result<Choice, Nobody> {
    balancer.members().choose(None, &Tried::default(), at(now))
}

fn fail(balancer: &Balancer, member: usize, now: u64) {
    let choice = Choice {
        member,
        trial: false,
    };
    for _ in 0..2 {
        balancer.members().report(choice, Report::Tcp, at(now));
    }
}

/// What the rules say, one step at a time.
#[derive(Default)]
struct Model {
    down: bool,
    counts: [u8; 4],
}

impl Model {
    fn step(&mut self, report: Report, limits: [u8; 4]) -> Option<Change> {
        let kind = report as usize;
        if report == Report::Success && !self.down {
            self.counts = [0; 4];
            return None;
        }
        if limits[kind] == 0 {
            return None;
        }
        if self.down && report != Report::Success {
            self.counts[0] = 0;
            return None;
        }
        self.counts[kind] += 1;
        if self.counts[kind] < limits[kind] {
            return None;
        }
        self.counts = [0; 4];
        self.down = !self.down;
        Some(if self.down { Change::Down } else { Change::Up })
    }
}

proptest! {
    #[test]
    fn thresholds_hold(
        reports in prop::collection::vec(0_usize..4, 0..60),
        limits in prop::array::uniform4(0_u8..4),
    ) {
        let all = [Report::Success, Report::Http, Report::Tcp, Report::Timeout];
        let thresholds = Thresholds {
            successes: limits[0],
            http_failures: limits[1],
            tcp_failures: limits[2],
            timeouts: limits[3],
        };
        let (health, mut model) = (Health::default(), Model::default());
        for report in reports {
            let wanted = model.step(all[report], limits);
            prop_assert_eq!(health.report(all[report], thresholds, None, 0), wanted);
            prop_assert_eq!(health.is_up(), !model.down);
        }
    }
}

#[test]
fn threads_together_reach_a_threshold_once() {
    let health = Arc::new(Health::default());
    let limits = Thresholds {
        tcp_failures: 200,
        ..LIMITS
    };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let health = Arc::clone(&health);
            std::thread::spawn(move || {
                (0..50)
                    .filter(|_| health.report(Report::Tcp, limits, None, 0).is_some())
                    .count()
            })
        })
        .collect();
    let changes: usize = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!((changes, health.is_up()), (1, false));
}

#[test]
fn one_that_is_out_gets_a_trial_after_a_pause_and_comes_back_by_it() {
    let balancer = breaker(&[1, 1], 0, 0);
    fail(&balancer, 0, 0);
    for _ in 0..4 {
        assert_eq!(
            choose(&balancer, SECOND - 1),
            Ok(Choice {
                member: 1,
                trial: false
            })
        );
    }
    let trial = choose(&balancer, SECOND).unwrap();
    assert_eq!(
        trial,
        Choice {
            member: 0,
            trial: true
        }
    );
    assert_eq!(
        choose(&balancer, SECOND).unwrap().member,
        1,
        "one at a time"
    );
    // It fails: the next pause is twice as long.
    balancer.members().report(trial, Report::Tcp, at(SECOND));
    assert_eq!(choose(&balancer, 3 * SECOND - 1).unwrap().member, 1);
    let trial = choose(&balancer, 3 * SECOND).unwrap();
    assert!(trial.trial);
    assert_eq!(
        balancer.members().judge(trial, 404),
        Some(Report::Success),
        "it is there again"
    );
    assert_eq!(
        balancer
            .members()
            .report(trial, Report::Success, at(3 * SECOND)),
        Some(Change::Up)
    );
    let both: Vec<_> = (0..4)
        .map(|_| choose(&balancer, 3 * SECOND).unwrap())
        .collect();
    assert_eq!(both.iter().filter(|choice| choice.member == 0).count(), 2);
    assert!(both.iter().all(|choice| !choice.trial));
}

#[test]
fn a_trial_of_which_nothing_is_heard_is_followed_by_another() {
    let balancer = breaker(&[1], 0, 0);
    fail(&balancer, 0, 0);
    assert!(choose(&balancer, SECOND).unwrap().trial);
    assert_eq!(choose(&balancer, SECOND), Err(Nobody::Unhealthy));
    assert!(choose(&balancer, 2 * SECOND).unwrap().trial);
}

#[test]
fn where_checks_ask_no_request_tries() {
    let balancer = breaker(&[1, 1], 0, 2);
    fail(&balancer, 0, 0);
    for _ in 0..10 {
        assert_eq!(choose(&balancer, 3600 * SECOND).unwrap().member, 1);
    }
    let members = balancer.members();
    assert_eq!(
        members.checked(&members.members[0].endpoint, Report::Success),
        None
    );
    assert_eq!(
        members.checked(&members.members[0].endpoint, Report::Success),
        Some(Change::Up)
    );
    assert!((0..2).any(|_| choose(&balancer, 0).unwrap().member == 0));
}

#[test]
fn too_little_weight_is_as_none() {
    let balancer = breaker(&[50, 30, 20], 50, 0);
    fail(&balancer, 2, 0);
    assert!(choose(&balancer, 0).is_ok());
    fail(&balancer, 0, 0);
    assert_eq!(choose(&balancer, 0), Err(Nobody::Unhealthy), "30 of 100");
    assert!(choose(&balancer, SECOND).unwrap().trial, "but a way back");
}

#[test]
fn all_out_is_nobody() {
    let balancer = breaker(&[1, 1], 0, 1);
    fail(&balancer, 0, 0);
    fail(&balancer, 1, 0);
    assert_eq!(choose(&balancer, 0), Err(Nobody::Unhealthy));
    assert_eq!(
        choose(&self::balancer(&[], |_| {}), 0),
        Err(Nobody::Unhealthy)
    );
}

#[test]
fn failures_count_in_a_row() {
    let balancer = breaker(&[1], 0, 1);
    let members = balancer.members();
    let choice = choose(&balancer, 0).unwrap();
    for status in [500, 200, 503, 404] {
        if let Some(report) = members.judge(choice, status) {
            assert_eq!(members.report(choice, report, at(0)), None);
        }
    }
    assert_eq!(
        members.report(choice, Report::Http, at(0)),
        Some(Change::Down),
        "404 says nothing"
    );
}
