//! Counters against a naive model, under threads, and under processes that are killed.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, thread};

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000;
/// 2026-11-22 13:14:15.
const START: u64 = 1_795_353_255;

fn key(number: u64) -> CounterKey {
    CounterKey {
        high: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        low: number.rotate_left(40) ^ 0x1234_5678_9abc_def0,
    }
}

fn limits(of: &[(Window, u64)]) -> Limits {
    let mut limits = Limits::default();
    for (window, limit) in of {
        limits.set(*window, *limit);
    }
    limits
}

fn at(second: u64) -> Now {
    Now {
        mono: (second - START) * SECOND,
        wall: second * SECOND,
    }
}

fn small(folder: &Path) -> Counters {
    Counters::open(
        folder,
        CounterRoom {
            first: 0,
            most: 1 << 16,
        },
    )
    .unwrap()
}

/// Counts by window in a map; time never goes back, and goes on with the steady clock.
#[derive(Default)]
struct Model {
    counts: HashMap<(u64, Window, u64), u64>,
    offset: u64,
}

impl Model {
    fn count(&mut self, number: u64, limits: &Limits, now: Now) -> (bool, Vec<u64>) {
        self.offset = self.offset.max(now.wall.saturating_sub(now.mono));
        let time = (now.mono + self.offset) / SECOND;
        let place = |window: Window| (number, window, window.start(time));
        let used = |model: &Self, window| *model.counts.get(&place(window)).unwrap_or(&0);
        let admitted = Window::ALL.into_iter().all(|window| {
            limits
                .get(window)
                .is_none_or(|limit| used(self, window) < limit)
        });
        for window in Window::ALL {
            *self.counts.entry(place(window)).or_default() += u64::from(admitted);
        }
        let used = Window::ALL
            .into_iter()
            .map(|window| used(self, window))
            .collect();
        (admitted, used)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn counts_as_the_model_does_whatever_the_clock_does(
        second in 1..4_u64, minute in 0..6_u64, day in 0..12_u64, year in 0..20_u64,
        requests in prop::collection::vec(
            (0..3_u64, prop::sample::select(vec![0, 0, 0, 1, 20, 59, 3_600, 86_400, 2_700_000]), -90..90_i64), 1..200,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let counters = small(folder.path());
        let limits = limits(&[
            (Window::Second, second), (Window::Minute, second + minute),
            (Window::Day, second + minute + day), (Window::Year, second + minute + day + year),
        ]);
        let mut model = Model::default();
        let mut mono = 0;
        for (number, pass, error) in requests {
            mono += pass * SECOND / 2;
            let wall = (START * SECOND + mono).saturating_add_signed(error * 1_000_000);
            let now = Now { mono, wall };
            let counted = counters.count(key(number), &limits, now).unwrap();
            let used: Vec<_> = Window::ALL.map(|window| counted.used(window)).to_vec();
            prop_assert_eq!((counted.admitted, used), model.count(number, &limits, now));
        }
    }
}

fn draw(number: u64, limit: u64, amount: u64) -> Draw {
    Draw {
        counter: key(1 << 40 | number),
        limit,
        amount,
        until: START + 100,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn limit_and_allowances_are_taken_together_or_not_at_all(
        minute in 1..6_u64, first in 0..8_u64, second in 0..8_u64,
        steps in prop::collection::vec((0..4_u8, 0..3_u64, any::<bool>()), 1..80),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let counters = small(folder.path());
        let limits = limits(&[(Window::Minute, minute)]);
        let (mut rated, mut used) = (0, [0_u64; 2]);
        for (step, amount, limited) in steps {
            let draws = [draw(1, first, 1), draw(0, second, amount)];
            match step {
                0 => {
                    counters.give_back(draws[1].counter, amount);
                    used[1] = used[1].saturating_sub(amount);
                }
                1 if used[1] > 0 => {
                    counters.draw_more(draws[1].counter, amount);
                    used[1] += amount;
                }
                _ => {
                    let rate = limited.then_some((key(7), &limits));
                    let admission = counters.admit(rate, &draws, at(START)).unwrap();
                    let lacks = [used[0] + 1 > first, used[1] + amount.max(1) > second];
                    let admitted = !(limited && rated >= minute) && lacks == [false, false];
                    prop_assert_eq!(admission.admitted, admitted);
                    prop_assert_eq!(admission.exhausted, lacks.iter().position(|lacks| *lacks));
                    rated += u64::from(admitted && limited);
                    used[0] += u64::from(admitted);
                    used[1] += amount * u64::from(admitted);
                    prop_assert_eq!(&admission.used[..2], &used[..]);
                    if let Some(counted) = admission.rate {
                        prop_assert_eq!(counted.used(Window::Minute), rated);
                    }
                }
            }
        }
    }
}

#[test]
fn allowances_are_exact_under_threads_that_draw_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let counters = small(folder.path());
    let passed = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (counters, passed) = (&counters, &passed);
            scope.spawn(move || {
                let mut draws = [draw(1, 73, 1), draw(2, 500, 1), draw(3, 400, 1)];
                draws.rotate_left(thread % 3);
                let limits = limits(&[(Window::Year, 300)]);
                for _ in 0..200 {
                    let rate = Some((key(9), &limits));
                    let admission = counters.admit(rate, &draws, at(START)).unwrap();
                    passed.fetch_add(u64::from(admission.admitted), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 73);
    let all = [draw(1, 0, 1), draw(2, 0, 1), draw(3, 0, 1)];
    let left = counters.admit(None, &all, at(START)).unwrap();
    assert_eq!(left.used[..3], [73; 3]);
}

#[test]
fn allowances_survive_reopening_and_are_kept_as_long_as_was_said() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let counters = small(folder.path());
        let admission = counters.admit(None, &[draw(1, 3, 1)], at(START)).unwrap();
        assert_eq!(admission.admitted, round < 3, "round {round}");
    }
    let counters = small(folder.path());
    let fill = |from: u64, time: u64| {
        for number in from..from + 3_000 {
            let _ = counters.count(key(number), &limits(&[(Window::Second, 1)]), at(time));
        }
        counters.maintain(at(time + 2)).unwrap();
    };
    fill(10_000, START + 90);
    let draws = [draw(1, 3, 1)];
    assert!(
        !counters
            .admit(None, &draws, at(START + 99))
            .unwrap()
            .admitted
    );
    fill(20_000, START + 100);
    // Its time is over and its room another's: nothing is left of it.
    counters.give_back(draws[0].counter, 1);
    assert!(
        counters
            .admit(None, &draws, at(START + 103))
            .unwrap()
            .admitted
    );
}

#[test]
fn counts_survive_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let limits = limits(&[(Window::Minute, 3)]);
    for round in 0..5 {
        let counters = small(folder.path());
        let counted = counters.count(key(1), &limits, at(START)).unwrap();
        assert_eq!(counted.admitted, round < 3, "round {round}");
        assert_eq!(counted.used(Window::Minute), 3.min(round + 1));
    }
}

#[test]
fn exactly_the_limit_passes_under_threads() {
    let folder = tempfile::tempdir().unwrap();
    let counters = small(folder.path());
    let limits = limits(&[(Window::Hour, 700), (Window::Month, 1500)]);
    let passed = [const { AtomicU64::new(0) }; 8];
    thread::scope(|scope| {
        for worker in 0..4_u64 {
            let (counters, limits, passed) = (&counters, &limits, &passed);
            scope.spawn(move || {
                for request in 0..4_000 {
                    let number = (request + worker) % 8;
                    let counted = counters.count(key(number), limits, at(START)).unwrap();
                    passed[number as usize]
                        .fetch_add(u64::from(counted.admitted), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(passed.map(AtomicU64::into_inner), [700; 8]);
}

#[test]
fn many_counters_grow_the_file_and_keep_their_counts() {
    let folder = tempfile::tempdir().unwrap();
    let counters = small(folder.path());
    let limits = limits(&[(Window::Year, 2)]);
    for number in 0..9000 {
        assert_eq!(
            counters
                .count(key(number), &limits, at(START))
                .unwrap()
                .used(Window::Year),
            1
        );
        if number % 1000 == 0 {
            counters.maintain(at(START)).unwrap();
        }
    }
    let again = small(folder.path());
    for number in 0..9000 {
        assert_eq!(
            again
                .count(key(number), &limits, at(START))
                .unwrap()
                .used(Window::Year),
            2
        );
        assert!(
            !counters
                .count(key(number), &limits, at(START))
                .unwrap()
                .admitted
        );
    }
}

#[test]
fn when_full_new_counters_are_refused_and_old_ones_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let counters = Counters::open(
        folder.path(),
        CounterRoom {
            first: 0,
            most: 8192,
        },
    )
    .unwrap();
    let limits = limits(&[(Window::Minute, 10)]);
    let mut refused = 0;
    for number in 0..10_000 {
        if number % 1000 == 0 {
            counters.maintain(at(START)).unwrap();
        }
        match counters.count(key(number), &limits, at(START)) {
            Ok(counted) => assert!(counted.admitted),
            Err(fault) => {
                assert_eq!(fault, LimitFault::Full);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 10_000 - 8192);
    assert_eq!(
        counters
            .count(key(0), &limits, at(START))
            .unwrap()
            .used(Window::Minute),
        2
    );
    // A minute later their windows are over, and their room is free.
    counters.maintain(at(START + 60)).unwrap();
    for number in 20_000..24_000 {
        assert!(
            counters
                .count(key(number), &limits, at(START + 60))
                .unwrap()
                .admitted
        );
    }
}

#[test]
fn a_reused_slot_begins_anew_and_its_old_key_too() {
    let folder = tempfile::tempdir().unwrap();
    let counters = small(folder.path());
    let limits = limits(&[(Window::Second, 5)]);
    for time in START..START + 60 {
        for number in time * 1000..time * 1000 + 1000 {
            let counted = counters.count(key(number), &limits, at(time)).unwrap();
            assert_eq!(counted.used(Window::Second), 1);
        }
        counters.maintain(at(time + 1)).unwrap();
    }
    let slots = counters.states(|state| state.slots.load(Ordering::Relaxed));
    assert!(slots <= 8192, "room is reused: {slots} slots");
}

const CHILD: &str = "TOLLWAY_TEST_COUNTERS";
const CHILD_LIMITS: [(Window, u64); 2] = [(Window::Day, 50_000), (Window::Month, 60_000)];

/// Not a test: what the processes of the tests below do, over and over, until they are killed.
#[test]
fn child() {
    let Ok(folder) = env::var(CHILD) else { return };
    let counters = Counters::open(
        Path::new(&folder),
        CounterRoom {
            first: 0,
            most: 1 << 16,
        },
    )
    .unwrap();
    std::fs::write(
        Path::new(&folder).join(format!("ready-{}", std::process::id())),
        "",
    )
    .unwrap();
    let limits = limits(&CHILD_LIMITS);
    for round in 0_u64.. {
        // Seconds pass, so windows end; and new counters come, so the structure changes when death does.
        let time = START + round / 500;
        let _ = counters.count(key(round % 16), &limits, at(time));
        let _ = counters.count(key(1 << 32 | round), &limits, at(time));
        let _ = counters.maintain(at(time));
    }
}

fn spawn(folder: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "limits::tests::child"])
        .env(CHILD, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = folder.join(format!("ready-{}", child.id()));
    while !ready.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the child did not begin"
        );
        thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn killed_processes_leave_counters_that_go_on_and_agree() {
    let folder = tempfile::tempdir().unwrap();
    let counters = Counters::open(
        folder.path(),
        CounterRoom {
            first: 0,
            most: 1 << 16,
        },
    )
    .unwrap();
    let limits = limits(&CHILD_LIMITS);
    let mut last = [0; 16];
    for round in 0..12 {
        let mut children = [spawn(folder.path()), spawn(folder.path())];
        thread::sleep(Duration::from_millis(20 + round * 3));
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for (number, last) in (0..).zip(&mut last) {
            let counted = counters.count(key(number), &limits, at(START)).unwrap();
            let used =
                [Window::Day, Window::Month, Window::Year].map(|window| counted.used(window));
            // All within one day: these windows have seen the same requests, whoever died.
            assert_eq!(used, [used[0]; 3]);
            assert!(used[0] > *last || used[0] == 50_000);
            *last = used[0];
        }
    }
    for number in 0..16 {
        while counters
            .count(key(number), &limits, at(START))
            .unwrap()
            .admitted
        {}
        let counted = counters.count(key(number), &limits, at(START)).unwrap();
        assert_eq!(counted.used(Window::Day), 50_000, "exactly the limit");
    }
}

#[test]
fn a_lock_of_the_dead_is_taken_over_wherever_they_died() {
    let folder = tempfile::tempdir().unwrap();
    let limits = limits(&[(Window::Minute, 100)]);
    let counters = small(folder.path());
    assert!(counters.count(key(1), &limits, at(START)).unwrap().admitted);
    // The next place, in a life that nobody lives: it died with the counter's lock, and with the structure's.
    let dead = lock::Holder::new(5, 77);
    let slot = counters.find(key(1)).unwrap();
    slot.lock_for(dead);
    counters
        .table
        .structure()
        .unwrap()
        .store(dead.bits(), Ordering::Relaxed);
    assert_eq!(
        counters
            .count(key(1), &limits, at(START))
            .unwrap()
            .used(Window::Minute),
        2
    );
    assert_eq!(
        counters
            .count(key(2), &limits, at(START))
            .unwrap()
            .used(Window::Minute),
        1
    );
    // A living one that was stopped is waited for, but not for ever.
    let other = small(folder.path());
    slot.lock_for(lock::Process::me(&other.process));
    assert_eq!(
        counters.count(key(1), &limits, at(START)),
        Err(LimitFault::Busy)
    );
    drop(other);
    assert_eq!(
        counters
            .count(key(1), &limits, at(START))
            .unwrap()
            .used(Window::Minute),
        3
    );
}
