//! Who a request comes from: the proxies in front of the gateway are believed about it, nobody else is.

use std::net::IpAddr;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Headers;

/// The proxies whose word counts, and how they name the client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trust {
    /// Their addresses.
    pub ips: Box<[Block]>,
    /// The header line in which they name the client.
    pub real_ip_header: RealIpHeader,
    /// Whether that line is read from its end up to the first address that isn't a trusted proxy's; else its last
    /// address is the client's.
    pub real_ip_recursive: bool,
}

/// A block of addresses: `10.0.0.0/8`, or one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    network: IpAddr,
    prefix: u8,
}

/// A header's name; none where the connection alone says who calls (`proxy_protocol`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealIpHeader(Option<Box<str>>);

impl Default for RealIpHeader {
    fn default() -> Self {
        Self(Some("X-Real-IP".into()))
    }
}

impl<'de> Deserialize<'de> for RealIpHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name == "proxy_protocol" {
            Ok(Self(None))
        } else if !name.is_empty() && name.bytes().all(is_name) {
            Ok(Self(Some(name.into())))
        } else {
            Err(D::Error::custom(
                "not a header's name; use X-Real-IP or X-Forwarded-For",
            ))
        }
    }
}

impl FromStr for Block {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const BAD: &str = "not a block of addresses; write it as 10.0.0.0/8 or 2001:db8::/32";
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| BAD)?;
        let whole = if network.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = match length {
            None => whole,
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().map_err(|_| BAD)?
            }
            Some(_) => return Err(BAD),
        };
        if prefix > whole {
            return Err(BAD);
        }
        // Callers are canonical, so blocks of IPv4 written within IPv6 are, too.
        Ok(match (network.to_canonical(), prefix.checked_sub(96)) {
            (network @ IpAddr::V4(_), Some(prefix)) if whole == 128 => Self { network, prefix },
            _ => Self { network, prefix },
        })
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Block {
    /// Whether `address` (canonical: no IPv4 within IPv6) lies in it.
    fn holds(self, address: IpAddr) -> bool {
        let (one, other, bits) = match (self.network, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (u128::from(one.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        // Shifting by all 128 bits is what `checked_shr` leaves to us: a prefix of 0 holds everything.
        let differ = (one ^ other).checked_shr(bits - u32::from(self.prefix));
        differ.is_none_or(|differ| differ == 0)
    }
}

impl Trust {
    /// Whether what `peer` (canonical) says about a request is believed.
    #[must_use]
    pub fn believes(&self, peer: IpAddr) -> bool {
        self.ips.iter().any(|block| block.holds(peer))
    }

    /// The client that `peer`, which is believed, speaks for: itself, where it names nobody.
    ///
    /// From the line's end each address is who spoke to the one behind it, so what stands before one that isn't trusted
    /// is hearsay. Read from the front that is: the last such address counts, else the first since something that is no
    /// address at all.
    #[must_use]
    pub fn client<H: Headers>(&self, peer: IpAddr, headers: H) -> IpAddr {
        let Some(header) = &self.real_ip_header.0 else {
            return peer;
        };
        let lines = headers
            .lines()
            .filter(|(name, _)| name.eq_ignore_ascii_case(header.as_bytes()));
        let mut client = None;
        for part in lines.flat_map(|(_, value)| value.split(|byte| *byte == b',')) {
            let part = part.trim_ascii();
            if part.is_empty() {
                continue;
            }
            client = match (address(part), client) {
                (None, _) => None,
                (Some(address), Some(before)) if self.real_ip_recursive => {
                    Some(if self.believes(address) {
                        before
                    } else {
                        address
                    })
                }
                (found, _) => found,
            };
        }
        client.unwrap_or(peer)
    }
}

/// An address as proxies write it: alone, or with a port, then in brackets if it has colons of its own.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let alone = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => address,
            _ => text,
        },
    };
    alone.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// What trusted proxies say of a request beside who made it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Forwarded<'a> {
    pub proto: Option<&'a [u8]>,
    pub host: Option<&'a [u8]>,
    pub port: Option<&'a [u8]>,
    pub path: Option<&'a [u8]>,
    pub prefix: Option<&'a [u8]>,
}

impl<'a> Forwarded<'a> {
    /// Reads it out of header lines; of several lines of a name the last, which is the nearest proxy's.
    pub fn read<H: Headers>(headers: &'a H) -> Self {
        let mut found = Self::default();
        for (name, value) in headers.lines() {
            let what = match name.split_at_checked(12) {
                Some((begin, what)) if begin.eq_ignore_ascii_case(b"x-forwarded-") => what,
                _ => continue,
            };
            let is = |known: &[u8]| what.eq_ignore_ascii_case(known);
            let place = match what.len() {
                4 if is(b"host") => &mut found.host,
                4 if is(b"port") => &mut found.port,
                4 if is(b"path") => &mut found.path,
                5 if is(b"proto") => &mut found.proto,
                6 if is(b"prefix") => &mut found.prefix,
                _ => continue,
            };
            *place = (!value.is_empty()).then_some(value).or(*place);
        }
        found
    }

    /// Whether the client's own connection was TLS, as far as they say.
    pub fn is_https(&self) -> Option<bool> {
        self.proto.map(|proto| proto.eq_ignore_ascii_case(b"https"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(ips: &[&str], header: &str, recursive: bool) -> Trust {
        let document = serde_json::json!({
            "ips": ips, "real_ip_header": header, "real_ip_recursive": recursive,
        });
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn blocks_hold_their_addresses_and_no_others() {
        let holds = |block: &str, address: &str| {
            let block: Block = block.parse().unwrap();
            block.holds(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("10.1.2.3", "10.1.2.3"));
        assert!(!holds("10.1.2.3", "10.1.2.2"));
        assert!(holds("0.0.0.0/0", "255.255.255.255"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!holds("2001:db8::/33", "2001:db8:8000::1"));
        assert!(holds("::/0", "ffff::"));
        assert!(holds("::ffff:10.0.0.0/104", "10.255.0.1"));
        assert!(!holds("::ffff:10.0.0.0/104", "11.0.0.1"));
        assert!(holds("::ffff:10.1.2.3", "10.1.2.3"));
        assert!(holds("::ffff:0:0/96", "192.0.2.1"));
        assert!(!holds("::ffff:0:0/95", "192.0.2.1"), "not IPv4's alone");
        for bad in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "::/129",
            "a/8",
            "10.0.0.0/8/8",
        ] {
            assert!(bad.parse::<Block>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_client_is_whom_trusted_proxies_name() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        for (recursive, value, client) in [
            (false, "", "10.0.0.1"),
            (false, "192.0.2.1", "192.0.2.1"),
            (false, "192.0.2.1, 10.0.0.2", "10.0.0.2"),
            (false, "192.0.2.1, what", "10.0.0.1"),
            (true, "192.0.2.1, 10.0.0.2", "192.0.2.1"),
            (
                true,
                "203.0.113.9, 192.0.2.1, 10.0.0.2,10.0.0.3",
                "192.0.2.1",
            ),
            (true, "10.0.0.9, 10.0.0.2", "10.0.0.9"),
            (true, "192.0.2.1, what, 10.0.0.2", "10.0.0.2"),
            (true, "192.0.2.1, what", "10.0.0.1"),
            (true, "192.0.2.1:4711 , [::ffff:10.0.0.2]:80", "192.0.2.1"),
            (true, "2001:db8::7, 10.0.0.2,", "2001:db8::7"),
        ] {
            let trust = trust(&["10.0.0.0/8"], "X-Forwarded-For", recursive);
            let line: [(&[u8], &[u8]); 1] = [(b"x-forwarded-for", value.as_bytes())];
            let found = trust.client(peer, &line[..]);
            assert_eq!(found.to_string(), client, "{recursive} {value}");
        }
        let lines: [(&[u8], &[u8]); 3] = [
            (b"X-Forwarded-For", b"203.0.113.9"),
            (b"X-Real-IP", b"192.0.2.1"),
            (b"X-Forwarded-For", b"192.0.2.2, 10.0.0.5"),
        ];
        let ask = |header| {
            trust(&["10.0.0.0/8"], header, true)
                .client(peer, &lines[..])
                .to_string()
        };
        assert_eq!(ask("X-Forwarded-For"), "192.0.2.2");
        assert_eq!(ask("X-Real-IP"), "192.0.2.1");
        assert_eq!(ask("proxy_protocol"), "10.0.0.1");
    }

    #[test]
    fn faults_of_the_option_are_told() {
        let fault = |document: serde_json::Value| {
            serde_json::from_value::<Trust>(document)
                .unwrap_err()
                .to_string()
        };
        assert!(fault(serde_json::json!({"ips": ["10.0.0.0/40"]})).starts_with("not a block"));
        assert!(
            fault(serde_json::json!({"real_ip_header": "a b"})).starts_with("not a header's name")
        );
        assert!(fault(serde_json::json!({"ip": []})).starts_with("unknown field"));
    }
}
