//! The router's order restated without any index, and held against the router on random routes and requests.

use proptest::prelude::*;
use regex::bytes::Regex;

use super::{Match, Query, Router};
use crate::config::wire;
use crate::uuid::Uuid;

/// Tries every route and path, and picks the best by Kong's criteria.
fn reference(routes: &[wire::Route], query: &Query<'_, &[(&[u8], &[u8])]>) -> Option<Match> {
    let mut matches = Vec::new();
    for (number, route) in routes.iter().enumerate() {
        let methods = route.methods.clone().unwrap_or_default();
        let hosts = route.hosts.clone().unwrap_or_default();
        let headers = route.headers.clone().unwrap_or_default();
        let paths = route.paths.clone().unwrap_or_default();
        let snis = route.snis.clone().unwrap_or_default();
        let name = query.server_name.unwrap_or("-");
        let sni_is_right =
            |pattern: &String| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
                (Some(suffix), _) => name.ends_with(suffix),
                (_, Some(prefix)) => name.starts_with(prefix),
                _ => name == pattern,
            };
        let host = String::from_utf8(query.host.to_vec()).unwrap();
        let host_is_right = |pattern: &String| {
            let (pattern, port) = match pattern.split_once(':') {
                Some((pattern, port)) => (pattern, port.parse().unwrap()),
                None => (pattern.as_str(), query.host_port),
            };
            port == query.host_port
                && if let Some(suffix) = pattern.strip_prefix('*') {
                    host.ends_with(suffix)
                } else if let Some(prefix) = pattern.strip_suffix('*') {
                    host.starts_with(prefix)
                } else {
                    host == pattern
                }
        };
        let right = (methods.is_empty() || methods.iter().any(|m| m.as_bytes() == query.method))
            && (hosts.is_empty() || hosts.iter().any(host_is_right))
            && (snis.is_empty() || !query.tls || snis.iter().any(sni_is_right))
            && headers.iter().all(|(name, values)| {
                (query.headers.iter()).any(|(n, v)| {
                    *n == name.as_bytes() && values.iter().any(|value| value.as_bytes() == *v)
                })
            });
        if !right {
            continue;
        }
        let attributes = usize::from(!methods.is_empty())
            + usize::from(!hosts.is_empty())
            + usize::from(!headers.is_empty())
            + usize::from(!paths.is_empty())
            + usize::from(!snis.is_empty());
        let plain = !hosts.is_empty() && hosts.iter().all(|host| !host.contains('*'));
        let mut add = |is_regex: bool, length: usize, matched: Option<usize>| {
            let priority = if is_regex { route.regex_priority } else { 0 };
            let order = (attributes, plain, headers.len(), is_regex, priority, length);
            matches.push((
                order,
                -route.created_at,
                Match {
                    route: number,
                    matched,
                },
            ));
        };
        if paths.is_empty() {
            add(false, 0, None);
        }
        for path in &paths {
            if let Some(pattern) = path.strip_prefix('~') {
                let regex = Regex::new(&format!("^{pattern}")).unwrap();
                if let Some(found) = regex.find(query.path) {
                    add(true, 0, Some(found.end()));
                }
            } else if query.path.starts_with(path.as_bytes()) {
                add(false, path.len(), Some(path.len()));
            }
        }
    }
    let first =
        |(order, age, found): &(_, i64, Match)| (*order, *age, std::cmp::Reverse(found.route));
    let best = matches.iter().map(first).max()?;
    // Of one route's patterns the first written.
    matches
        .iter()
        .find(|candidate| first(candidate) == best)
        .map(|(.., found)| *found)
}

fn maybe_some(values: &'static [&'static str]) -> impl Strategy<Value = Option<Vec<String>>> {
    let several = prop::sample::subsequence(values, 1..=2);
    prop::option::of(several.prop_map(|list| list.into_iter().map(str::to_owned).collect()))
}

const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/ab",
    "/b",
    "/b/c/d",
    "~/a/[a-z]+",
    "~/b",
    "~/[ab]/b$",
];
const HOSTS: &[&str] = &[
    "a.com",
    "b.a.com",
    "*.a.com",
    "a.*",
    "*.com",
    "b.a.com:8000",
    "*.a.com:81",
];

prop_compose! {
    fn route()(
        methods in maybe_some(&["GET", "POST"]),
        hosts in maybe_some(HOSTS),
        paths in maybe_some(PATHS),
        snis in maybe_some(&["a.com", "*.a.com", "b.*"]),
        header in prop::option::of(prop::sample::subsequence(vec!["x", "y"], 1..=2)),
        regex_priority in 0..2_i64,
        created_at in 0..2_i64,
    ) -> wire::Route {
        let values = |name: &str| (name.to_owned(), vec!["1".to_owned(), "2".to_owned()]);
        wire::Route {
            id: Uuid::default(),
            name: None,
            protocols: vec![wire::Protocol::Http],
            methods, hosts, paths,
            snis,
            headers: header.map(|names| names.into_iter().map(values).collect()),
            regex_priority,
            strip_path: true,
            preserve_host: false,
            _path_handling: wire::PathHandling::V0,
            https_redirect_status_code: 426,
            _request_buffering: false,
            _response_buffering: false,
            service: None,
            created_at,
            _tags: None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_index_finds_what_trying_all_finds(
        routes in prop::collection::vec(route(), 0..12),
        requests in prop::collection::vec((
            prop::sample::select(vec!["GET", "POST", "PUT"]),
            prop::sample::select(vec!["a.com", "b.a.com", "c.b.a.com", "a.org", "x.com", ""]),
            prop::sample::select(vec![80_u16, 81, 8000]),
            prop::sample::select(vec!["/", "/a", "/a/b", "/a/b/c", "/ab", "/b/c/d", "/bb", "/c", "/b/b"]),
            prop::sample::subsequence(vec![("x", "1"), ("y", "2"), ("x", "3")], 0..=3),
            prop::option::of(prop::sample::select(vec![None, Some("a.com"), Some("b.a.com"), Some("b.org")])),
        ), 1..8),
    ) {
        let demanding = |route: &wire::Route| {
            route.methods.is_some() || route.hosts.is_some() || route.paths.is_some() || route.headers.is_some()
                || route.snis.is_some()
        };
        let routes: Vec<_> = routes.into_iter().filter(demanding).collect();
        let listed: Vec<_> = routes.iter().enumerate().collect();
        let router = Router::compile(&listed).unwrap();
        for (method, host, host_port, path, headers, handshake) in requests {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            let query = Query {
                method: method.as_bytes(),
                host: host.as_bytes(),
                host_port,
                path: path.as_bytes(),
                headers: &*headers,
                tls: handshake.is_some(),
                server_name: handshake.flatten(),
            };
            prop_assert_eq!(router.find(&query), reference(&routes, &query));
        }
    }
}
