//! By which names people recognise their devices, and from where they come.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{HeaderName, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Request};
use tower_curfew::client::{AddressRetention, ForwardedHeader};
use tower_curfew::{Builder, ClientDetails, ClientInfo, ErrorKind, NewSession};

use super::devices_table::{DEVICES, HINTED};
use crate::support::{Browser, Site, hours, navigation, on_every_store, on_every_store_with};

fn from(request: &mut Request<Body>, peer: &str) {
    let peer = ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711));
    request.extensions_mut().insert(peer);
}

/// The client of ada's only session, after she has signed in with these headers from this peer.
async fn signed_in_with(
    site: &Site,
    headers: &[(&str, &[u8])],
    peer: &str,
) -> (Browser, ClientDetails) {
    let mut browser = site.browser();
    let mut request = navigation("POST", "/login?user=ada");
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    from(&mut request, peer);
    assert_eq!(browser.send(request).await.status, 303);
    let list = site.curfew.list("ada").await.unwrap();
    let client = list.iter().find(|listed| listed.id() == browser.session()).unwrap().client();
    (browser.clone(), client.clone())
}

async fn device(site: &Site, headers: &[(&str, &[u8])]) -> String {
    let (_, client) = signed_in_with(site, headers, "203.0.113.7").await;
    client.device.as_deref().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn r24_devices_are_named_as_a_person_would() {
    let site = Site::new();
    assert!(DEVICES.len() >= 40 && HINTED.len() >= 10);
    for (agent, name) in DEVICES {
        assert_eq!(device(&site, &[("user-agent", agent.as_bytes())]).await, *name, "{agent}");
    }
    for (headers, name) in HINTED {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        assert_eq!(device(&site, &headers).await, *name, "{headers:?}");
    }
    assert_eq!(device(&site, &[]).await, "");
}

#[tokio::test]
async fn r37_of_nonsense_no_more_than_a_short_and_harmless_name_is_made() {
    let site = Site::new();
    let long = |part: &[u8]| part.repeat(10_240 / part.len());
    for nonsense in [
        long(b"x"),
        long(b"Mozilla/5.0 ("),
        long(b"Chrome/1 "),
        long(b"("),
        long(b"; "),
        long(b"<script>"),
        long(&[0xff]),
        long("🦀".as_bytes()),
        b"<img src=x onerror=alert(1)>".to_vec(),
        b"'; DROP TABLE sessions; --".to_vec(),
        b" ".to_vec(),
    ] {
        for name in ["user-agent", "sec-ch-ua", "sec-ch-ua-platform"] {
            let device = device(&site, &[(name, &nonsense)]).await;
            let short = String::from_utf8_lossy(&nonsense[..nonsense.len().min(20)]).into_owned();
            assert!(device.chars().count() <= 64, "{short}: {device}");
            let harmless = |sign: char| !sign.is_control() && !"<>&\"'".contains(sign);
            assert!(device.chars().all(harmless), "{short}: {device}");
        }
    }
}

#[tokio::test]
async fn r24_what_is_known_of_the_client_is_renewed_with_the_touch() {
    let places = |address: std::net::IpAddr| Some(format!("near {address}"));
    on_every_store_with(
        |builder| builder.locate_with(places),
        async |site| {
            let home = [("user-agent", &b"curl/8.5.0"[..])];
            let (mut ada, client) = signed_in_with(&site, &home, "203.0.113.7").await;
            assert_eq!(client.device.as_deref(), Some("curl"));
            assert_eq!(client.location.as_deref(), Some("near 203.0.113.7"));
            for (passed, agent, place) in
                [(0, "curl/8.5.0", "near 203.0.113.7"), (2, "Wget/1.21", "near 198.51.100.9")]
            {
                site.pass(hours(passed));
                let mut request = navigation("GET", "/");
                request.headers_mut().insert(USER_AGENT, "Wget/1.21".parse().unwrap());
                from(&mut request, "198.51.100.9");
                assert_eq!(ada.send(request).await.status, 200, "another device is let in too");
                let list = site.curfew.list("ada").await.unwrap();
                let client = list[0].client();
                assert_eq!(client.agent.as_deref(), Some(agent));
                assert_eq!(client.location.as_deref(), Some(place));
            }
        },
    )
    .await;
}

#[tokio::test]
async fn r24_of_what_a_client_says_nothing_is_listed_that_cannot_be_seen_or_turns_text_around() {
    let listed = async |site: &Site, agent: &str| {
        let headers = [("user-agent", agent.as_bytes())];
        let (_, client) = signed_in_with(site, &headers, "203.0.113.7").await;
        [client.agent, client.device, client.location].map(|label| label.map(|l| l.to_string()))
    };
    let site = Site::with(|builder| {
        builder
            .name_devices_with(|headers: &HeaderMap| {
                Some(String::from_utf8_lossy(headers["user-agent"].as_bytes()).into_owned())
            })
            .locate_with(|_: IpAddr| Some("Par\u{202e}is".to_owned()))
    });
    let paris = Some("Paris".to_owned());
    for nothing in ["", "\u{200b}\u{feff}", "\u{202e} \u{2069}\u{a0}"] {
        assert_eq!(listed(&site, nothing).await, [None, None, paris.clone()], "{nothing:?}");
    }
    let turned = Some("myapp/1.0 exe.pdf".to_owned());
    assert_eq!(
        listed(&site, "myapp/1.0 \u{202e}exe\u{202c}.pdf").await,
        [turned.clone(), turned, paris]
    );
}

#[tokio::test]
async fn r24_a_session_whose_name_shows_nothing_does_not_start() {
    on_every_store(async |site| {
        for nothing in [" ", "\t", "\u{200b}", "\u{202e}\u{2066}", "\u{2800}"] {
            let new = NewSession::for_user("ada").named(nothing);
            let refused = site.curfew.operator("tests").issue_token(new.clone()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidName, "{nothing:?}");
            let refused = site.curfew.start(new, &ClientInfo::for_tests()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidName, "{nothing:?}");
        }
        assert!(site.curfew.list("ada").await.unwrap().is_empty());
        let new = NewSession::for_user("ada").named("\u{200f}\u{5d0}");
        let _ = site.curfew.operator("tests").issue_token(new).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_app_may_name_devices_itself() {
    let name = |headers: &axum::http::HeaderMap| {
        headers.get("x-device").map(|name| name.to_str().unwrap().to_owned())
    };
    let site = Site::with(|builder| builder.name_devices_with(name));
    assert_eq!(device(&site, &[("x-device", b"the fridge")]).await, "the fridge");
    assert_eq!(device(&site, &[("user-agent", b"curl/8.5.0")]).await, "");
}

fn behind(header: ForwardedHeader) -> impl Fn(Builder) -> Builder {
    move |builder| builder.trust_proxies(["10.0.0.0/8", "2001:db8:aaaa::/48"], header)
}

/// The address that is shown for a sign-in with this header from this peer.
async fn address(site: &Site, header: (&str, &str), peer: &str) -> String {
    let headers = [(header.0, header.1.as_bytes())];
    let (_, client) = signed_in_with(site, &headers, peer).await;
    client.address.map_or("unknown".to_owned(), |address| address.to_string())
}

#[tokio::test]
async fn trap_30_a_forwarded_header_straight_from_an_untrusted_peer_changes_nothing() {
    let xff = ("x-forwarded-for", "6.6.6.6");
    let forwarded = ("forwarded", "for=6.6.6.6");
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let site = Site::with(behind(header));
        for claim in [xff, forwarded] {
            assert_eq!(address(&site, claim, "203.0.113.7").await, "203.0.113.7");
            assert_eq!(address(&site, claim, "::ffff:203.0.113.7").await, "203.0.113.7");
            assert_eq!(address(&site, claim, "2001:db8::7").await, "2001:db8::7");
        }
    }
    let trusting_nobody = Site::new();
    for claim in [xff, forwarded] {
        assert_eq!(address(&trusting_nobody, claim, "10.0.0.1").await, "10.0.0.1");
    }
}

#[tokio::test]
async fn trap_30_through_a_trusted_proxy_the_right_address_is_found() {
    for (header, name, rows) in [
        (
            ForwardedHeader::XForwardedFor,
            "x-forwarded-for",
            [
                ("6.6.6.6, 203.0.113.7", "203.0.113.7"),
                ("6.6.6.6, 203.0.113.7:4711", "203.0.113.7"),
                ("6.6.6.6, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
                ("6.6.6.6, [2001:db8::7]:443", "2001:db8::7"),
                ("6.6.6.6, \"[2001:db8::7]\"", "2001:db8::7"),
                ("::ffff:203.0.113.7", "203.0.113.7"),
                ("6.6.6.6, unknown", "unknown"),
            ],
        ),
        (
            ForwardedHeader::Forwarded,
            "forwarded",
            [
                ("for=6.6.6.6, for=203.0.113.7", "203.0.113.7"),
                ("for=\", for=203.0.113.7;proto=https", "203.0.113.7"),
                ("for=6.6.6.6, for=203.0.113.7, for=10.1.2.3", "203.0.113.7"),
                ("For=\"[2001:db8::7]:443\";by=10.0.0.1", "2001:db8::7"),
                ("for=6.6.6.6, for=\"203.0.113.7:80\"", "203.0.113.7"),
                ("for=\"[::ffff:203.0.113.7]\"", "203.0.113.7"),
                ("for=6.6.6.6, for=_hidden", "unknown"),
            ],
        ),
    ] {
        let site = Site::with(behind(header));
        for (value, expected) in rows {
            for peer in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8:aaaa::1"] {
                assert_eq!(address(&site, (name, value), peer).await, expected, "{value}");
            }
        }
    }
}

#[tokio::test]
async fn r36_only_as_much_of_an_address_is_kept_as_the_app_wants() {
    for (retention, kept) in [
        (AddressRetention::Keep, ["203.0.113.7", "2001:db8:1:2::3"]),
        (AddressRetention::Truncate, ["203.0.113.0", "2001:db8:1::"]),
        (AddressRetention::Drop, ["unknown", "unknown"]),
    ] {
        let site = Site::with(|builder| builder.address_retention(retention));
        for (peer, kept) in ["203.0.113.7", "2001:db8:1:2::3"].into_iter().zip(kept) {
            assert_eq!(address(&site, ("x", "y"), peer).await, kept);
        }
    }
}

#[tokio::test]
async fn trap_31_another_device_or_address_ends_no_session() {
    on_every_store(async |site| {
        let router: Router = site.router.clone();
        let (ada, _) = signed_in_with(&site, &[("user-agent", b"curl/8.5.0")], "203.0.113.7").await;
        for (agent, peer) in [("curl/8.6.0", "203.0.113.7"), ("Wget/1.21", "2001:db8::9")] {
            site.pass(hours(2));
            let mut request = navigation("GET", "/");
            request.headers_mut().insert(USER_AGENT, agent.parse().unwrap());
            from(&mut request, peer);
            assert_eq!(ada.at(&router).send(request).await.status, 200, "{agent} {peer}");
        }
    })
    .await;
}
