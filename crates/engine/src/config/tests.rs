//! Deltas against full rebuilds, the copy on disk torn everywhere, faults that name their place.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::*;
use super::*;

fn updater() -> Updater {
    Updater::new(Arc::default(), None)
}

fn send(updater: &mut Updater, frame: &Value) -> Result<Progress, FrameFault> {
    updater.frame(&frame.to_string())
}

fn full(version: u64, consumers: &[Value], keys: &[Value]) -> [Value; 4] {
    [
        json!({"type": "full_begin", "version": version, "base": base()}),
        json!({"type": "rows", "table": "consumers", "rows": consumers}),
        json!({"type": "rows", "table": "key_auth", "rows": keys}),
        json!({"type": "full_end", "version": version}),
    ]
}

fn fault_of(change: impl FnOnce(&mut Value)) -> String {
    let mut base = base();
    change(&mut base);
    check_base(&base.to_string()).map_or_else(|error| error.to_string(), |()| "accepted".into())
}

/// What is done to a right base, and how the fault begins.
type Case = (fn(&mut Value), &'static str);

#[test]
fn faults_of_tls_name_place_problem_and_fix() {
    let cases: [Case; 6] = [
        (
            |b| b["services"][0]["ca_certificates"] = json!([id(9)]),
            "services[0].ca_certificates[0]: there is no CA certificate 0909",
        ),
        (
            |b| b["services"][0]["client_certificate"] = json!({"id": id(9)}),
            "services[0].client_certificate.id: there is no certificate 0909",
        ),
        (
            |b| {
                b["services"][0]["protocol"] = json!("https");
                b["services"][0]["host"] = json!("unix:/run/a.sock");
            },
            "services[0].host: TLS isn't spoken over a Unix socket",
        ),
        (
            |b| b["services"][0]["host"] = json!("unix:run/a.sock"),
            "services[0].host: not the path of a Unix socket",
        ),
        (
            |b| b["ca_certificates"] = json!([{"id": id(9), "cert": "x", "tags": null}]),
            "ca_certificates[0].cert: there is no certificate in it",
        ),
        (
            |b| b["routes"][0]["snis"] = json!(["a:1"]),
            "routes[0].snis[0]: not a name as a TLS handshake has it",
        ),
    ];
    for (change, wanted) in cases {
        let fault = fault_of(change);
        assert!(fault.starts_with(wanted), "{fault}");
    }
}

#[test]
fn faults_name_place_problem_and_fix() {
    assert_eq!(fault_of(|_| {}), "accepted");
    let cases: [Case; 18] = [
        (
            |b| b["routes"][0]["paths"] = json!(["a"]),
            "routes[0].paths[0]: neither a prefix nor a pattern; ",
        ),
        (
            |b| b["routes"][0]["paths"] = json!(["/a", "~/(b"]),
            "routes[0].paths[1]: not a pattern: unclosed group; ",
        ),
        (
            |b| b["routes"][0]["hosts"] = json!(["a.*.b"]),
            "routes[0].hosts[0]: a wildcard may only be",
        ),
        (
            |b| b["routes"][0]["paths"] = json!(null),
            "routes[0]: the route would match everything; ",
        ),
        (
            |b| b["routes"][0]["colour"] = json!(1),
            "routes[0].colour: unknown field `colour`",
        ),
        (
            |b| b["routes"][0]["service"] = json!({"id": id(9)}),
            "routes[0].service.id: there is no service 0909",
        ),
        (
            |b| b["services"][0]["port"] = json!(70000),
            "services[0].port: invalid value",
        ),
        (
            |b| b["services"][0]["host"] = json!("a b"),
            "services[0].host: not a host name",
        ),
        (
            |b| b["services"][0]["protocol"] = json!("tcp"),
            "services[0].protocol: unknown variant `tcp`",
        ),
        (
            |b| b["plugins"][1]["config"]["minute"] = json!(1.5),
            "plugin rate-limiting config.minute: 1.5 is not",
        ),
        (
            |b| b["plugins"][1]["config"]["hour"] = json!(1),
            "plugin rate-limiting config.hour: 1 is less than the 5",
        ),
        (
            |b| b["plugins"][1]["config"]["policy"] = json!("cluster"),
            "plugin rate-limiting config.policy: counting in the database isn't supported; use redis",
        ),
        (
            |b| b["plugins"][1]["config"]["policy"] = json!("redis"),
            "plugin rate-limiting config.redis.host: needed where policy is redis",
        ),
        (
            |b| {
                b["plugins"][1]["config"]["policy"] = json!("redis");
                b["plugins"][1]["config"]["redis"] = json!({"host": "r", "ssl": true});
            },
            "plugin rate-limiting config.redis.ssl: TLS towards Redis isn't spoken yet",
        ),
        (
            |b| {
                b["plugins"][1]["config"]["policy"] = json!("redis");
                b["plugins"][1]["config"]["redis"] =
                    json!({"host": "r", "password": "{vault://hcv/redis}"});
            },
            "plugin rate-limiting config.redis.password: a reference to what isn't known here",
        ),
        (
            |b| {
                b["plugins"][1]["config"]["policy"] = json!("redis");
                b["plugins"][1]["config"]["redis"] = json!({"host": "r", "timeout": 0});
            },
            "plugin rate-limiting config.redis.timeout: not a time",
        ),
        (
            |b| b["plugins"][0]["config"]["key_in_body"] = json!(true),
            "plugin key-auth config.key_in_body: keys in",
        ),
        (
            |b| b["plugins"][0]["name"] = json!("nope"),
            "plugin nope: the engine has no plugin of this name; use",
        ),
    ];
    for (change, wanted) in cases {
        let fault = fault_of(change);
        assert!(fault.starts_with(wanted), "{fault}");
    }
}

#[test]
fn faults_in_rows_name_the_row() {
    let fault = |table: &str, row: Value| match check_rows(table, &json!([row]).to_string()) {
        Ok(()) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(fault("consumers", consumer(1, "ann")), "accepted");
    assert_eq!(fault("key_auth", key(1, 2)), "accepted");
    assert!(
        fault("consumers", consumer(1, "a\nb")).starts_with("consumers[0].username: a control")
    );
    assert!(fault("key_auth", json!({"id": 1})).starts_with("key_auth[0].id: invalid type"));
    assert!(fault("keys", key(1, 2)).starts_with("keys: there is no table"));
    let mut row = consumer(1, "ann");
    row["plugins"] = json!([plugin("key-auth", &key_auth())]);
    assert!(fault("consumers", row).starts_with("plugin key-auth consumer: this plugin can't"));
}

#[test]
fn deltas_follow_each_other_or_are_refused() {
    let mut updater = updater();
    let delta = |from, version| {
        json!({"type": "delta", "from": from, "version": version, "base": null,
               "put": {"consumers": [consumer(7, "ann")]}, "delete": {}})
    };
    assert_eq!(
        send(&mut updater, &delta(1, 2)),
        Err(FrameFault::Gap {
            have: None,
            from: 1
        })
    );
    for frame in full(3, &[], &[]) {
        send(&mut updater, &frame).unwrap();
    }
    assert_eq!(
        send(&mut updater, &delta(2, 4)),
        Err(FrameFault::Gap {
            have: Some(3),
            from: 2
        })
    );
    assert_eq!(send(&mut updater, &delta(3, 5)), Ok(Progress::Applied(5)));
    assert_eq!(
        send(&mut updater, &json!({"type": "ping", "version": 6})),
        Ok(Progress::Newest(6))
    );
    let mut wrong = delta(5, 6);
    wrong["put"]["consumers"][0]["mode"] = json!("free");
    assert!(matches!(
        send(&mut updater, &wrong),
        Err(FrameFault::Rejected { version: 6, .. })
    ));
    let config = updater.store().current().unwrap();
    assert_eq!((config.version, config.consumers.len()), (5, 1));
}

#[test]
fn a_refused_resync_leaves_the_running_version() {
    let mut updater = updater();
    for frame in full(3, &[consumer(7, "ann")], &[]) {
        send(&mut updater, &frame).unwrap();
    }
    let mut frames = full(9, &[consumer(8, "bob")], &[]);
    frames[1]["rows"][0]["mode"] = json!("free");
    let outcomes = frames.map(|frame| send(&mut updater, &frame).is_ok());
    assert_eq!(outcomes, [true, false, true, true]);
    assert_eq!(updater.version(), Some(3));
    assert!(send(&mut updater, &frames_end(9)).is_err());
}

fn frames_end(version: u64) -> Value {
    json!({"type": "full_end", "version": version})
}

#[test]
fn a_reader_sees_one_version_until_it_asks_again() {
    let mut updater = updater();
    let mut reader = ConfigReader::new(Arc::clone(updater.store()));
    assert!(reader.current().is_none());
    for frame in full(3, &[consumer(7, "guest")], &[key(1, 7)]) {
        send(&mut updater, &frame).unwrap();
    }
    let held = reader.current().unwrap().clone();
    let gone = json!({"type": "delta", "from": 3, "version": 4, "base": null, "put": {},
                      "delete": {"consumers": [id(7)], "key_auth": ["01".repeat(32)]}});
    send(&mut updater, &gone).unwrap();
    let hash = KeyHash([1; 32]);
    let anonymous = crate::plugins::key_auth::Anonymous::Username("guest".into());
    assert!(held.by_key(&hash, 0).is_some() && held.anonymous(&anonymous).is_some());
    let now = reader.current().unwrap();
    assert!(now.by_key(&hash, 0).is_none() && now.anonymous(&anonymous).is_none());
    assert_eq!((held.version, now.version), (3, 4));
}

/// Everything that requests could tell apart.
fn contents(updater: &Updater) -> BTreeMap<String, String> {
    let Some(config) = updater.store().current() else {
        return BTreeMap::new();
    };
    let consumers = config
        .consumers
        .iter()
        .map(|(id, consumer)| (id.to_string(), format!("{consumer:?}")));
    let keys = config
        .key_auth
        .iter()
        .map(|(hash, key)| (format!("{hash:?}"), format!("{key:?}")));
    let version = [(
        "version".to_owned(),
        format!("{} {:?}", config.version, config.named),
    )];
    consumers.chain(keys).chain(version).collect()
}

/// Put or delete a consumer or a key, by number.
type Change = (bool, bool, u8, u8);

fn delta(from: u64, changes: &[Change]) -> Value {
    let mut put = json!({"consumers": [], "key_auth": []});
    let mut delete = put.clone();
    for (place, &(is_put, of_consumers, number, detail)) in changes.iter().enumerate() {
        // A delta names a key once: what becomes of it last.
        let later = &changes[place + 1..];
        if later
            .iter()
            .any(|change| (change.1, change.2) == (of_consumers, number))
        {
            continue;
        }
        let name = ["guest", "ann", "bob"][usize::from(detail)];
        let (table, row, key) = if of_consumers {
            ("consumers", consumer(number, name), json!(id(number)))
        } else {
            (
                "key_auth",
                key(number, detail),
                json!(format!("{number:02x}").repeat(32)),
            )
        };
        let (list, value) = if is_put {
            (&mut put, row)
        } else {
            (&mut delete, key)
        };
        list[table].as_array_mut().unwrap().push(value);
    }
    json!({"type": "delta", "from": from, "version": from + 1, "base": null, "put": put, "delete": delete})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn deltas_end_where_a_full_rebuild_begins(
        deltas in prop::collection::vec(prop::collection::vec((any::<bool>(), any::<bool>(), 0..12_u8, 0..3_u8), 0..6), 0..12),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let mut updater = Updater::new(Arc::default(), Some(Cache::new(path.clone(), [7; 32])));
        let (mut consumers, mut keys) = (BTreeMap::new(), BTreeMap::new());
        for frame in full(1, &[], &[]) {
            send(&mut updater, &frame).unwrap();
        }
        for (from, changes) in (1..).zip(&deltas) {
            let frame = delta(from, changes);
            for (table, model) in [("consumers", &mut consumers), ("key_auth", &mut keys)] {
                for row in frame["put"][table].as_array().unwrap() {
                    let key = row.get("hash").unwrap_or(&row["id"]).to_string();
                    model.insert(key, row.clone());
                }
                for key in frame["delete"][table].as_array().unwrap() {
                    model.remove(&key.to_string());
                }
            }
            send(&mut updater, &frame).unwrap();
        }
        let rows = |model: &BTreeMap<String, Value>| model.values().cloned().collect::<Vec<_>>();
        let mut rebuilt = self::updater();
        for frame in full(deltas.len() as u64 + 1, &rows(&consumers), &rows(&keys)) {
            send(&mut rebuilt, &frame).unwrap();
        }
        prop_assert_eq!(contents(&updater), contents(&rebuilt));
        prop_assert!(updater.take_cache_fault().is_none());
        let reopened = Updater::new(Arc::default(), Some(Cache::new(path, [7; 32])));
        prop_assert_eq!(contents(&reopened), contents(&rebuilt));
    }
}

/// A copy on disk: a full resync of version 1 and three deltas, and where each record ends.
fn written(path: &std::path::Path) -> (Vec<u8>, Vec<usize>) {
    let mut updater = Updater::new(Arc::default(), Some(Cache::new(path.to_owned(), [7; 32])));
    let mut ends = Vec::new();
    // Small: it will be read as many times as it has bytes.
    let mut frames = full(1, &[consumer(1, "ann")], &[]);
    frames[0]["base"] = json!({"services": [], "routes": [], "consumer_groups": [], "plugins": [], "upstreams": [], "certificates": [],
        "ca_certificates": [], "offers": [], "portal_url": null});
    for frame in frames {
        send(&mut updater, &frame).unwrap();
    }
    ends.push(fs::read(path).unwrap().len());
    for from in 1..4_u8 {
        send(
            &mut updater,
            &delta(u64::from(from), &[(true, true, from + 1, 1)]),
        )
        .unwrap();
        ends.push(fs::read(path).unwrap().len());
    }
    (fs::read(path).unwrap(), ends)
}

#[test]
fn a_copy_torn_at_any_byte_gives_the_last_whole_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    let (bytes, ends) = written(&path);
    for length in 0..=bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let mut updater = Updater::new(Arc::default(), Some(Cache::new(path.clone(), [7; 32])));
        let whole = ends.iter().filter(|end| **end <= length).count() as u64;
        assert_eq!(
            updater.version(),
            (whole > 0).then_some(whole),
            "{length} bytes"
        );
        assert!(updater.take_cache_fault().is_none());
        // And it goes on from there.
        if whole > 0 && (length % 32 == 0 || ends.contains(&length)) {
            send(&mut updater, &delta(whole, &[(true, true, 9, 1)])).unwrap();
            let again = Updater::new(Arc::default(), Some(Cache::new(path.clone(), [7; 32])));
            assert_eq!(again.version(), Some(whole + 1));
        }
    }
}

#[test]
fn an_altered_copy_or_another_key_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    let (bytes, ends) = written(&path);
    let version = |bytes: &[u8], key: [u8; 32]| {
        fs::write(&path, bytes).unwrap();
        Updater::new(Arc::default(), Some(Cache::new(path.clone(), key))).version()
    };
    assert_eq!(version(&bytes, [8; 32]), None);
    for place in (0..bytes.len()).step_by(7) {
        let mut altered = bytes.clone();
        altered[place] ^= 1;
        let whole = ends.iter().filter(|end| **end <= place).count() as u64;
        assert_eq!(
            version(&altered, [7; 32]),
            (whole > 0).then_some(whole),
            "byte {place}"
        );
    }
    // The last delta in the place of the one before it.
    let swapped = [&bytes[..ends[1]], &bytes[ends[2]..]].concat();
    assert_eq!(version(&swapped, [7; 32]), Some(2));
}

#[test]
fn a_copy_that_grows_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    let mut updater = Updater::new(Arc::default(), Some(Cache::new(path.clone(), [7; 32])));
    for frame in full(1, &[], &[]) {
        send(&mut updater, &frame).unwrap();
    }
    let long = "x".repeat(100_000);
    let mut longest = 0;
    for from in 1..40_u64 {
        let mut frame = delta(from, &[(true, true, 5, 0)]);
        frame["put"]["consumers"][0]["custom_id"] = json!(format!("{long}{from}"));
        send(&mut updater, &frame).unwrap();
        longest = longest.max(fs::metadata(&path).unwrap().len());
    }
    assert!((1_000_000..1_400_000).contains(&longest), "{longest}");
    let reopened = Updater::new(Arc::default(), Some(Cache::new(path, [7; 32])));
    assert_eq!(contents(&reopened), contents(&updater));
    assert_eq!(reopened.version(), Some(40));
}
