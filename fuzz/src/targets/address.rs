//! The address of a client behind proxies. The first line is the peer's address, and each other line
//! a value of `X-Forwarded-For`, and of `Forwarded`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderName, HeaderValue, Request, header};
use tower_curfew::client::ForwardedHeader;
use tower_curfew::store::MemoryStore;

use super::header_values;
use crate::site::Site;

pub(crate) const SIDES: &[&str] =
    &["an untrusted peer", "behind a proxy", "a proxy", "not to be known"];

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

static BY_FOR: LazyLock<Site> = LazyLock::new(|| site(ForwardedHeader::XForwardedFor));
static BY_FORWARDED: LazyLock<Site> = LazyLock::new(|| site(ForwardedHeader::Forwarded));

fn site(header: ForwardedHeader) -> Site {
    let store = MemoryStore::new();
    Site::with(store, |builder| builder.trust_proxies(["10.0.0.0/8", "::1"], header), |layer| layer)
}

/// What a client writes never moves the address that a proxy has written behind it, and nobody but
/// a proxy is believed.
pub(crate) fn target(data: &[u8]) -> &'static str {
    let mut lines = header_values(data).into_iter();
    let peer = lines.next().and_then(|line| line.to_str().ok()?.parse::<IpAddr>().ok());
    let (peer, lines) = (peer.unwrap_or(PROXY), Vec::from_iter(lines));
    let found = client(&BY_FOR, FOR, peer, &lines);
    let forwarded = client(&BY_FORWARDED, header::FORWARDED, peer, &lines);
    let peer = peer.to_canonical();
    if let Some(expected) = plainly(peer, &lines) {
        assert_eq!(found, expected);
    }
    if !is_proxy(peer) {
        assert_eq!((found, forwarded), (Some(peer), Some(peer)));
        return "an untrusted peer";
    }
    cannot_be_moved(&lines);
    for address in [found, forwarded].into_iter().flatten() {
        reads_back(address);
    }
    match found.or(forwarded) {
        Some(address) if is_proxy(address) => "a proxy",
        Some(_) => "behind a proxy",
        None => "not to be known",
    }
}

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn is_proxy(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 10,
        IpAddr::V6(v6) => v6.is_loopback(),
    }
}

fn client(site: &Site, name: HeaderName, peer: IpAddr, lines: &[HeaderValue]) -> Option<IpAddr> {
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer, 443)));
    for line in lines {
        request.headers_mut().append(name.clone(), line.clone());
    }
    site.seen(request).0.client.address
}

/// With the entries that proxies append to the last line, it is the client of the first proxy.
fn cannot_be_moved(lines: &[HeaderValue]) {
    for (site, name, appended) in [
        (&*BY_FOR, FOR, "192.0.2.7"),
        (&*BY_FOR, FOR, "\"[::ffff:192.0.2.7]:80\", 10.9.9.9"),
        (&*BY_FORWARDED, header::FORWARDED, "for=192.0.2.7"),
        (&*BY_FORWARDED, header::FORWARDED, "For=\"192.0.2.7:_x\";proto=http, by=_y;for=10.9.9.9"),
    ] {
        let appended = HeaderValue::from_static(appended);
        let mut joined = lines.to_vec();
        match joined.last_mut() {
            Some(last) => {
                let bytes = [last.as_bytes(), b", ", appended.as_bytes()].concat();
                *last = HeaderValue::from_bytes(&bytes).expect("both are values");
            }
            None => joined.push(appended),
        }
        let found = client(site, name.clone(), PROXY, &joined);
        assert_eq!(found, Some(IpAddr::from([192, 0, 2, 7])), "{name}: {joined:?}");
    }
}

/// An address means the same when a proxy passes it on.
fn reads_back(address: IpAddr) {
    let passed_on = [address.to_string(), format!("for=\"{}\"", SocketAddr::new(address, 1))];
    let [plain, with_port] = passed_on.map(HeaderValue::try_from);
    let plain = plain.expect("an address is a value");
    assert_eq!(client(&BY_FOR, FOR, PROXY, &[plain]), Some(address));
    let with_port = with_port.expect("so is this");
    assert_eq!(client(&BY_FORWARDED, header::FORWARDED, PROXY, &[with_port]), Some(address));
}

/// What `X-Forwarded-For` says, read in the plainest way; `None` if that does not suffice.
fn plainly(peer: IpAddr, lines: &[HeaderValue]) -> Option<Option<IpAddr>> {
    let lines = lines.iter().map(HeaderValue::to_str).collect::<Result<Vec<_>, _>>().ok()?;
    let list = lines.join(",");
    if list.contains(['"', '%', '_']) {
        return None;
    }
    let mut current = peer;
    let entries = Vec::from_iter(list.split(',').map(str::trim_ascii).rev());
    for (at, entry) in entries.iter().enumerate() {
        if !is_proxy(current) {
            return Some(Some(current));
        }
        if entry.is_empty() {
            // Only with nothing left of it is it no gap in the chain.
            let rest = entries[at..].iter().all(|entry| entry.is_empty());
            return Some(rest.then_some(current));
        }
        let plain = entry.parse::<IpAddr>().ok();
        let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
        let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
        match plain.or_else(bracketed).or_else(with_port) {
            Some(address) => current = address.to_canonical(),
            None => return Some(None),
        }
    }
    Some(Some(current))
}
