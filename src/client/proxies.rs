//! The client's address behind the app's own proxies.
//!
//! Each proxy appends the address of its peer, so the header is read from the right. The right-most
//! entry is the address that the nearest proxy saw. Entries left of the first address that does not
//! belong to a proxy were written by that client, and can be forged.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};

/// The header that the app's own proxies write.
///
/// Only this one is trusted: a proxy that writes one header often passes on the other as an
/// attacker has sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, a list of addresses.
    XForwardedFor,
    /// `Forwarded`, as defined in RFC 7239.
    Forwarded,
}

/// The proxies in front of the app.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    header: ForwardedHeader,
    networks: Vec<Network>,
}

impl Proxies {
    /// The proxies in these networks, each written as `10.0.0.0/8`, `2001:db8::/32`, or as a single
    /// address. Bits beyond the prefix are ignored: `10.1.2.3/8` is `10.0.0.0/8`.
    pub(crate) fn new(
        networks: impl IntoIterator<Item = impl AsRef<str>>,
        header: ForwardedHeader,
    ) -> Result<Self, InvalidNetwork> {
        let mut parsed = Vec::new();
        for network in networks {
            parsed.push(Network::parse(network.as_ref())?);
        }
        Ok(Self { header, networks: parsed })
    }

    /// The first address that does not belong to a proxy, from the peer on and then leftwards
    /// through the header. `None` if a proxy does not name its client.
    pub(crate) fn client_behind(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut current = peer.to_canonical();
        let mut gap = false;
        // Several header lines form one list, whose right end is in the last line.
        for line in headers.get_all(self.header.name()).iter().rev() {
            for entry in FromTheRight::new(line.as_bytes(), b',') {
                if !self.trusts(current) {
                    return Some(current);
                }
                if entry.trim_ascii().is_empty() {
                    gap = true;
                    continue;
                }
                // A proxy may have left its entry empty. An attacker may then have written the
                // rest.
                if gap {
                    return None;
                }
                current = self.header.address(entry)?;
            }
        }
        Some(current)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }
}

/// An invalid network of proxies, with its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidNetwork {
    #[error(
        "proxy network {0:?} is no IP address or network: write it like \"10.0.0.0/8\", \
         \"2001:db8::/32\" or \"127.0.0.1\""
    )]
    Text(String),
    #[error("proxy network {network:?} has no prefix length from 1 to {most} after its `/`")]
    Length { network: String, most: u8 },
    #[error(
        "proxy network {0:?} would trust everybody, and so any address that a client makes up: \
         name the networks of the proxies"
    )]
    Everybody(String),
    #[error("proxy network {0:?} is more than IPv4 in IPv6: write the IPv4 network itself")]
    Mapped(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    /// The number of leading bits that count.
    length: u8,
}

impl Network {
    fn parse(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(InvalidNetwork::Text(text.to_owned()));
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length.map(number) {
            None => most,
            Some(Some(length)) if length <= u16::from(most) => length as u8,
            Some(_) => return Err(InvalidNetwork::Length { network: text.to_owned(), most }),
        };
        // Addresses are compared as IPv4 if possible, so networks must be as well.
        let canonical = address.to_canonical();
        let length = match (address, canonical) {
            (IpAddr::V6(_), IpAddr::V4(_)) => match length.checked_sub(MAPPED) {
                Some(length) => length,
                None => return Err(InvalidNetwork::Mapped(text.to_owned())),
            },
            _ => length,
        };
        if length == 0 {
            return Err(InvalidNetwork::Everybody(text.to_owned()));
        }
        Ok(Self { address: canonical, length })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let length = u32::from(self.length);
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= length
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= length
            }
            _ => false,
        }
    }
}

/// The bits before an IPv4 address that is written as an IPv6 one.
const MAPPED: u8 = 96;

impl ForwardedHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }

    /// The address that an entry names; `None` if it names none, or more than one.
    fn address(self, entry: &[u8]) -> Option<IpAddr> {
        let node = match self {
            Self::XForwardedFor => unquoted(str::from_utf8(entry).ok()?.trim_ascii())?,
            Self::Forwarded => forwarded_for(entry)?,
        };
        address(node)
    }
}

/// The value of the one `for` among the parameters of an element.
fn forwarded_for(element: &[u8]) -> Option<&str> {
    let mut found = None;
    for pair in FromTheRight::new(element, b';') {
        let pair = pair.trim_ascii();
        if pair.is_empty() {
            continue;
        }
        let (name, value) = str::from_utf8(pair).ok()?.split_once('=')?;
        let value = unquoted(value)?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    found
}

/// The text, without surrounding quotes. A quoted address needs no escapes.
fn unquoted(text: &str) -> Option<&str> {
    if !text.contains('"') {
        return Some(text);
    }
    text.strip_prefix('"')?.strip_suffix('"')
}

/// An address, with or without a port. Zones (`%eth0`) have no meaning on another machine.
fn address(node: &str) -> Option<IpAddr> {
    let (address, port) = if let Some(bracketed) = node.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
        (IpAddr::V6(address.parse().ok()?), port)
    } else if let Ok(address) = node.parse() {
        (address, None)
    } else {
        let (address, port) = node.split_once(':')?;
        (IpAddr::V4(address.parse().ok()?), Some(port))
    };
    match port {
        Some(port) if !is_port(port) => None,
        _ => Some(address.to_canonical()),
    }
}

/// A number, or an obfuscated name (RFC 7239), which hides the port and not the address.
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(name) => {
            let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !name.is_empty() && name.bytes().all(is_sign)
        }
        None => number(text).is_some(),
    }
}

/// Digits only: `parse` would also take a sign.
fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The parts between separators outside of quotes, the last part first.
///
/// Read from the right, a stray quote spoils only the text left of it, which is never the part that
/// a proxy has appended after it.
struct FromTheRight<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> FromTheRight<'a> {
    fn new(list: &'a [u8], separator: u8) -> Self {
        Self { rest: Some(list), separator }
    }
}

impl<'a> Iterator for FromTheRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut quoted = false;
        for (at, &byte) in rest.iter().enumerate().rev() {
            if byte == b'"' && !(quoted && is_escaped(&rest[..at])) {
                quoted = !quoted;
            } else if byte == self.separator && !quoted {
                self.rest = Some(&rest[..at]);
                return Some(&rest[at + 1..]);
            }
        }
        Some(rest)
    }
}

/// Whether the text after `before` is escaped: an even number of backslashes escape each other.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use http::HeaderValue;

    use super::ForwardedHeader::{Forwarded, XForwardedFor};
    use super::*;

    const TRUSTED: [&str; 4] = ["10.0.0.0/8", "127.0.0.1", "2001:db8:ffff::/48", "::1"];

    /// The client's address behind `peer`; the first line is the left-most.
    #[track_caller]
    fn client(header: ForwardedHeader, peer: &str, lines: &[impl AsRef<[u8]> + Debug]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), HeaderValue::from_bytes(line.as_ref()).unwrap());
        }
        let proxies = Proxies::new(TRUSTED, header).unwrap();
        match proxies.client_behind(peer.parse().unwrap(), &headers) {
            Some(address) => address.to_string(),
            None => "unknown".to_owned(),
        }
    }

    #[test]
    fn trap_30_a_header_from_an_untrusted_peer_changes_nothing() {
        for peer in ["192.0.2.1", "11.0.0.1", "127.0.0.2", "2001:db8:fffe::1", "::2"] {
            for entry in ["6.6.6.6", "10.0.0.1", "unknown", "", "\"", "10.0.0.1, 10.0.0.2"] {
                assert_eq!(client(XForwardedFor, peer, &[entry]), peer);
                assert_eq!(client(Forwarded, peer, &[format!("for={entry}")]), peer);
            }
        }
        assert_eq!(client(XForwardedFor, "::ffff:192.0.2.1", &["6.6.6.6"]), "192.0.2.1");
    }

    #[test]
    fn trap_30_through_one_trusted_proxy_the_right_address_is_found() {
        for (entry, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("  192.0.2.1\t", "192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("192.0.2.1:65535", "192.0.2.1"),
            ("192.0.2.1:0", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0::0001", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("\"192.0.2.1\"", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
            ("\"[::ffff:c000:201]\"", "192.0.2.1"),
        ] {
            for peer in ["10.1.2.3", "::ffff:10.1.2.3", "127.0.0.1", "::1", "2001:db8:ffff:9::1"] {
                assert_eq!(client(XForwardedFor, peer, &[entry]), address, "{entry:?}");
                let spoofed = format!("6.6.6.6, 10.0.0.1,{entry}");
                assert_eq!(client(XForwardedFor, peer, &[spoofed]), address, "{entry:?}");
                assert_eq!(client(XForwardedFor, peer, &["6.6.6.6", entry]), address, "{entry:?}");
                let element = format!("for={}", entry.trim());
                assert_eq!(client(Forwarded, peer, &[element]), address, "{entry:?}");
            }
        }
    }

    #[test]
    fn trap_30_parameters_of_forwarded_are_told_apart() {
        for (element, address) in [
            ("for=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
            ("by=10.0.0.1; host=a.example ;FOR=192.0.2.1", "192.0.2.1"),
            ("proto=https;For=\"[2001:db8::1]:443\"", "2001:db8::1"),
            (";for=192.0.2.1;;", "192.0.2.1"),
            ("for=\"192.0.2.1:_hidden\"", "192.0.2.1"),
            ("host=\"a, for=6.6.6.6\";for=192.0.2.1", "192.0.2.1"),
            ("for=192.0.2.1;host=\"a;for=6.6.6.6\"", "192.0.2.1"),
            (r#"for=192.0.2.1;host="a\", for=6.6.6.6;x=\"""#, "192.0.2.1"),
            (r#"for=192.0.2.1;host="a\\""#, "192.0.2.1"),
            (r#"for=192.0.2.1;host="""#, "192.0.2.1"),
            ("for=192.0.2.1;for=192.0.2.1", "unknown"),
            ("for=192.0.2.1;FOR=6.6.6.6", "unknown"),
            ("by=192.0.2.1", "unknown"),
            ("xfor=192.0.2.1", "unknown"),
            ("for =192.0.2.1", "unknown"),
            ("for= 192.0.2.1", "unknown"),
            ("192.0.2.1", "unknown"),
            ("for", "unknown"),
            ("for=192.0.2.1;proto", "unknown"),
            ("host=\"a;for=192.0.2.1", "unknown"),
            ("for=192.0.2.1;host=\"a", "unknown"),
            ("for=\"192.0.2.1\"x", "unknown"),
        ] {
            assert_eq!(client(Forwarded, "10.0.0.1", &[element]), address, "{element}");
            let spoofed = format!("for=6.6.6.6,{element}");
            assert_eq!(client(Forwarded, "10.0.0.1", &[spoofed]), address, "{element}");
        }
    }

    #[test]
    fn trap_30_the_first_untrusted_address_is_the_client() {
        for (lines, address) in [
            (&["192.0.2.1, 10.0.0.3, 10.0.0.2"][..], "192.0.2.1"),
            (&["6.6.6.6, 192.0.2.1, ::1, 10.0.0.2"], "192.0.2.1"),
            (&["6.6.6.6", "192.0.2.1", "10.0.0.3,10.0.0.2"], "192.0.2.1"),
            (&["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
            (&["10.0.0.3, 192.0.2.1"], "192.0.2.1"),
            (&["garbage, unknown, 192.0.2.1"], "192.0.2.1"),
            (&["10.0.0.4, 10.0.0.3"], "10.0.0.4"),
            (&["10.0.0.4", "[2001:db8:ffff::7]:80"], "10.0.0.4"),
            (&[], "10.0.0.1"),
            (&["", " , ,"], "10.0.0.1"),
        ] {
            assert_eq!(client(XForwardedFor, "10.0.0.1", lines), address, "{lines:?}");
        }
        let lines = ["for=6.6.6.6", "for=192.0.2.1;proto=http, for=\"[::1]\"", "for=10.0.0.2"];
        assert_eq!(client(Forwarded, "10.0.0.1", &lines), "192.0.2.1");
    }

    #[test]
    fn trap_30_a_proxy_that_names_nobody_is_not_shown_itself() {
        for entry in [
            "unknown",
            "_hidden",
            "_192.0.2.1",
            "example.com",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.01",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "192.0.2.1:-1",
            "192.0.2.1:+1",
            "192.0.2.1:80:80",
            "192.0.2.1:_",
            "192.0.2.1:_a b",
            "192.0.2.1 192.0.2.2",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]443",
            "[2001:db8::1]:",
            "[2001:db8::1]:99999",
            "2001:db8::1%eth0",
            "[fe80::1%1]:80",
            "[]",
            "\"192.0.2.1",
            "192.0.2.1\"",
            "\"",
            "\"\"",
            "\"\"192.0.2.1\"\"",
            "unix:",
            "\u{661}.2.3.4",
        ] {
            for list in [entry.to_owned(), format!("6.6.6.6, {entry}")] {
                assert_eq!(client(XForwardedFor, "10.0.0.1", &[&list]), "unknown", "{list}");
                let list = list.replace("6.6.6.6", "for=6.6.6.6").replace(entry, "");
                let list = format!("{list}for={entry}");
                assert_eq!(client(Forwarded, "10.0.0.1", &[&list]), "unknown", "{list}");
            }
        }
        for list in ["6.6.6.6,", "6.6.6.6, , 10.0.0.2", "6.6.6.6 ,, ,"] {
            assert_eq!(client(XForwardedFor, "10.0.0.1", &[list]), "unknown", "{list}");
        }
        assert_eq!(client(XForwardedFor, "10.0.0.1", &["6.6.6.6", ""]), "unknown");
        assert_eq!(client(XForwardedFor, "10.0.0.1", &[", 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn trap_30_what_a_client_wrote_cannot_swallow_what_a_proxy_appended() {
        for begin in [
            &b"\""[..],
            b"for=\"",
            b"for=\"6.6.6.6",
            b"for=\"\\",
            b"a\"b\"c\"",
            b"\xff\xfe",
            b";;=\\",
        ] {
            let spoofed = |appended: &str| [begin, b", ", appended.as_bytes()].concat();
            let line = spoofed("192.0.2.1");
            assert_eq!(client(XForwardedFor, "10.0.0.1", &[line]), "192.0.2.1", "{begin:?}");
            for appended in ["for=192.0.2.1", "for=\"192.0.2.1:80\";host=\"a,b\""] {
                let line = spoofed(appended);
                assert_eq!(client(Forwarded, "10.0.0.1", &[line]), "192.0.2.1", "{begin:?}");
                let lines = [begin, appended.as_bytes()];
                assert_eq!(client(Forwarded, "10.0.0.1", &lines), "192.0.2.1", "{begin:?}");
            }
        }
    }

    #[test]
    fn trap_30_only_the_configured_header_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        headers.insert("forwarded", HeaderValue::from_static("for=192.0.2.2"));
        headers.insert("x-real-ip", HeaderValue::from_static("6.6.6.6"));
        for (header, address) in [(XForwardedFor, [192, 0, 2, 1]), (Forwarded, [192, 0, 2, 2])] {
            let proxies = Proxies::new(TRUSTED, header).unwrap();
            let client = proxies.client_behind([10, 0, 0, 1].into(), &headers);
            assert_eq!(client, Some(address.into()));
        }
    }

    #[test]
    fn a_long_header_is_read_once() {
        for part in
            ["10.0.0.1,", "\"", "\\", "\\\"", ",\"\\", "for=10.0.0.1,", ";", "for=\"\\\\\","]
        {
            let line = part.repeat(1_000_000 / part.len());
            client(XForwardedFor, "10.0.0.1", &[&line]);
            client(Forwarded, "10.0.0.1", &[&line]);
        }
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.1.2.3/8", "10.0.0.0", "9.255.255.255"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
            ("128.0.0.0/1", "255.255.255.255", "127.255.255.255"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("2001:db8::/127", "2001:db8::1", "2001:db8::2"),
            ("::1", "::1", "::"),
            ("fc00::/7", "fdff::1", "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", "::10.0.0.1"),
        ] {
            let held = Network::parse(network).unwrap();
            assert!(held.holds(inside.parse().unwrap()), "{network} {inside}");
            assert!(!held.holds(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        for (network, reason) in [
            ("", "is no IP address or network"),
            ("/8", "is no IP address or network"),
            ("10.0.0.0.0/8", "is no IP address or network"),
            (" 10.0.0.1", "is no IP address or network"),
            ("10.0.0/8", "is no IP address or network"),
            ("localhost", "is no IP address or network"),
            ("[::1]", "is no IP address or network"),
            ("fe80::1%eth0", "is no IP address or network"),
            ("10.0.0.0/", "has no prefix length from 1 to 32 after its `/`"),
            ("10.0.0.0/33", "has no prefix length from 1 to 32 after its `/`"),
            ("10.0.0.0/+8", "has no prefix length from 1 to 32 after its `/`"),
            ("10.0.0.0/8/8", "has no prefix length from 1 to 32 after its `/`"),
            ("10.0.0.0/255.0.0.0", "has no prefix length from 1 to 32 after its `/`"),
            ("::1/129", "has no prefix length from 1 to 128 after its `/`"),
            ("::1/99999999", "has no prefix length from 1 to 128 after its `/`"),
            ("0.0.0.0/0", "would trust everybody"),
            ("::/0", "would trust everybody"),
            ("::ffff:0:0/96", "would trust everybody"),
            ("::ffff:10.0.0.0/95", "is more than IPv4 in IPv6"),
        ] {
            let error = Proxies::new(["10.0.0.0/8", network], Forwarded).unwrap_err().to_string();
            let expected = format!("proxy network {network:?} {reason}");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
