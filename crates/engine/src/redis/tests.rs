//! The script against the local counters, and a connection against a real Redis that stops, dies and comes back.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::{Builder, LocalOptions};

use super::resp::{Reply, parse, push_command};
use super::*;
use crate::config::fixtures::{plugin, rate_limiting};
use crate::config::wire;
use crate::limits::{CounterRoom, Counters, Limits, Window};
use crate::phases::Now;
use crate::plugins::{Instance, Plugin};

/// A Redis of this test's own.
struct Redis {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    fn start(options: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--appendonly", "no", "--dir"])
            .arg(folder.path())
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed: scripts/services.sh installs it");
        let redis = Self {
            process,
            port,
            _folder: folder,
        };
        for _ in 0..3000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return redis;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("Redis doesn't start");
    }

    fn client(&self) -> Client {
        Client(TcpStream::connect(("127.0.0.1", self.port)).unwrap())
    }

    fn plugin(&self, server: &serde_json::Value) -> Arc<RateLimiting> {
        let mut config = rate_limiting(3);
        config["policy"] = json!("redis");
        config["redis"] = json!({"host": "127.0.0.1", "port": self.port, "timeout": 400});
        for (name, value) in server.as_object().unwrap() {
            config["redis"][name] = value.clone();
        }
        let row = plugin("rate-limiting", &config).to_string();
        let row: wire::Plugin = serde_json::from_str(&row).unwrap();
        match Instance::compile(&row, false).unwrap().unwrap().plugin {
            Plugin::RateLimiting(plugin) => plugin,
            _ => panic!("another plugin"),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A blocking client.
struct Client(TcpStream);

impl Client {
    fn ask<T>(&mut self, words: &[&[u8]], read: impl Fn(Reply<'_>) -> T) -> T {
        let mut bytes = Vec::new();
        push_command(words, &mut bytes);
        self.0.write_all(&bytes).unwrap();
        bytes.clear();
        loop {
            let mut room = [0; 4096];
            let length = self.0.read(&mut room).unwrap();
            bytes.extend_from_slice(&room[..length]);
            if let Some((reply, _)) = parse(&bytes).unwrap() {
                return read(reply);
            }
        }
    }
}

/// 2026-11-22 13:14:15.
const NOON: u64 = 1_795_353_255;

/// Mostly a little later, sometimes across the edge of a month or a year; now and then the clock is put back.
fn steps() -> impl Strategy<Value = Vec<(i64, Limits)>> {
    let step = prop_oneof![
        6 => 0..3_i64,
        2 => 20..90_i64,
        1 => 2000..90_000_i64,
        1 => 86_400 * 20..86_400 * 400_i64,
        1 => -5000..0_i64,
    ];
    let limit = prop_oneof![2 => Just(None), 3 => (1..6_u64).prop_map(Some)];
    let limits = prop::collection::vec(limit, 6).prop_filter("a plugin has a limit", |given| {
        given.iter().any(Option::is_some)
    });
    let limits = limits.prop_map(|given| {
        let mut limits = Limits::default();
        for (window, limit) in Window::ALL.into_iter().zip(given) {
            if let Some(limit) = limit {
                limits.set(window, limit);
            }
        }
        limits
    });
    prop::collection::vec((step, limits), 1..60)
}

#[test]
fn the_script_judges_as_the_local_counters_do() {
    let redis = Redis::start(&[]);
    // The clock is the test's; and what has expired is gone by the clock of Redis, which isn't.
    let script = SCRIPT
        .replace("redis.call('TIME')[1]", "ARGV[7]")
        .replace("redis.call('EXPIREAT', key,", "tostring(");
    assert!(script.contains("ARGV[7]") && !script.contains("EXPIREAT"));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let judged = runner.run(&steps(), |steps| {
        let folder = tempfile::tempdir().unwrap();
        let counters = Counters::open(folder.path(), CounterRoom::default()).unwrap();
        let key = CounterKey::new(&[7; 32]);
        let mut client = redis.client();
        client.ask(&[b"FLUSHALL"], |_| ());
        let (mut wall, mut latest, mut admitted) = (NOON, NOON, true);
        for (step, limits) in steps {
            // The script remembers the times of those it admitted alone, which is enough: put back is the clock after these.
            let step = if admitted { step } else { step.max(0) };
            wall = wall.saturating_add_signed(step).max(NOON);
            latest = latest.max(wall);
            let now = Now {
                mono: 0,
                wall: latest * 1_000_000,
            };
            let local = counters.count(key, &limits, now).unwrap();
            let limits = Window::ALL.map(|window| match limits.get(window) {
                Some(limit) => limit.to_string(),
                None => String::new(),
            });
            let time = wall.to_string();
            let mut words = vec![&b"EVAL"[..], script.as_bytes(), b"1", b"key"];
            words.extend(limits.iter().map(String::as_bytes));
            words.push(time.as_bytes());
            let shared = client.ask(&words, |reply| match reply {
                Reply::Integers(8, numbers) => Ok(numbers),
                other => Err(format!("{other:?}")),
            });
            let shared = shared.map_err(TestCaseError::fail)?;
            prop_assert_eq!(shared[0] == 1, local.admitted);
            admitted = local.admitted;
            prop_assert_eq!(shared[1], i64::try_from(local.time).unwrap());
            for (used, window) in shared[2..].iter().zip(Window::ALL) {
                prop_assert_eq!(*used, i64::try_from(local.used(window)).unwrap());
            }
        }
        Ok(())
    });
    judged.unwrap();
}

#[test]
fn a_counter_expires_when_its_longest_window_is_over() {
    let redis = Redis::start(&[]);
    let mut client = redis.client();
    for (window, limits) in [
        (Window::Minute, [b"5", &b"7"[..], b"", b"", b"", b""]),
        (Window::Year, [b"", &b"7"[..], b"", b"", b"", b"9"]),
        // What is kept for longer stays: a smaller plan for a while forgives nothing.
        (Window::Year, [b"", &b"7"[..], b"", b"", b"", b""]),
    ] {
        let mut words = vec![&b"EVAL"[..], SCRIPT.as_bytes(), b"1", b"key"];
        words.extend(limits);
        let time = client.ask(&words, |reply| match reply {
            Reply::Integers(8, [1, time, ..]) => u64::try_from(time).unwrap(),
            other => panic!("{other:?}"),
        });
        let expires = client.ask(&[b"EXPIRETIME", b"key"], |reply| match reply {
            Reply::Integer(time) => u64::try_from(time).unwrap(),
            other => panic!("{other:?}"),
        });
        assert_eq!(expires, window.end(time));
    }
}

fn on_a_thread<T>(scene: impl AsyncFnOnce(Hub, Arc<RedisStats>) -> T) -> T {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let (timers, stats) = (Rc::<Timers>::default(), Arc::<RedisStats>::default());
        let ticking = Rc::clone(&timers);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(crate::proxy::timers::TICK).await;
                ticking.tick();
            }
        });
        scene(Hub::new(Namespace(1), timers, Arc::clone(&stats)), stats).await
    })
}

async fn until_counted(hub: &Hub, asked: &SharedCount) -> Counted {
    for _ in 0..3000 {
        if let Ok(counted) = hub.count(asked.clone()).await {
            return counted;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("Redis isn't reached again");
}

fn signal(redis: &Redis, name: &str) {
    let id = redis.process.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &id])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_server_that_hangs_costs_one_timeout_and_is_found_again() {
    let redis = Redis::start(&["--requirepass", "open sesame"]);
    let plugin = redis.plugin(&json!({"password": "open sesame", "database": 3}));
    let counter = CounterKey::new(&[7; 32]);
    let asked = SharedCount { plugin, counter };
    on_a_thread(async |hub, stats| {
        assert!(hub.count(asked.clone()).await.unwrap().admitted);
        signal(&redis, "-STOP");
        assert_eq!(hub.count(asked.clone()).await, Err(Fault::Timeout));
        for _ in 0..100 {
            assert_eq!(hub.count(asked.clone()).await, Err(Fault::Unreachable));
        }
        assert_eq!((stats.timeouts.get(), stats.unreachable.get()), (1, 100));
        signal(&redis, "-CONT");
        until_counted(&hub, &asked).await;
        // Somebody empties the scripts: the next one is sent whole.
        let mut client = redis.client();
        client.ask(&[b"AUTH", b"open sesame"], |_| ());
        client.ask(&[b"SCRIPT", b"FLUSH"], |_| ());
        hub.count(asked.clone()).await.unwrap();
        assert_eq!(stats.refused.get(), 0);
    });
}

#[test]
fn a_wrong_password_is_a_server_that_is_not_reached() {
    let redis = Redis::start(&["--requirepass", "open sesame"]);
    let plugin = redis.plugin(&json!({"password": "guessed"}));
    let server = format!("{plugin:?}");
    assert!(!server.contains("guessed"), "{server}");
    let asked = SharedCount {
        plugin,
        counter: CounterKey::new(&[7; 32]),
    };
    on_a_thread(async |hub, stats| {
        assert_eq!(hub.count(asked).await, Err(Fault::Unreachable));
        assert_eq!(stats.connect_failures.get(), 1);
    });
}

#[test]
fn many_at_once_share_a_connection_and_exactly_the_limit_pass() {
    let redis = Redis::start(&[]);
    let plugin = redis.plugin(&json!({}));
    let asked = SharedCount {
        plugin,
        counter: CounterKey::new(&[7; 32]),
    };
    on_a_thread(async |hub, stats| {
        let hub = Rc::new(hub);
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (hub, asked) = (Rc::clone(&hub), asked.clone());
                tokio::task::spawn_local(async move { hub.count(asked).await.unwrap() })
            })
            .collect();
        let mut windows = std::collections::BTreeMap::<u64, u64>::new();
        for task in tasks {
            let counted = task.await.unwrap();
            *windows
                .entry(Window::Minute.start(counted.time))
                .or_default() += u64::from(counted.admitted);
        }
        // The minute may end meanwhile; no minute lets more than three pass.
        assert!(windows.values().all(|passed| *passed <= 3));
        assert!(windows.values().any(|passed| *passed == 3));
        assert_eq!(stats.connects.get(), 1);
    });
}
