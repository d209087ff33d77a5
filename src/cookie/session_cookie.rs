//! The session cookie: how it is found in a request, set and deleted.

use std::io::BufRead as _;
use std::iter;

use http::HeaderMap;
use http::header::{COOKIE, SET_COOKIE};
use time::Duration;

use super::set_cookie::SetCookie;
use crate::limits::COOKIE_LIFE;
use crate::token::Presented;

/// The cookie that carries a session's token, with settings that browsers accept.
#[derive(Clone, Debug)]
pub(crate) struct SessionCookie {
    name: String,
    /// As they follow the value: `; HttpOnly; …`.
    attributes: String,
}

impl SessionCookie {
    /// A cookie whose name and attributes browsers accept. The attributes follow the value as they
    /// are.
    pub(super) fn new(name: String, attributes: String) -> Self {
        Self { name, attributes }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether browsers drop it where they do not trust the connection.
    pub(crate) fn is_secure(&self) -> bool {
        self.attributes.split("; ").any(|attribute| attribute == "Secure")
    }

    /// Looks for the cookie in the bytes of all `Cookie` headers.
    ///
    /// Names are compared as they are: whoever decodes `__%48ost-` reads a cookie that browsers let
    /// anybody set. (Trap 19)
    pub(crate) fn read<'h>(&self, headers: &'h HeaderMap) -> Presented<'h> {
        let name = self.name().as_bytes();
        let mut found = Presented::Nothing;
        for header in headers.get_all(COOKIE) {
            for pair in pairs(header.as_bytes()) {
                let Some(rest) = pair.trim_ascii().strip_prefix(name) else {
                    continue;
                };
                let Some(value) = rest.strip_prefix(b"=") else {
                    continue;
                };
                found = found.and(value);
            }
        }
        found
    }

    /// Sets the cookie, for at most 400 days as browsers do; without `max_age` it goes when the
    /// browser is closed.
    pub(crate) fn render(&self, value: &str, max_age: Option<Duration>) -> SetCookie {
        let Self { name, attributes } = self;
        let mut text = format!("{name}={value}{attributes}");
        if let Some(age) = max_age {
            let seconds = age.clamp(Duration::ZERO, COOKIE_LIFE).whole_seconds();
            text.push_str(&format!("; Max-Age={seconds}"));
        }
        SetCookie::new(&text)
    }

    /// Deletes the cookie. The attributes are those it was set with, or browsers would keep it.
    /// (Trap 21)
    pub(crate) fn clear(&self) -> SetCookie {
        let Self { name, attributes } = self;
        let epoch = "Thu, 01 Jan 1970 00:00:00 GMT";
        SetCookie::new(&format!("{name}={attributes}; Max-Age=0; Expires={epoch}"))
    }

    /// Whether these headers of a response set or delete a cookie of this name already.
    pub(crate) fn is_set_by(&self, headers: &HeaderMap) -> bool {
        headers.get_all(SET_COOKIE).iter().any(|header| {
            let mut parts = header.as_bytes().splitn(2, |byte| matches!(byte, b'=' | b';'));
            parts.next().is_some_and(|name| name.trim_ascii() == self.name().as_bytes())
        })
    }
}

/// What stands between the semicolons.
fn pairs(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        let from_here = rest;
        // The standard library's way to its `memchr`: a third of the time of `split`.
        let len = rest.skip_until(b';').expect("reading a slice does not fail");
        let pair = &from_here[..len];
        (len != 0).then(|| pair.strip_suffix(b";").unwrap_or(pair))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::cookie::{CookieSettings, SameSite};

    fn default() -> SessionCookie {
        CookieSettings::default().build().unwrap()
    }

    fn cookies(headers: &[&[u8]]) -> HeaderMap {
        let value = |bytes: &&[u8]| (COOKIE, HeaderValue::from_bytes(bytes).unwrap());
        headers.iter().map(value).collect()
    }

    fn text(cookie: &SetCookie) -> &str {
        cookie.header_value().unwrap().to_str().unwrap()
    }

    #[test]
    fn by_default_it_is_as_strict_as_browsers_know() {
        assert_eq!(
            text(&default().render("v", Some(Duration::days(35)))),
            "__Host-Http-session=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3024000"
        );
        assert_eq!(
            text(&default().render("v", None)),
            "__Host-Http-session=v; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
    }

    #[test]
    fn max_age_is_whole_seconds_between_zero_and_400_days() {
        for (age, seconds) in [
            (Duration::milliseconds(1999), 1),
            (Duration::ZERO, 0),
            (Duration::days(-1), 0),
            (Duration::MIN, 0),
            (Duration::days(400), 34_560_000),
            (Duration::days(401), 34_560_000),
            (Duration::MAX, 34_560_000),
        ] {
            let cookie = default().render("v", Some(age));
            assert!(text(&cookie).ends_with(&format!("; Max-Age={seconds}")), "{}", text(&cookie));
        }
    }

    #[test]
    fn trap_21_a_deletion_has_the_attributes_it_was_set_with() {
        let gone = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        for settings in [
            CookieSettings::default(),
            CookieSettings { insecure: true, ..Default::default() },
            CookieSettings {
                domain: Some("example.com".to_owned()),
                path: Some("/app".to_owned()),
                same_site: SameSite::Strict,
                ..Default::default()
            },
        ] {
            let cookie = settings.build().unwrap();
            let set = text(&cookie.render("", None)).to_owned();
            assert_eq!(text(&cookie.clear()), format!("{set}{gone}"));
        }
        let clear = default().clear();
        assert!(text(&clear).contains("; Secure; Path=/;"), "{}", text(&clear));
    }

    #[test]
    fn reads_the_value_as_it_came() {
        for (header, value) in [
            (&b"__Host-Http-session=v"[..], Some(&b"v"[..])),
            (b"a=b; __Host-Http-session=v; c=d", Some(b"v")),
            (b"a=b;\t __Host-Http-session=v\t ;c=d", Some(b"v")),
            (b";;__Host-Http-session=v;", Some(b"v")),
            (b"__Host-Http-session=a=b", Some(b"a=b")),
            (b"__Host-Http-session=\"v\"", Some(b"\"v\"")),
            (b"__Host-Http-session=%76", Some(b"%76")),
            (b"__Host-Http-session=", Some(b"")),
            (b"__Host-Http-session", None),
            (b"__Host-Http-sessions=v", None),
            (b"__Host-Http-session =v", None),
            (b"x__Host-Http-session=v", None),
            (b"__host-http-session=v", None),
            (b"=__Host-Http-session=v", None),
            (b"a=__Host-Http-session=v", None),
            (b"a=b,__Host-Http-session=v", None),
            (b"", None),
        ] {
            let headers = cookies(&[header]);
            let presented = value.map_or(Presented::Nothing, Presented::One);
            assert!(default().read(&headers) == presented, "{}", header.escape_ascii());
        }
        assert!(default().read(&HeaderMap::new()) == Presented::Nothing);
    }

    #[test]
    fn trap_19_a_percent_encoded_name_is_another_name() {
        let evil = cookies(&[b"__%48ost-Http-session=evil"]);
        assert_eq!(default().read(&evil), Presented::Nothing);
        let both = cookies(&[b"__Host-Http-session=v; __%48ost-Http-session=evil"]);
        assert!(default().read(&both) == Presented::One(b"v"));
    }

    #[test]
    fn trap_20_a_neighbour_of_other_bytes_hides_nothing() {
        let headers = cookies(&[b"name=J\xf6rg\xff; __Host-Http-session=v; \x80=\xe2\x82\xac"]);
        assert!(default().read(&headers) == Presented::One(b"v"));
    }

    #[test]
    fn r37_five_thousand_neighbours_hide_nothing() {
        let neighbours = b"neighbour=__Host-Http-session; ".repeat(2500);
        let all = [&neighbours[..], b"__Host-Http-session=v; ", &neighbours[..]].concat();
        assert!(default().read(&cookies(&[&all])) == Presented::One(b"v"));
        assert!(default().read(&cookies(&[&neighbours])) == Presented::Nothing);
    }

    #[test]
    fn trap_25_r35_two_different_values_count_as_neither() {
        let ours: &[u8] = b"__Host-Http-session=v";
        let planted: &[u8] = b"__Host-Http-session=w";
        let empty: &[u8] = b"__Host-Http-session=";
        let joined = |one: &[u8], other: &[u8]| [one, b"; a=b; ", other].concat();
        for (one, other) in [(ours, planted), (planted, ours), (ours, empty), (empty, ours)] {
            let headers = cookies(&[&joined(one, other)]);
            assert_eq!(default().read(&headers), Presented::Conflicting);
            assert_eq!(default().read(&cookies(&[one, b"a=b", other])), Presented::Conflicting);
        }
        for same in [cookies(&[&joined(ours, ours)]), cookies(&[ours, ours, ours])] {
            assert!(default().read(&same) == Presented::One(b"v"));
        }
    }

    #[test]
    fn sees_whether_a_response_sets_it_already() {
        let is_set = |header: &[u8]| {
            let header = (SET_COOKIE, HeaderValue::from_bytes(header).unwrap());
            let other = (SET_COOKIE, HeaderValue::from_static("theme=dark"));
            default().is_set_by(&[other, header].into_iter().collect())
        };
        assert!(is_set(b"__Host-Http-session=v; Path=/"));
        assert!(is_set(b" __Host-Http-session = \xff"));
        assert!(is_set(b"__Host-Http-session=; Max-Age=0"));
        assert!(!is_set(b"__Host-Http-sessions=v"));
        assert!(!is_set(b"a=__Host-Http-session=v"));
        assert!(!is_set(b"a; __Host-Http-session=v"));
        assert!(!default().is_set_by(&HeaderMap::new()));
        assert!(!default().is_set_by(&cookies(&[b"__Host-Http-session=v"])));
    }

    #[test]
    fn r36_what_was_presented_does_not_print() {
        assert_eq!(format!("{:?}", Presented::One(b"v")), "One(..)");
    }
}
