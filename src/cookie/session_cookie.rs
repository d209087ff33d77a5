//! Setting and deleting the session cookie.

use http::HeaderMap;
use http::header::SET_COOKIE;
use time::Duration;

use super::set_cookie::SetCookie;
use crate::limits::COOKIE_LIFE;

/// The cookie that carries a session's token, with settings that browsers accept.
#[derive(Clone, Debug)]
pub(crate) struct SessionCookie {
    name: String,
    /// The attributes as they follow the value: `; HttpOnly; …`.
    attributes: String,
}

impl SessionCookie {
    /// A cookie whose name and attributes are valid. The attributes follow the value as they are.
    pub(super) fn new(name: String, attributes: String) -> Self {
        Self { name, attributes }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether browsers drop it on a connection that they do not trust.
    pub(crate) fn is_secure(&self) -> bool {
        self.attributes.split("; ").any(|attribute| attribute == "Secure")
    }

    /// Sets the cookie, for at most 400 days as browsers do; without `max_age` until the browser
    /// closes.
    pub(crate) fn render(&self, value: &str, max_age: Option<Duration>) -> SetCookie {
        let Self { name, attributes } = self;
        let mut text = format!("{name}={value}{attributes}");
        if let Some(age) = max_age {
            let seconds = age.clamp(Duration::ZERO, COOKIE_LIFE).whole_seconds();
            text.push_str(&format!("; Max-Age={seconds}"));
        }
        SetCookie::new(&text)
    }

    /// Deletes the cookie, with the attributes that it was set with: otherwise browsers would keep
    /// it. (Trap 21)
    pub(crate) fn clear(&self) -> SetCookie {
        let Self { name, attributes } = self;
        let epoch = "Thu, 01 Jan 1970 00:00:00 GMT";
        SetCookie::new(&format!("{name}={attributes}; Max-Age=0; Expires={epoch}"))
    }

    /// Whether these response headers already set or delete a cookie of this name.
    pub(crate) fn is_set_by(&self, headers: &HeaderMap) -> bool {
        headers.get_all(SET_COOKIE).iter().any(|header| {
            let mut parts = header.as_bytes().split(|byte| matches!(byte, b'=' | b';'));
            parts.next().unwrap_or_default().trim_ascii() == self.name().as_bytes()
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::COOKIE;

    use super::*;
    use crate::cookie::{CookieSettings, SameSite};

    fn default() -> SessionCookie {
        CookieSettings::default().build().unwrap()
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
        let sent = [(COOKIE, HeaderValue::from_static("__Host-Http-session=v"))];
        assert!(!default().is_set_by(&sent.into_iter().collect()));
    }
}
