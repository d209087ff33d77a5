//! Detection of plain HTTP, on which browsers drop `Secure` cookies.

use std::net::{IpAddr, Ipv6Addr};

use http::header::{ORIGIN, REFERER};
use http::{HeaderMap, HeaderValue, Uri};

/// Whether the browser says that it is on a page over plain HTTP, on a host other than localhost.
/// It then drops a `Secure` cookie in the response. (Trap 51)
///
/// The server behind a proxy does not see the scheme, and the headers of proxies differ. So only
/// the browser's own headers count: the origin of the form that it sends, or the page that it comes
/// from. On a connection that it trusts, it also sends `Sec-Fetch-Site`.
pub(crate) fn drops_secure_cookies(headers: &HeaderMap) -> bool {
    if headers.contains_key("sec-fetch-site") || headers.contains_key("sec-fetch-mode") {
        return false;
    }
    // A browser that hides its origin sends `null`.
    let page = headers.get(ORIGIN).filter(|origin| *origin != "null");
    let page = page.or_else(|| headers.get(REFERER));
    page.is_some_and(is_in_the_clear) && !came_encrypted(headers)
}

/// Whether a proxy says that the request came over HTTPS: then the page is of another site.
fn came_encrypted(headers: &HeaderMap) -> bool {
    let says = |name: &str, what: &str| {
        headers.get_all(name).iter().any(|value| {
            let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
            text.split([',', ';']).any(|part| part.trim().replace('"', "") == what)
        })
    };
    says("x-forwarded-proto", "https") || says("forwarded", "proto=https")
}

fn is_in_the_clear(page: &HeaderValue) -> bool {
    let Ok(page) = Uri::try_from(page.as_bytes()) else {
        return false;
    };
    page.scheme_str() == Some("http") && page.host().is_some_and(|host| !is_localhost(host))
}

/// Hosts on which browsers trust plain HTTP like HTTPS.
fn is_localhost(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return true;
    }
    match name.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        Ok(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn drops(given: &[(&'static str, &'static str)]) -> bool {
        let header =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        drops_secure_cookies(&given.iter().map(header).collect())
    }

    #[test]
    fn trap_51_it_is_the_browser_that_says_where_it_is() {
        for page in [
            "http://app.lan",
            "http://app.lan:8080",
            "http://192.168.0.7:3000",
            "http://[fd00::7]",
            "http://example.com",
            "http://localhost.example.com",
            "http://notlocalhost",
            "http://128.0.0.1",
        ] {
            assert!(drops(&[("origin", page)]), "{page}");
            assert!(drops(&[("referer", page)]), "{page}");
            assert!(drops(&[("origin", "null"), ("referer", page)]), "{page}");
            assert!(drops(&[("x-forwarded-proto", "http"), ("origin", page)]), "{page}");
            for encrypted in [
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-mode", "navigate"),
                ("x-forwarded-proto", "HTTPS"),
                ("x-forwarded-proto", "http, https"),
                ("forwarded", "for=192.0.2.1;proto=\"https\";by=x"),
            ] {
                assert!(!drops(&[("origin", page), encrypted]), "{page}, {encrypted:?}");
            }
        }
        assert!(drops(&[("referer", "http://app.lan/login?a=b")]));
    }

    #[test]
    fn trap_51_over_https_and_on_localhost_it_keeps_the_cookie() {
        for page in [
            "https://app.lan",
            "https://example.com/login",
            "http://localhost",
            "http://LocalHost:3000/login",
            "http://localhost.:3000",
            "http://app.localhost:3000",
            "http://127.0.0.1:3000",
            "http://127.8.8.8",
            "http://[::1]:3000/login",
            "null",
            "",
            "app.lan",
            "/login",
            "file:///login",
            "http://",
        ] {
            assert!(!drops(&[("origin", page)]), "{page}");
            assert!(!drops(&[("referer", page)]), "{page}");
        }
        assert!(!drops(&[("origin", "https://app.lan"), ("referer", "http://app.lan/")]));
        assert!(!drops(&[("host", "app.lan"), ("accept", "text/html")]));
    }
}
