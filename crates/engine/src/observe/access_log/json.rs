//! A line as a JSON object. What there is nothing to say about is left out.

use std::fmt::Write as _;

use crate::observe::entry::Entry;
use crate::observe::text::{Plain, Time, push_address, push_millis, push_number, quoted};
use crate::proxy::dial::Address;
use crate::uuid::hex_text;

/// Consumer groups that are told.
const MOST_GROUPS: usize = 3;

/// Appends the entry. `path` and `query` are free of secrets.
pub(super) fn write(entry: &Entry<'_>, path: &[u8], query: Option<&[u8]>, out: &mut Vec<u8>) {
    write_time(entry.began.wall, out);
    plain(out, "request_id", &hex_text(entry.request_id));
    if let Some(trace) = entry.trace {
        plain(out, "trace_id", &hex_text(&trace.id));
    }
    if let Some(client) = entry.client {
        name(out, "remote_addr");
        out.push(b'"');
        push_address(out, client);
        out.push(b'"');
    }
    let noted = entry.request;
    if let Some(version) = noted.version() {
        text(out, "request_method", noted.method(), 40);
        text(out, "path", path, 1000);
        if let Some(query) = query {
            text(out, "query", query, 800);
        }
        plain(out, "protocol", version.as_bytes());
    }
    number(out, "status", entry.status.into());
    if let Some(status) = entry.grpc_status {
        number(out, "grpc_status", status.into());
    }
    number(out, "bytes_in", entry.bytes_in);
    number(out, "bytes_out", entry.bytes_out);
    if let Some(service) = entry.service() {
        text(out, "service", service.as_bytes(), 128);
    }
    if let Some(route) = entry.route() {
        text(out, "route", route.as_bytes(), 128);
    }
    write_caller(entry, out);
    for (field, micros) in [
        ("duration_ms", Some(entry.whole_us)),
        ("upstream_ms", entry.upstream_us),
        ("gateway_ms", Some(entry.own_us)),
    ] {
        if let Some(micros) = micros {
            name(out, field);
            push_millis(out, micros);
        }
    }
    write_upstream(entry, out);
    if let Some(agent) = noted.agent() {
        text(out, "user_agent", agent, 300);
    }
    plain(out, "ended", entry.end.name().as_bytes());
    if let Some(reason) = entry.end.reason() {
        plain(out, "reason", reason.as_bytes());
    }
    out.extend_from_slice(b"}\n");
}

fn write_time(wall: u64, out: &mut Vec<u8>) {
    let Time {
        date,
        hour,
        minute,
        second,
        micros,
    } = Time::of(wall);
    let (year, month, day) = (date.year, date.month, date.day);
    let _ = write!(
        Plain(out),
        r#"{{"time":"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z""#
    );
}

fn write_caller(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let Some(consumer) = entry.consumer else {
        return;
    };
    name(out, "remote_user");
    match consumer.username.as_ref().or(consumer.custom_id.as_ref()) {
        Some(called) => quoted(out, called.as_bytes(), 128),
        None => quoted(out, &consumer.id.text(), 128),
    }
    let groups = || {
        let base = entry.config.map(|config| &config.base);
        (consumer.groups.iter()).filter_map(move |id| base?.group_name(*id))
    };
    if groups().next().is_some() {
        name(out, "consumer_groups");
        for (place, group) in groups().take(MOST_GROUPS).enumerate() {
            out.push(if place == 0 { b'[' } else { b',' });
            quoted(out, group.as_bytes(), 64);
        }
        out.push(b']');
    }
}

fn write_upstream(entry: &Entry<'_>, out: &mut Vec<u8>) {
    match entry.upstream {
        Some(Address::Tcp(address)) => {
            name(out, "upstream_addr");
            let _ = write!(Plain(out), "\"{address}\"");
        }
        Some(Address::Unix(path)) => {
            let path = path.as_os_str().as_encoded_bytes();
            text(out, "upstream_addr", path, 128);
        }
        None => return,
    }
    number(out, "attempts", entry.attempts.into());
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn number(out: &mut Vec<u8>, field: &str, value: u64) {
    name(out, field);
    push_number(out, value);
}

/// A value that needs no escape.
fn plain(out: &mut Vec<u8>, field: &str, value: &[u8]) {
    name(out, field);
    out.push(b'"');
    out.extend_from_slice(value);
    out.push(b'"');
}

fn text(out: &mut Vec<u8>, field: &str, value: &[u8], most: usize) {
    name(out, field);
    quoted(out, value, most);
}
