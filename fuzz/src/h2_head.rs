//! A request of HTTP/2 as text: one head, which says what the map said, or none.

use http::{HeaderName, HeaderValue, Method, Request, Uri, request};
use tollway_engine::proxy::framing::BodyLength;
use tollway_engine::proxy::h2::head::{Form, read_request, write_request};
use tollway_engine::proxy::head::{HeadLimits, Scan};
use tollway_engine::proxy::request_head::RequestHead;

const LIMITS: HeadLimits = HeadLimits {
    first_line: 1 << 16,
    bytes: 1 << 17,
    count: 256,
};

/// Parts separated by 0: flags, method, URI, then names and values.
fn parts(data: &[u8]) -> Option<(request::Parts, bool)> {
    let mut words = data.split(|byte| *byte == 0);
    let ended = words.next()?.first().is_some_and(|flags| flags & 1 == 1);
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(words.next()?).ok()?;
    *request.uri_mut() = Uri::try_from(words.next()?).ok()?;
    while let Some(name) = words.next() {
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(words.next()?).ok()?;
        request.headers_mut().append(name, value);
    }
    Some((request.into_parts().0, ended))
}

/// # Panics
/// The engine does, or text says anything else than the map.
pub fn run(data: &[u8]) {
    let Some((parts, ended)) = parts(data) else {
        return;
    };
    let mut text = Vec::new();
    let Ok(form) = write_request(&parts, ended, &mut text) else {
        return;
    };
    match Scan::default().head_end(&text, &LIMITS) {
        Ok(Some(length)) => assert_eq!(length, text.len(), "one head, nothing behind it"),
        Ok(None) => panic!("a head without an end"),
        Err(_) => return,
    }
    let mut request = RequestHead::default();
    if request.parse(&text).is_err() {
        return;
    }
    assert_eq!(
        request.method.of_head(&text),
        parts.method.as_str().as_bytes()
    );
    let path = request.path.of_head(&text);
    let asked = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let query = request.query.map(|query| query.of_head(&text));
    let target = match query {
        Some(query) => [path, b"?", query].concat(),
        None => path.to_vec(),
    };
    assert_eq!(target, asked.as_bytes());
    if let (Some(host), Some(authority)) = (request.host, parts.uri.authority()) {
        assert_eq!(host.of_head(&text), authority.as_str().as_bytes());
    }
    match form {
        Form::Chunked => assert_eq!(request.body, BodyLength::Chunked),
        Form::Exact(0) => assert_eq!(request.body, BodyLength::Empty),
        Form::Exact(length) => assert_eq!(request.body, BodyLength::Exact(length)),
        Form::None => assert_ne!(request.body, BodyLength::Chunked),
    }
    let lines = request.lines.len();
    let crumbs = parts.headers.get_all(http::header::COOKIE).iter().count();
    let hosts = parts.headers.get_all(http::header::HOST).iter().count();
    let written = parts.headers.len() - hosts - crumbs + crumbs.min(1) + 1;
    assert_eq!(
        lines,
        written + usize::from(form == Form::Chunked),
        "no line more, none less"
    );
    if let Some(scheme) = parts.uri.scheme()
        && let Ok((again, _)) = read_request(&text, scheme)
    {
        assert_eq!(again.method(), parts.method);
        assert_eq!(again.uri().path(), parts.uri.path());
        assert_eq!(again.uri().query(), parts.uri.query());
    }
}
