//! What is said to Redis, and what it answers: as much of RESP2 as the counting needs. No I/O.
//!
//! Everything is bounded: an answer that is longer, or of another shape, than any that was asked for is [`Malformed`].

use std::io::Write as _;

/// How many integers an answer may have.
pub(super) const MOST_INTEGERS: usize = 8;

/// Bytes that an answer may have.
pub(super) const MOST_BYTES: usize = 8 * 1024;

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// `OK`, mostly.
    Simple(&'a [u8]),
    /// An error: its code, then words.
    Error(&'a [u8]),
    Integer(i64),
    Bulk(&'a [u8]),
    /// A list of integers: how many there are, and then they.
    Integers(usize, [i64; MOST_INTEGERS]),
}

/// Not an answer to anything that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Writes a command.
pub(super) fn push_command(words: &[&[u8]], out: &mut Vec<u8>) {
    // Writing to a vector can't fail.
    let _ = write!(out, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// The answer at the start of `bytes`, and how long it is; none where its end is yet to come.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Reply<'_>, usize)>, Malformed> {
    let mut reader = Reader { bytes, at: 0 };
    match reader.reply() {
        Ok(reply) => Ok(Some((reply, reader.at))),
        Err(Stop::Unfinished) if bytes.len() < MOST_BYTES => Ok(None),
        Err(_) => Err(Malformed),
    }
}

/// Why reading went no further.
enum Stop {
    Unfinished,
    Malformed,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn reply(&mut self) -> Result<Reply<'a>, Stop> {
        let (kind, line) = self.line()?;
        Ok(match kind {
            b'+' => Reply::Simple(line),
            b'-' => Reply::Error(line),
            b':' => Reply::Integer(integer(line)?),
            b'$' => Reply::Bulk(self.bulk(line)?),
            b'*' => self.integers(line)?,
            _ => return Err(Stop::Malformed),
        })
    }

    /// The kind of what follows, and the rest of its line.
    fn line(&mut self) -> Result<(u8, &'a [u8]), Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).ok_or(Stop::Unfinished)?;
        let line = rest[..end].strip_suffix(b"\r").ok_or(Stop::Malformed)?;
        let (kind, line) = line.split_first().ok_or(Stop::Malformed)?;
        self.at += end + 1;
        Ok((*kind, line))
    }

    fn bulk(&mut self, length: &[u8]) -> Result<&'a [u8], Stop> {
        let length = usize::try_from(integer(length)?).map_err(|_| Stop::Malformed)?;
        if length > MOST_BYTES {
            return Err(Stop::Malformed);
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let whole = rest.get(..length + 2).ok_or(Stop::Unfinished)?;
        self.at += length + 2;
        whole.strip_suffix(b"\r\n").ok_or(Stop::Malformed)
    }

    fn integers(&mut self, count: &[u8]) -> Result<Reply<'a>, Stop> {
        let count = usize::try_from(integer(count)?).map_err(|_| Stop::Malformed)?;
        if count > MOST_INTEGERS {
            return Err(Stop::Malformed);
        }
        let mut integers = [0; MOST_INTEGERS];
        for place in &mut integers[..count] {
            let (kind, line) = self.line()?;
            if kind != b':' {
                return Err(Stop::Malformed);
            }
            *place = integer(line)?;
        }
        Ok(Reply::Integers(count, integers))
    }
}

fn integer(line: &[u8]) -> Result<i64, Stop> {
    let text = std::str::from_utf8(line).map_err(|_| Stop::Malformed)?;
    text.parse().map_err(|_| Stop::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> Reply<'_> {
        let (reply, length) = parse(bytes).unwrap().unwrap();
        assert_eq!(length, bytes.len());
        reply
    }

    #[test]
    fn reads_what_redis_answers() {
        assert_eq!(whole(b"+OK\r\n"), Reply::Simple(b"OK"));
        assert_eq!(
            whole(b"-NOSCRIPT No such\r\n"),
            Reply::Error(b"NOSCRIPT No such")
        );
        assert_eq!(whole(b":-7\r\n"), Reply::Integer(-7));
        assert_eq!(whole(b"$3\r\na\nb\r\n"), Reply::Bulk(b"a\nb"));
        assert_eq!(
            whole(b"*2\r\n:1\r\n:1795353255\r\n"),
            Reply::Integers(2, [1, 1_795_353_255, 0, 0, 0, 0, 0, 0])
        );
    }

    #[test]
    fn what_was_not_asked_for_is_refused_and_nothing_is_gathered_without_end() {
        for odd in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"*9\r\n",
            b"*-1\r\n",
            b"$-1\r\n",
            b"$99999999999\r\n",
            b"*1\r\n$1\r\na\r\n",
            b":one\r\n",
            b"$1\r\nabc",
            b"+no return\n",
            b"\r\n",
        ] {
            assert_eq!(parse(odd), Err(Malformed), "{odd:?}");
        }
        assert_eq!(parse(&vec![b'+'; MOST_BYTES - 1]), Ok(None));
        assert_eq!(parse(&vec![b'+'; MOST_BYTES]), Err(Malformed));
    }

    #[test]
    fn commands_are_lists_of_words() {
        let mut out = Vec::new();
        push_command(&[b"SELECT", b"", b"a\r\nb"], &mut out);
        assert_eq!(out, b"*3\r\n$6\r\nSELECT\r\n$0\r\n\r\n$4\r\na\r\nb\r\n");
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes in prop::collection::vec(prop::sample::select(b"+-:$*019\r\nab".to_vec()), 0..64)) {
            if let Ok(Some((_, length))) = parse(&bytes) {
                prop_assert!(length > 0 && length <= bytes.len());
            }
        }

        #[test]
        fn an_answer_in_pieces_is_the_same(numbers in prop::collection::vec(any::<i64>(), 0..=MOST_INTEGERS)) {
            let mut bytes = format!("*{}\r\n", numbers.len()).into_bytes();
            for number in &numbers {
                bytes.extend_from_slice(format!(":{number}\r\n").as_bytes());
            }
            for length in 0..bytes.len() {
                prop_assert_eq!(parse(&bytes[..length]), Ok(None));
            }
            let Reply::Integers(count, found) = whole(&bytes) else { panic!("not integers") };
            prop_assert_eq!(&found[..count], &numbers[..]);
        }
    }
}
