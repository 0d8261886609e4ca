//! key-auth: who calls, by the API key that the request shows.

use serde::Deserialize;

use super::{fault, is_header_value};
use crate::config::ConfigError;
use crate::phases::{Headers, RequestHead};
use crate::uuid::{Uuid, hex_pair};

const NAME: &str = "key-auth";

/// The configuration as Kong's schema has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    key_names: Vec<String>,
    hide_credentials: bool,
    anonymous: Option<String>,
    key_in_header: bool,
    key_in_query: bool,
    key_in_body: bool,
    run_on_preflight: bool,
    realm: Option<String>,
}

/// The compiled plugin.
#[derive(Debug)]
pub struct KeyAuth {
    names: Box<[KeyName]>,
    in_header: bool,
    in_query: bool,
    /// Whether the upstream must not see the key.
    pub hide_credentials: bool,
    /// Who a request without a good key is taken for.
    pub anonymous: Option<Anonymous>,
    /// Whether `OPTIONS` requests are judged.
    pub run_on_preflight: bool,
    /// The value of `WWW-Authenticate`.
    pub challenge: Box<str>,
}

/// A name under which a key may be shown.
#[derive(Debug)]
struct KeyName {
    name: Box<[u8]>,
    /// Kong also finds the key `api_key` in the header `Api-Key`.
    dashed: Option<Box<[u8]>>,
}

/// A consumer named in a configuration.
#[derive(Debug, PartialEq, Eq)]
pub enum Anonymous {
    Id(Uuid),
    Username(Box<str>),
}

/// What a request shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// No key, or an empty one.
    Nothing,
    /// More than one under one name.
    Duplicate,
    /// This key, under the name of this number.
    Key { key: &'a [u8], name: u8 },
}

impl KeyAuth {
    pub(super) fn compile(settings: Settings) -> Result<Self, ConfigError> {
        let fault = |field: &str, problem: &str, fix: &str| Err(fault(NAME, field, problem, fix));
        if settings.key_in_body {
            return fault(
                "key_in_body",
                "keys in request bodies aren't supported yet",
                "set it to false and show the key in a header or in the query",
            );
        }
        if !settings.key_in_header && !settings.key_in_query {
            return fault(
                "key_in_header",
                "there is no place left where a key could be",
                "set key_in_header or key_in_query",
            );
        }
        if settings.key_names.is_empty() || settings.key_names.len() > 32 {
            return fault(
                "key_names",
                "the list is empty or longer than 32",
                "give 1 to 32 names, such as apikey",
            );
        }
        let is_token = |name: &String| {
            !name.is_empty()
                && (name.bytes())
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.~!#$&'*+^`|".contains(&b))
        };
        if let Some(place) = settings.key_names.iter().position(|name| !is_token(name)) {
            return fault(
                &format!("key_names[{place}]"),
                "not a header's name",
                "use letters, digits, - and _",
            );
        }
        let realm = settings.realm.filter(|realm| !realm.is_empty());
        let challenge = match realm {
            None => "Key".to_owned(),
            Some(realm) if !is_header_value(realm.as_bytes()) || realm.contains(['"', '\\']) => {
                return fault(
                    "realm",
                    "a quote, a backslash or a control character",
                    "use plain text",
                );
            }
            Some(realm) => format!("Key realm=\"{realm}\""),
        };
        Ok(Self {
            names: settings.key_names.into_iter().map(KeyName::new).collect(),
            in_header: settings.key_in_header,
            in_query: settings.key_in_query,
            hide_credentials: settings.hide_credentials,
            anonymous: (settings.anonymous).map(|name| match name.parse() {
                Ok(id) => Anonymous::Id(id),
                Err(_) => Anonymous::Username(name.into()),
            }),
            run_on_preflight: settings.run_on_preflight,
            challenge: challenge.into(),
        })
    }

    /// The key that a request shows: the first name that is there counts, header before query. A key from the
    /// query is decoded into `buffer`.
    pub fn find<'a, H: Headers>(
        &self,
        head: &'a RequestHead<'a, H>,
        buffer: &'a mut Vec<u8>,
    ) -> Shown<'a> {
        for (number, name) in (0..).zip(&self.names) {
            let mut found = Found::default();
            if self.in_header {
                for (header, value) in head.headers.lines() {
                    if name.is_header(header) {
                        found.add(value);
                    }
                }
            }
            if found.count == 0
                && self.in_query
                && let Some(query) = head.query
            {
                for (argument, value) in arguments(query) {
                    // An argument without `=` is a flag, not a key.
                    if let Some(value) = value
                        && decodes_to(argument, &name.name)
                    {
                        found.add(value);
                    }
                }
                if found.count == 1 {
                    decode_into(found.value, buffer);
                    return shown(buffer, number);
                }
            }
            match found.count {
                0 => {}
                1 => return shown(found.value, number),
                _ => return Shown::Duplicate,
            }
        }
        Shown::Nothing
    }

    /// The names under which a key may be shown.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|name| &*name.name)
    }

    /// Whether a header may have shown the key of this number.
    #[must_use]
    pub fn is_key_header(&self, number: u8, header: &[u8]) -> bool {
        (self.names.get(usize::from(number))).is_some_and(|name| name.is_header(header))
    }

    /// Writes the query without the arguments that may have shown the key of this number, and its `?`.
    pub fn write_query_without_key(&self, number: u8, query: &[u8], out: &mut Vec<u8>) {
        let Some(name) = self.names.get(usize::from(number)) else {
            return;
        };
        let mut joint = b'?';
        for pair in query.split(|byte| *byte == b'&') {
            if !decodes_to(split_pair(pair).0, &name.name) {
                out.push(joint);
                out.extend_from_slice(pair);
                joint = b'&';
            }
        }
    }
}

impl KeyName {
    fn new(name: String) -> Self {
        let dashed = (name.contains('_')).then(|| name.replace('_', "-").into_bytes().into());
        Self {
            name: name.into_bytes().into(),
            dashed,
        }
    }

    fn is_header(&self, header: &[u8]) -> bool {
        header.eq_ignore_ascii_case(&self.name)
            || (self.dashed.as_ref()).is_some_and(|dashed| header.eq_ignore_ascii_case(dashed))
    }
}

#[derive(Default)]
struct Found<'a> {
    count: u32,
    value: &'a [u8],
}

impl<'a> Found<'a> {
    fn add(&mut self, value: &'a [u8]) {
        self.count += 1;
        self.value = value;
    }
}

fn shown(key: &[u8], name: u8) -> Shown<'_> {
    if key.is_empty() {
        Shown::Nothing
    } else {
        Shown::Key { key, name }
    }
}

/// Decodes the first value of a query's argument into `out`; false where there is none.
pub(crate) fn query_value(query: &[u8], name: &[u8], out: &mut Vec<u8>) -> bool {
    let found = arguments(query).find(|(argument, _)| decodes_to(argument, name));
    let Some((_, Some(value))) = found else {
        return false;
    };
    decode_into(value, out);
    true
}

/// A query's arguments, still encoded; no value where there is no `=`.
fn arguments(query: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    query.split(|byte| *byte == b'&').map(split_pair)
}

fn split_pair(pair: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', pair) {
        Some(place) => (&pair[..place], Some(&pair[place + 1..])),
        None => (pair, None),
    }
}

/// The bytes that an encoded argument stands for; a broken escape stands for itself.
fn decoded(encoded: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = encoded;
    std::iter::from_fn(move || {
        let (byte, used) = match rest {
            [b'%', high, low, ..] => hex_pair([*high, *low]).map_or((b'%', 1), |byte| (byte, 3)),
            [b'+', ..] => (b' ', 1),
            [byte, ..] => (*byte, 1),
            [] => return None,
        };
        rest = &rest[used..];
        Some(byte)
    })
}

fn decodes_to(encoded: &[u8], plain: &[u8]) -> bool {
    encoded == plain || (encoded.contains(&b'%') && decoded(encoded).eq(plain.iter().copied()))
}

fn decode_into(encoded: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend(decoded(encoded));
}

impl Anonymous {
    /// The username, where the configuration gives one.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Username(name) => Some(name),
            Self::Id(_) => None,
        }
    }
}
