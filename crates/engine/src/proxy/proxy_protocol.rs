//! The PROXY protocol, versions 1 and 2: what a load balancer in front says of the client, before anything else.
//!
//! The header is required where the listener says so, and nothing is believed elsewhere. Exactly its bytes are taken
//! from the socket: what follows is the client's, and may be a TLS handshake.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// How version 1 begins.
const WORD: &[u8] = b"PROXY ";

/// The longest line of version 1, with its CRLF.
const LONGEST_LINE: usize = 107;

/// Signature, command, family and length of version 2.
const FIXED: usize = 16;

/// More than addresses and usual TLVs (certificates' names, an id) need. They are skipped.
const MOST_DATA: usize = 4096;

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Who called, and which of the balancer's addresses.
    Proxied {
        /// The client.
        client: SocketAddr,
        /// Whom it called.
        called: SocketAddr,
    },
    /// The balancer speaks for itself (a health check), or can't say: the connection's own ends hold.
    Local,
}

/// Why there is no header.
#[derive(Debug)]
pub enum Fault {
    /// What came isn't one.
    Malformed,
    /// The connection ended.
    Closed,
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Takes the header off `stream`.
///
/// # Errors
/// [`Fault`]; the connection is of no use then.
pub async fn read(stream: &mut TcpStream) -> Result<Said, Fault> {
    let mut bytes = [0; FIXED];
    // The shortest line of version 1 is as long as this, but for one byte.
    stream.read_exact(&mut bytes[..WORD.len()]).await?;
    if bytes.starts_with(WORD) {
        return read_line(stream).await;
    }
    if !SIGNATURE.starts_with(&bytes[..WORD.len()]) {
        return Err(Fault::Malformed);
    }
    stream.read_exact(&mut bytes[WORD.len()..]).await?;
    if !bytes.starts_with(SIGNATURE) {
        return Err(Fault::Malformed);
    }
    let [.., command, family, high, low] = bytes;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MOST_DATA {
        return Err(Fault::Malformed);
    }
    let mut data = vec![0; length];
    stream.read_exact(&mut data).await?;
    binary(command, family, &data).ok_or(Fault::Malformed)
}

/// The rest of a line of version 1.
async fn read_line(stream: &mut TcpStream) -> Result<Said, Fault> {
    let mut line = [0; LONGEST_LINE - WORD.len()];
    let mut length = 0;
    loop {
        // Looked at before it is taken: what follows the line stays.
        let there = stream.peek(&mut line[length..]).await?;
        if there == 0 {
            return Err(Fault::Closed);
        }
        let end = memchr::memchr(b'\n', &line[length..length + there]);
        let taken = end.map_or(there, |end| end + 1);
        stream.read_exact(&mut line[length..length + taken]).await?;
        length += taken;
        if end.is_some() {
            let line = line[..length].strip_suffix(b"\r\n");
            return line.and_then(text).ok_or(Fault::Malformed);
        }
        if length == line.len() {
            return Err(Fault::Malformed);
        }
    }
}

/// What follows `PROXY ` in a line of version 1.
fn text(line: &[u8]) -> Option<Said> {
    let line = str::from_utf8(line).ok()?;
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(Said::Local);
    }
    let mut parts = line.split(' ');
    let mut next = || parts.next();
    let is_right: fn(&IpAddr) -> bool = match next()? {
        "TCP4" => IpAddr::is_ipv4,
        "TCP6" => IpAddr::is_ipv6,
        _ => return None,
    };
    let address = |text: &str| text.parse().ok().filter(is_right);
    let (client, called) = (address(next()?)?, address(next()?)?);
    let (client_port, called_port) = (port(next()?)?, port(next()?)?);
    next().is_none().then_some(Said::Proxied {
        client: SocketAddr::new(client, client_port),
        called: SocketAddr::new(called, called_port),
    })
}

fn port(text: &str) -> Option<u16> {
    // No signs: `parse` takes `+1`.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// What a header of version 2 says, its fixed part split already.
fn binary(command: u8, family: u8, data: &[u8]) -> Option<Said> {
    match command {
        // LOCAL: whatever addresses there are hold nothing.
        0x20 => return Some(Said::Local),
        0x21 => {}
        _ => return None,
    }
    let ends = match family {
        // TCP over IPv4; TLVs may follow the addresses, here as below.
        0x11 => {
            let (client, rest) = data.split_first_chunk::<4>()?;
            let (called, ports) = rest.split_first_chunk::<4>()?;
            let ends = [*client, *called].map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
            (ends, ports)
        }
        0x21 => {
            let (client, rest) = data.split_first_chunk::<16>()?;
            let (called, ports) = rest.split_first_chunk::<16>()?;
            let ends = [*client, *called].map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
            (ends, ports)
        }
        // UNSPEC, or a Unix socket's: there is no address that means anything here.
        0x00 | 0x31 => return Some(Said::Local),
        _ => return None,
    };
    let ([client, called], ports) = ends;
    let (ports, _tlvs) = ports.split_first_chunk::<4>()?;
    let [a, b, c, d] = *ports;
    Some(Said::Proxied {
        client: SocketAddr::new(client, u16::from_be_bytes([a, b])),
        called: SocketAddr::new(called, u16::from_be_bytes([c, d])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(client: &str, called: &str) -> Said {
        Said::Proxied {
            client: client.parse().unwrap(),
            called: called.parse().unwrap(),
        }
    }

    #[test]
    fn lines_are_read_strictly() {
        assert_eq!(
            text(b"TCP4 192.0.2.1 198.51.100.2 56324 443"),
            Some(proxied("192.0.2.1:56324", "198.51.100.2:443"))
        );
        assert_eq!(
            text(b"TCP6 2001:db8::1 ::1 1 65535"),
            Some(proxied("[2001:db8::1]:1", "[::1]:65535"))
        );
        assert_eq!(text(b"UNKNOWN"), Some(Said::Local));
        assert_eq!(text(b"UNKNOWN ffff::1 ffff::2 1 2"), Some(Said::Local));
        for line in [
            "",
            "TCP4",
            "UNKNOWNX",
            "UDP4 192.0.2.1 192.0.2.2 1 2",
            "TCP4 ::1 ::1 1 2",
            "TCP6 192.0.2.1 192.0.2.2 1 2",
            "TCP4 192.0.2.1 192.0.2.2 1",
            "TCP4 192.0.2.1 192.0.2.2 1 2 3",
            "TCP4 192.0.2.1 192.0.2.2 +1 2",
            "TCP4 192.0.2.1 192.0.2.2 1 65536",
            "TCP4 192.0.2.1  192.0.2.2 1 2",
            "TCP4 192.0.2.01 192.0.2.2 1 2",
            "TCP4 192.0.2.1 192.0.2.2 1 2\r",
        ] {
            assert_eq!(text(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn binary_headers_of_both_families_with_and_without_more_behind() {
        let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 1, 0xbb];
        let expected = Some(proxied("192.0.2.1:56324", "198.51.100.2:443"));
        assert_eq!(binary(0x21, 0x11, &four), expected);
        let with_tlv = [&four[..], &[4, 0, 1, 9]].concat();
        assert_eq!(binary(0x21, 0x11, &with_tlv), expected);
        let mut six = [0; 36];
        (six[15], six[31], six[33], six[35]) = (1, 2, 3, 4);
        assert_eq!(
            binary(0x21, 0x21, &six),
            Some(proxied("[::1]:3", "[::2]:4"))
        );
        for length in 0..four.len() {
            assert_eq!(binary(0x21, 0x11, &four[..length]), None);
        }
        assert_eq!(binary(0x21, 0x21, &six[..35]), None);
        assert_eq!(binary(0x20, 0x11, &[]), Some(Said::Local));
        assert_eq!(binary(0x21, 0x00, &[7; 9]), Some(Said::Local));
        assert_eq!(binary(0x22, 0x11, &four), None, "no such command");
        assert_eq!(binary(0x11, 0x11, &four), None, "no such version");
        assert_eq!(binary(0x21, 0x12, &four), None, "not a stream");
    }
}
