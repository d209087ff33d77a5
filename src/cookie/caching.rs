//! Cache headers of a response with the session cookie, and of responses in general.

use http::header::{CACHE_CONTROL, EXPIRES, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Keeps all caches from storing a response with the session cookie.
///
/// A header for particular caches takes precedence over `Cache-Control` (RFC 9213), so a header
/// that lets them store the response is removed, and one that forbids it stays. `Expires` is
/// removed too: a cache that does not support `Cache-Control` reads only `Expires`. `Pragma` stays,
/// since it can only forbid. (Trap 44)
pub(crate) fn keep_from_caches(headers: &mut HeaderMap) {
    let loosening = |name: &&HeaderName| {
        is_targeted(name) && !headers.get_all(*name).iter().all(|value| forbids(name, value))
    };
    let loosening = headers.keys().filter(loosening).cloned().collect::<Vec<_>>();
    for name in loosening {
        headers.remove(name);
    }
    headers.remove(EXPIRES);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !varies_by_cookie(headers) {
        headers.append(VARY, HeaderValue::from_static("Cookie"));
    }
}

/// Whether the handler lets shared caches store the response: all of them (RFC 9111), or some (RFC
/// 9213 and the vendor headers before it).
///
/// `Expires` alone does not count: a clock is needed to tell whether it is in the future.
pub(crate) fn is_publicly_cacheable(headers: &HeaderMap) -> bool {
    let of = |name: &HeaderName| allows(name, headers.get_all(name).iter());
    headers.keys().filter(|name| **name == CACHE_CONTROL || is_targeted(name)).any(of)
}

const X_ACCEL_EXPIRES: &str = "x-accel-expires";

/// Whether the header is for particular caches.
fn is_targeted(name: &HeaderName) -> bool {
    // `CDN-Cache-Control`, and such a name for each vendor.
    name.as_str().ends_with("-cache-control")
        || matches!(name.as_str(), "surrogate-control" | "edge-control" | X_ACCEL_EXPIRES)
}

/// Whether the header forbids its caches to store the response.
fn forbids(name: &HeaderName, value: &HeaderValue) -> bool {
    match name.as_str() {
        X_ACCEL_EXPIRES => is_never(&text(value)),
        _ => directives(&text(value)).any(|directive| directive == "no-store"),
    }
}

/// Whether a header with these values lets its caches show the response to other users.
fn allows<'a>(name: &HeaderName, values: impl Iterator<Item = &'a HeaderValue>) -> bool {
    let (mut public, mut private) = (false, false);
    for value in values {
        let text = text(value);
        if name.as_str() == X_ACCEL_EXPIRES {
            public |= !is_never(&text);
            continue;
        }
        for directive in directives(&text) {
            match directive.split_once('=') {
                None => {
                    private |= matches!(directive, "private" | "no-store");
                    public |= matches!(directive, "public" | "immutable");
                }
                // The last one is Akamai's.
                Some((age, seconds))
                    if matches!(age.trim(), "max-age" | "s-maxage" | "cache-maxage") =>
                {
                    public |= !is_zero(seconds);
                }
                Some(_) => {}
            }
        }
    }
    public && !private
}

/// A value that is not text counts as empty.
fn text(value: &HeaderValue) -> String {
    value.to_str().unwrap_or_default().to_ascii_lowercase()
}

/// The directives of a header. A parameter of a directive counts as another directive, as in
/// `Surrogate-Control: max-age=60;varnish`.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';']).map(str::trim)
}

/// Whether `X-Accel-Expires` tells nginx not to store the response.
fn is_never(text: &str) -> bool {
    text.trim() == "off" || is_zero(text)
}

/// Whether a number of seconds, quoted or not, is zero. `false` for an invalid number: some cache
/// may accept it.
fn is_zero(seconds: &str) -> bool {
    let digits = seconds.trim().trim_matches('"');
    !digits.is_empty() && digits.bytes().all(|digit| digit == b'0')
}

fn varies_by_cookie(headers: &HeaderMap) -> bool {
    let mut fields = headers
        .get_all(VARY)
        .iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b','));
    fields.any(|field| {
        matches!(field.trim_ascii(), b"*") || field.trim_ascii().eq_ignore_ascii_case(b"cookie")
    })
}

#[cfg(test)]
mod tests {
    use http::header::PRAGMA;

    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        let header =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        given.iter().map(header).collect()
    }

    fn all(headers: &HeaderMap, name: HeaderName) -> Vec<&str> {
        headers.get_all(name).iter().map(|header| header.to_str().unwrap()).collect()
    }

    #[test]
    fn r12_trap_44_headers_that_let_some_caches_keep_it_go() {
        for name in [
            "cdn-cache-control",
            "cloudflare-cdn-cache-control",
            "vercel-cdn-cache-control",
            "x-litespeed-cache-control",
            "surrogate-control",
            "edge-control",
        ] {
            for value in ["public", "max-age=60", "private, max-age=60", ""] {
                let mut headers = headers(&[(name, value), ("cache-control", "public")]);
                keep_from_caches(&mut headers);
                assert!(!headers.contains_key(name), "{name}: {value}");
                assert_eq!(all(&headers, CACHE_CONTROL), ["no-store"]);
            }
            let mut twice = headers(&[(name, "no-store"), (name, "max-age=60")]);
            keep_from_caches(&mut twice);
            assert!(!twice.contains_key(name), "{name}");
        }
        let mut nginx =
            headers(&[("x-accel-expires", "60"), ("expires", "Fri, 01 Jan 2100 00:00:00 GMT")]);
        keep_from_caches(&mut nginx);
        assert_eq!(nginx, headers(&[("cache-control", "no-store"), ("vary", "Cookie")]));
    }

    #[test]
    fn r12_what_forbids_to_keep_it_stays() {
        let strict = [
            ("cdn-cache-control", "max-age=0, no-store"),
            ("surrogate-control", "no-store"),
            ("x-accel-expires", "0"),
            ("pragma", "no-cache"),
            ("cache-tag", "a"),
        ];
        let mut headers = headers(&strict);
        keep_from_caches(&mut headers);
        for (name, value) in strict {
            assert_eq!(headers[name], value);
        }
        assert!(headers.contains_key(PRAGMA));
    }

    #[test]
    fn vary_names_the_cookie_once() {
        for (before, after) in [
            (&["Accept"][..], &["Accept", "Cookie"][..]),
            (&["Cookie"], &["Cookie"]),
            (&["accept , COOKIE"], &["accept , COOKIE"]),
            (&["Accept", "cookie"], &["Accept", "cookie"]),
            (&["*"], &["*"]),
            (&["Cookies"], &["Cookies", "Cookie"]),
        ] {
            let mut headers: HeaderMap =
                before.iter().map(|value| (VARY, HeaderValue::from_static(value))).collect();
            keep_from_caches(&mut headers);
            assert_eq!(all(&headers, VARY), after);
        }
    }

    #[test]
    fn r12_trap_44_a_response_is_public_if_any_of_its_headers_says_so() {
        for public in [
            &[("cache-control", "public")][..],
            &[("cache-control", "PUBLIC")],
            &[("cache-control", "max-age=60")],
            &[("cache-control", "max-age=\"60\"")],
            &[("cache-control", "no-cache, s-maxage=60")],
            &[("cache-control", "max-age=0, s-maxage=1")],
            &[("cache-control", "max-age=1, s-maxage=0")],
            &[("cache-control", "max-age=")],
            &[("cache-control", "max-age=soon")],
            &[("cache-control", "immutable")],
            &[("cache-control", "private=\"x-user\", max-age=60")],
            &[("cdn-cache-control", "max-age=60")],
            &[("cloudflare-cdn-cache-control", "public")],
            &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")],
            &[("cdn-cache-control", "no-store"), ("cache-control", "public")],
            &[("surrogate-control", "max-age=60")],
            &[("surrogate-control", "content=\"ESI/1.0\", max-age=60+10;varnish")],
            &[("edge-control", "cache-maxage=1h")],
            &[("x-accel-expires", "60")],
            &[("x-accel-expires", "@4102444800")],
            &[("x-accel-expires", "60"), ("x-accel-expires", "0")],
        ] {
            assert!(is_publicly_cacheable(&headers(public)), "{public:?}");
        }
        for not in [
            &[][..],
            &[("cache-control", "private, max-age=60")],
            &[("cache-control", "max-age=60"), ("cache-control", "no-store")],
            &[("cache-control", "max-age=0, s-maxage=00")],
            &[("cache-control", "no-store, no-transform, max-age=60")],
            &[("cache-control", "no-cache")],
            &[("cache-control", "stale-while-revalidate=60")],
            &[("cdn-cache-control", "no-store, max-age=60")],
            &[("surrogate-control", "max-age=0")],
            &[("surrogate-control", "content=\"ESI/1.0\"")],
            &[("x-accel-expires", "0")],
            &[("x-accel-expires", "off")],
            &[("expires", "Fri, 01 Jan 2100 00:00:00 GMT")],
            &[("cache-tag", "public")],
        ] {
            assert!(!is_publicly_cacheable(&headers(not)), "{not:?}");
        }
    }
}
