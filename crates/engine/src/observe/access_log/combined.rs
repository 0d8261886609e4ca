//! A line in the combined format of Apache and nginx.

use std::fmt::Write as _;

use crate::observe::entry::Entry;
use crate::observe::text::{Bounded, Plain, Time, hex, push_address, push_number};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Appends the entry. `path`, `query` and `referer` are free of secrets.
pub(super) fn write(
    entry: &Entry<'_>,
    (path, query): (&[u8], Option<&[u8]>),
    referer: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    match entry.client {
        Some(client) => push_address(out, client),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" - ");
    match entry.consumer {
        None => out.push(b'-'),
        Some(consumer) => match consumer.username.as_ref().or(consumer.custom_id.as_ref()) {
            Some(called) => escaped(out, called.as_bytes(), 128),
            None => out.extend_from_slice(&consumer.id.text()),
        },
    }
    write_time(entry.began.wall, out);
    out.push(b'"');
    let noted = entry.request;
    match noted.version() {
        None => out.push(b'-'),
        Some(version) => {
            escaped(out, noted.method(), 40);
            out.push(b' ');
            escaped(out, path, 1000);
            if let Some(query) = query {
                out.push(b'?');
                escaped(out, query, 800);
            }
            out.push(b' ');
            out.extend_from_slice(version.as_bytes());
        }
    }
    out.extend_from_slice(b"\" ");
    push_number(out, entry.status.into());
    out.push(b' ');
    push_number(out, entry.bytes_out);
    for (value, most) in [(referer, 300), (noted.agent(), 300)] {
        out.extend_from_slice(b" \"");
        match value {
            None => out.push(b'-'),
            Some(value) => in_quotes(out, value, most),
        }
        out.push(b'"');
    }
    out.push(b'\n');
}

fn write_time(wall: u64, out: &mut Vec<u8>) {
    let Time {
        date,
        hour,
        minute,
        second,
        ..
    } = Time::of(wall);
    let month =
        (usize::try_from(date.month).ok()).and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let (day, month, year) = (date.day, month.copied().unwrap_or_default(), date.year);
    let _ = write!(
        Plain(out),
        " [{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000] "
    );
}

/// A text that may have blanks in it, as quotes stand around it.
fn in_quotes(out: &mut Vec<u8>, value: &[u8], most: usize) {
    push(out, value, most, |byte| matches!(byte, b' '..=b'~'));
}

/// A text without blanks or brackets: whoever reads the line tells its fields apart by them.
fn escaped(out: &mut Vec<u8>, value: &[u8], most: usize) {
    push(out, value, most, |byte| {
        matches!(byte, b'!'..=b'~') && !matches!(byte, b'[' | b']')
    });
}

fn push(out: &mut Vec<u8>, value: &[u8], most: usize, is_plain: impl Fn(u8) -> bool) {
    let mut bounded = Bounded::new(out, most);
    for byte in value {
        let fits = if is_plain(*byte) && !matches!(byte, b'"' | b'\\') {
            bounded.push(&[*byte])
        } else {
            let [high, low] = hex(*byte);
            bounded.push(&[b'\\', b'x', high, low])
        };
        if !fits {
            break;
        }
    }
}
