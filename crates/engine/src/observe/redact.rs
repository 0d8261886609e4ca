//! Takes the values of secrets out of a path or a query, whatever way they were written there.
//!
//! It would rather hide too much: a value is hidden up to the next `&`, which is where key-auth sees its end; names are
//! recognised in any case, with `-` and `_` alike, however often they were percent-encoded, and also where they are no
//! argument of their own, as in a URL that is another argument's value.

use super::entry::Entry;
use crate::uuid::hex_pair;

/// A parameter's name in the form in which names are compared: lower case, with dashes.
pub(crate) type Spelling = Box<[u8]>;

/// What stands for a hidden value.
const HIDDEN: &[u8] = b"***";

/// Names that usually are secrets', alone or behind a dash: `key` is in `x_api_key`.
const USUAL: [&[u8]; 8] = [
    b"auth", b"code", b"jwt", b"key", b"pwd", b"session", b"sid", b"sig",
];

/// Ends of names that nothing but secrets have: `accessToken` has no dash, nor has the `jsessionid` of paths.
const TELLING: [&[u8]; 13] = [
    b"accesskey",
    b"apikey",
    b"authorization",
    b"credential",
    b"passwd",
    b"password",
    b"privatekey",
    b"secret",
    b"secretkey",
    b"session-id",
    b"sessionid",
    b"signature",
    b"token",
];

/// Parameters whose values nobody may read, beyond what the configuration says.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    all: bool,
    named: Box<[Spelling]>,
}

impl Secrets {
    /// Those of these names; of any, where `*` is among them.
    pub fn new(names: &[String]) -> Self {
        Self {
            all: names.iter().any(|name| name == "*"),
            named: (names.iter())
                .map(|name| spelling(name.as_bytes()))
                .collect(),
        }
    }
}

/// Parameter names of a configuration, as secrets are compared; to be made once, not for each request.
pub(crate) fn spellings<'a>(names: impl Iterator<Item = &'a [u8]>) -> Box<[Spelling]> {
    let mut all: Vec<Spelling> = names.map(spelling).collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}

/// Room for a target without its secrets, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Redacted {
    path: Vec<u8>,
    query: Vec<u8>,
    name: Vec<u8>,
}

impl Redacted {
    /// The path and the query that were asked for.
    pub fn target(&mut self, entry: &Entry<'_>, secrets: &Secrets) -> (&[u8], Option<&[u8]>) {
        let keys = entry.config.map(|config| &*config.base.key_parameters);
        self.path.clear();
        redact(
            entry.request.path(),
            keys,
            secrets,
            &mut self.name,
            &mut self.path,
        );
        self.query.clear();
        let query = entry.request.query();
        redact(
            query.unwrap_or_default(),
            keys,
            secrets,
            &mut self.name,
            &mut self.query,
        );
        (&self.path, query.map(|_| &*self.query))
    }

    /// A text that may be a target, or part of one.
    pub fn text(&mut self, entry: &Entry<'_>, secrets: &Secrets, text: &[u8]) -> &[u8] {
        let keys = entry.config.map(|config| &*config.base.key_parameters);
        self.path.clear();
        redact(text, keys, secrets, &mut self.name, &mut self.path);
        &self.path
    }
}

fn spelling(name: &[u8]) -> Spelling {
    name.iter().copied().map(plain).collect()
}

fn plain(byte: u8) -> u8 {
    match byte {
        b'_' => b'-',
        _ => byte.to_ascii_lowercase(),
    }
}

/// Appends `text` to `out` without secret values. `configured` are the names that show API keys, if they are known:
/// else any value may be one. `name` is room to work in.
fn redact(
    text: &[u8],
    configured: Option<&[Spelling]>,
    secrets: &Secrets,
    name: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    name.clear();
    let mut rest = text;
    while !rest.is_empty() {
        let (byte, length) = unescape(rest);
        let (shown, behind) = rest.split_at(length);
        out.extend_from_slice(shown);
        rest = behind;
        if shown == b"&" {
            name.clear();
        } else if byte != b'=' {
            name.push(plain(byte));
        } else if is_secret(name, configured, secrets) {
            out.extend_from_slice(HIDDEN);
            let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
            rest = &rest[end..];
        } else {
            name.push(byte);
        }
    }
}

/// Whether what stands before a `=` ends in a secret's name.
fn is_secret(before: &[u8], configured: Option<&[Spelling]>, secrets: &Secrets) -> bool {
    let Some(configured) = configured.filter(|_| !secrets.all) else {
        return true;
    };
    // Lists are written `name[]=`, and blanks around a name mean nothing.
    let name = match memchr::memrchr(b'[', before) {
        Some(bracket) if before.ends_with(b"]") => &before[..bracket],
        _ => before,
    };
    let name = name.trim_ascii_end();
    let ends_in = |secret: &[u8]| {
        name.strip_suffix(secret).is_some_and(|front| {
            front
                .last()
                .is_none_or(|byte| !byte.is_ascii_alphanumeric())
        })
    };
    let mut named = configured.iter().chain(&secrets.named);
    named.any(|secret| ends_in(secret))
        || USUAL.iter().any(|secret| ends_in(secret))
        || TELLING.iter().any(|secret| name.ends_with(secret))
}

/// The first byte that `text` stands for, and of how many bytes it is written; `%2541` stands for `A` too.
fn unescape(text: &[u8]) -> (u8, usize) {
    match text {
        [b'+', ..] => (b' ', 1),
        [b'%', behind @ ..] => {
            let again = behind.chunks_exact(2).take_while(|pair| pair == b"25");
            let digits = again.count() * 2;
            match behind.get(digits..digits + 2) {
                Some(&[high, low]) if hex_pair([high, low]).is_some() => {
                    (hex_pair([high, low]).unwrap_or(b'%'), digits + 3)
                }
                _ => (b'%', 1),
            }
        }
        [byte, ..] => (*byte, 1),
        [] => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str, configured: Option<&[&str]>, more: &[&str]) -> String {
        let configured: Option<Vec<Spelling>> =
            configured.map(|names| names.iter().map(|name| spelling(name.as_bytes())).collect());
        let more: Vec<String> = more.iter().map(|&name| name.to_owned()).collect();
        let mut out = Vec::new();
        redact(
            text.as_bytes(),
            configured.as_deref(),
            &Secrets::new(&more),
            &mut Vec::new(),
            &mut out,
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_of_secrets_are_hidden_however_they_are_written() {
        for (text, shown) in [
            ("a=1&my_id=S3&b=2", "a=1&my_id=***&b=2"),
            ("my_id=S3", "my_id=***"),
            ("My-ID=S3&x", "My-ID=***&x"),
            ("m%79%5fid=S3", "m%79%5fid=***"),
            ("m%2579_id=S3", "m%2579_id=***"),
            ("m%25252579_id=S3", "m%25252579_id=***"),
            ("my_id%3DS3&b=2", "my_id%3D***&b=2"),
            ("a=1;my_id=S3;b=2&c=3", "a=1;my_id=***&c=3"),
            ("my_id=S3%26S3&c=3", "my_id=***&c=3"),
            ("my_id=S3=S3", "my_id=***"),
            ("my_id[]=S3&my_id%5B0%5D=S3", "my_id[]=***&my_id%5B0%5D=***"),
            ("+my_id+=S3", "+my_id+=***"),
            (
                "to=https%3A%2F%2Fx%2F%3Fmy_id%3DS3&b=2",
                "to=https%3A%2F%2Fx%2F%3Fmy_id%3D***&b=2",
            ),
            ("to=https://x/?my_id=S3", "to=https://x/?my_id=***"),
            ("/a%3Fmy_id=S3/b", "/a%3Fmy_id=***"),
            ("/a;my_id=S3/b", "/a;my_id=***"),
            ("X-Api_Key=S3", "X-Api_Key=***"),
            (
                "access_token=S3&password=S3",
                "access_token=***&password=***",
            ),
            ("extra=S3", "extra=***"),
            (
                "accessToken=S3&clientSecret=S3",
                "accessToken=***&clientSecret=***",
            ),
            ("/a;jsessionid=S3", "/a;jsessionid=***"),
            ("session_id=S3", "session_id=***"),
        ] {
            assert_eq!(
                redacted(text, Some(&["my_id"]), &["extra"]),
                shown,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_secret_stays_as_it_was_written() {
        for text in [
            "",
            "a=1&b=%20&c",
            "monkey=1",
            "my_id",
            "%",
            "%2",
            "%zz=1&%25",
            "a=b=c&&=",
            "/v1/keys/7",
        ] {
            assert_eq!(redacted(text, Some(&["my_id"]), &[]), text);
        }
    }

    #[test]
    fn without_names_to_go_by_every_value_is_hidden() {
        assert_eq!(redacted("a=1&b=2&c", None, &[]), "a=***&b=***&c");
        assert_eq!(redacted("a=1&b=2&c", Some(&[]), &["*"]), "a=***&b=***&c");
    }
}
