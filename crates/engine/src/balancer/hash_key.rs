//! What consistent hashing goes by: a key made of what a request says.

use super::settings::HashOn;

/// What a key is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// Nothing: the request goes by turn.
    None,
    /// The consumer, else the credential.
    Consumer,
    /// The client's address.
    Ip,
    /// A header's value.
    Header(Box<[u8]>),
    /// A cookie; one that is missing is set.
    Cookie { name: Box<str>, path: Box<str> },
    /// The request's path, in normal form.
    Path,
    /// A query argument's value.
    QueryArg(Box<[u8]>),
    /// What a named group of the route's pattern matched.
    UriCapture(Box<str>),
}

impl HashKey {
    /// The error is the kind of name that is missing.
    pub(super) fn compile(
        on: HashOn,
        header: Option<&str>,
        (cookie, cookie_path): (Option<&str>, &str),
        query_arg: Option<&str>,
        uri_capture: Option<&str>,
    ) -> Result<Self, &'static str> {
        let token = |text: Option<&str>, what| {
            let is_token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            text.filter(|text| !text.is_empty() && text.bytes().all(is_token))
                .map(str::to_owned)
                .ok_or(what)
        };
        Ok(match on {
            HashOn::None => Self::None,
            HashOn::Consumer => Self::Consumer,
            HashOn::Ip => Self::Ip,
            HashOn::Path => Self::Path,
            HashOn::Header => Self::Header(token(header, "header")?.into_bytes().into()),
            HashOn::Cookie => {
                let is_path = |byte: u8| (b'!'..=b'~').contains(&byte) && byte != b';';
                if !cookie_path.starts_with('/') || !cookie_path.bytes().all(is_path) {
                    return Err("cookie_path");
                }
                Self::Cookie {
                    name: token(cookie, "cookie")?.into(),
                    path: cookie_path.into(),
                }
            }
            HashOn::QueryArg => {
                let name = query_arg.filter(|name| !name.is_empty());
                Self::QueryArg(name.ok_or("query_arg")?.as_bytes().into())
            }
            HashOn::UriCapture => {
                let name = uri_capture.filter(|name| !name.is_empty());
                Self::UriCapture(name.ok_or("uri_capture")?.into())
            }
        })
    }
}
