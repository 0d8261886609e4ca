//! Paths: what a route is compared with, and what the upstream is asked for. Kong's rules.

use crate::uuid::hex_pair;

/// The bytes that an escape stands for are compared as themselves, but for these, which mean something in a path.
const RESERVED: &[u8] = b"!*'();:@&=+$,/?%#[]";

/// Bytes that go to the upstream as they are; all others are escaped.
const SAFE: [bool; 256] = {
    let mut safe = [false; 256];
    let listed =
        b"!#$&'()*+,/:;=?@[]-_.~%ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut place = 0;
    while place < listed.len() {
        safe[listed[place] as usize] = true;
        place += 1;
    }
    safe
};

/// Writes the normal form of a path: escapes of bytes that aren't reserved are decoded, the others put in upper case,
/// then dot segments resolved and slashes merged. Decoding comes first, so `/%2e%2e/` climbs like `/../`.
///
/// A path that doesn't start with `/` (the `*` of `OPTIONS *`) stays as it is.
pub fn normalise(path: &[u8], out: &mut Vec<u8>) {
    out.clear();
    if !path.starts_with(b"/") {
        out.extend_from_slice(path);
        return;
    }
    if memchr::memchr(b'%', path).is_some() {
        decode(path, out);
    } else {
        out.extend_from_slice(path);
    }
    let needs_work = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'/' | b'.');
    if out.windows(2).any(needs_work) {
        resolve_segments(out);
    }
}

fn decode(path: &[u8], out: &mut Vec<u8>) {
    let mut rest = path;
    while let Some(place) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..place]);
        rest = &rest[place..];
        if let [_, high, low, ..] = *rest
            && let Some(byte) = hex_pair([high, low])
        {
            if RESERVED.contains(&byte) {
                out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
            } else {
                out.push(byte);
            }
            rest = &rest[3..];
        } else {
            out.push(b'%');
            rest = &rest[1..];
        }
    }
    out.extend_from_slice(rest);
}

/// In place: what is written never overtakes what is read.
fn resolve_segments(path: &mut Vec<u8>) {
    let (mut read, mut written) = (0, 0);
    // Always at a slash.
    while read < path.len() {
        let start = read + 1;
        let end = memchr::memchr(b'/', &path[start..]).map_or(path.len(), |length| start + length);
        let is_last = end == path.len();
        match &path[start..end] {
            b"" | b"." => {}
            b".." => written = memchr::memrchr(b'/', &path[..written]).unwrap_or(0),
            _ => {
                path.copy_within(read..end, written);
                written += end - read;
                read = end;
                continue;
            }
        }
        if is_last {
            // What ends in a slash, `.` or `..` is a folder.
            path[written] = b'/';
            written += 1;
        }
        read = end;
    }
    path.truncate(written);
}

/// Writes a normal path's bytes so that they can stand in a request.
pub fn write_escaped(path: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if path.iter().all(|byte| SAFE[usize::from(*byte)]) {
        out.extend_from_slice(path);
        return;
    }
    for byte in path {
        if SAFE[usize::from(*byte)] {
            out.push(*byte);
        } else {
            out.extend([
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
}

/// Writes the path to ask the upstream for: Kong's `path_handling: v0`.
///
/// `base` is the service's path (at least `/`), `path` the request's in normal form, `stripped` how much of it the
/// route's path matched and takes away; none where nothing is taken away.
pub fn write_upstream_path(base: &[u8], path: &[u8], stripped: Option<usize>, out: &mut Vec<u8>) {
    let joins = base.ends_with(b"/");
    let trunk = base.strip_suffix(b"/").unwrap_or(base);
    match stripped.map(|length| path.get(length..).unwrap_or_default()) {
        // Nothing is left: the slash at the end follows the request's, where a base doesn't stand alone.
        Some(b"") => {
            out.extend_from_slice(trunk);
            let wants_slash = path.ends_with(b"/") && (joins || path.len() > 1);
            if trunk.is_empty() || wants_slash {
                out.push(b'/');
            }
        }
        Some(rest) => {
            out.extend_from_slice(trunk);
            if !rest.starts_with(b"/") {
                out.push(b'/');
            }
            write_escaped(rest, out);
        }
        None if path == b"/" && !joins => out.extend_from_slice(base),
        None => {
            out.extend_from_slice(trunk);
            write_escaped(path, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(path: &str) -> String {
        let mut out = Vec::new();
        normalise(path.as_bytes(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn paths_are_normalised() {
        for (path, wanted) in [
            ("/", "/"),
            ("*", "*"),
            ("/a/b", "/a/b"),
            ("/a/", "/a/"),
            ("//", "/"),
            ("//a///b//", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/../../b", "/b"),
            ("/..", "/"),
            ("/a//../b", "/b"),
            ("/.hidden/..x/y", "/.hidden/..x/y"),
            ("/%61%2e", "/a."),
            ("/a/%2e%2E/b", "/b"),
            ("/a%2fb%3f", "/a%2Fb%3F"),
            ("/%7euser/%zz/%4", "/~user/%zz/%4"),
            ("/caf%c3%a9", "/café"),
        ] {
            assert_eq!(normal(path), wanted, "{path}");
        }
    }

    #[test]
    fn upstream_paths_follow_kongs_v0() {
        // base, request, what the route matched, strip, wanted
        for (base, path, matched, strip, wanted) in [
            ("/", "/", "/", true, "/"),
            ("/", "/a", "/a", true, "/"),
            ("/", "/a/", "/a", true, "/"),
            ("/", "/a/", "/a/", true, "/"),
            ("/", "/a/b", "/a", true, "/b"),
            ("/", "/ab", "/a", true, "/b"),
            ("/", "/a/b", "/a", false, "/a/b"),
            ("/", "/", "/", false, "/"),
            ("/up", "/", "/", true, "/up"),
            ("/up", "/a", "/a", true, "/up"),
            ("/up", "/a/", "/a/", true, "/up/"),
            ("/up", "/a/b", "/a", true, "/up/b"),
            ("/up", "/ab", "/a", true, "/up/b"),
            ("/up", "/a/b", "/a", false, "/up/a/b"),
            ("/up", "/", "/", false, "/up"),
            ("/up/", "/a", "/a", true, "/up"),
            ("/up/", "/a/", "/a/", true, "/up/"),
            ("/up/", "/", "/", true, "/up/"),
            ("/up/", "/a/b", "/a", true, "/up/b"),
            ("/up/", "/ab", "/a", true, "/up/b"),
            ("/up/", "/a/b", "/a", false, "/up/a/b"),
            ("/up/", "/", "/", false, "/up/"),
            ("/", "/a/ü b", "/a", true, "/%C3%BC%20b"),
        ] {
            let mut out = Vec::new();
            let stripped = strip.then_some(matched.len());
            write_upstream_path(base.as_bytes(), path.as_bytes(), stripped, &mut out);
            let got = String::from_utf8(out).unwrap();
            assert_eq!(got, wanted, "{base} {path} {matched} {strip}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_path_stays_as_it_is(path in "/[a-c./%0-9A-F]{0,24}") {
            let once = normal(&path);
            // Decoding may bring up a new escape (`%2541`): only what holds none must stay.
            prop_assume!(!once.contains('%'));
            prop_assert_eq!(normal(&once), once.clone());
            prop_assert!(once.starts_with('/'));
            prop_assert!(!once.contains("//") && !once.split('/').any(|s| s == "." || s == ".."));
        }
    }
}
