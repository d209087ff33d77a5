//! The `Set-Cookie` header that sets or deletes the session cookie.

use std::fmt;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use super::caching::keep_from_caches;
use crate::session::SessionId;

/// Sets or deletes the session cookie in the browser. Return it from the handler.
///
/// For the session of a token it does nothing, since there is no browser.
///
/// `Debug` does not show its value, and its header is marked as sensitive.
///
/// With axum it is a part of a response: `(set_cookie, Redirect::to("/"))`. Elsewhere, append it:
///
/// ```
/// # use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, store::MemoryStore};
/// use http::{Response, header};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # let curfew = Curfew::builder(MemoryStore::new(), Keyring::from_bytes([7; 32])?).build()?;
/// # let client = ClientInfo::for_tests();
/// let set_cookie = curfew.start(NewSession::for_user("ada"), &client).await?;
/// let mut response = Response::new("hello ada");
/// set_cookie.append_to(response.headers_mut());
/// assert!(response.headers().contains_key(header::SET_COOKIE));
/// assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "return it from the handler, or the browser never gets it"]
pub struct SetCookie {
    header: Option<HeaderValue>,
    session: Option<SessionId>,
}

impl SetCookie {
    /// `cookie` must be visible ASCII.
    pub(super) fn new(cookie: &str) -> Self {
        let mut header = HeaderValue::try_from(cookie)
            .expect("names, settings and tokens hold visible ASCII only");
        header.set_sensitive(true);
        Self { header: Some(header), session: None }
    }

    /// Sets and deletes nothing.
    pub(crate) fn nothing() -> Self {
        Self { header: None, session: None }
    }

    /// The same cookie, with the id of its session.
    pub(crate) fn of(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Returns the id of the session in the cookie; `None` if the cookie is deleted.
    ///
    /// After [`start`](crate::Curfew::start), it is the id of the new session.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Returns the value of the `Set-Cookie` header; `None` for the session of a token.
    ///
    /// If you send it yourself, set `Cache-Control` too; [`SetCookie::append_to`] does so.
    pub fn header_value(&self) -> Option<&HeaderValue> {
        self.header.as_ref()
    }

    /// Adds the `Set-Cookie` header to a response, and keeps caches from storing it.
    ///
    /// `Cache-Control` becomes `no-store`, and `Vary` names `Cookie`. Headers that let some caches
    /// store the response nevertheless are removed, such as `CDN-Cache-Control`,
    /// `Surrogate-Control`, `X-Accel-Expires` and `Expires`. Behind the layer, headers that the
    /// handler adds later do not change this.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        let Some(set_cookie) = &self.header else {
            return;
        };
        headers.append(SET_COOKIE, set_cookie.clone());
        keep_from_caches(headers);
    }

    /// Returns the value of the `Cookie` header that a browser would send back, for tests of your
    /// app.
    pub fn request_header(&self) -> HeaderValue {
        let set_cookie = self.header.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
        let pair = set_cookie.split(|byte| *byte == b';').next().unwrap_or_default();
        let mut header =
            HeaderValue::from_bytes(pair).expect("a part of a header value is a header value");
        header.set_sensitive(true);
        header
    }
}

impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetCookie(..)")
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CACHE_CONTROL, VARY};

    use super::*;

    fn set_cookie() -> SetCookie {
        SetCookie::new("session=v4lue; Path=/")
    }

    fn all(headers: &HeaderMap, name: http::HeaderName) -> Vec<&str> {
        headers.get_all(name).iter().map(|header| header.to_str().unwrap()).collect()
    }

    #[test]
    fn r12_trap_23_a_response_with_it_is_not_cached() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        headers.insert(SET_COOKIE, HeaderValue::from_static("theme=dark"));
        set_cookie().append_to(&mut headers);
        assert_eq!(all(&headers, CACHE_CONTROL), ["no-store"]);
        assert_eq!(all(&headers, SET_COOKIE), ["theme=dark", "session=v4lue; Path=/"]);
        assert_eq!(all(&headers, VARY), ["Cookie"]);
    }

    #[test]
    fn the_request_header_is_what_a_browser_sends_back() {
        assert_eq!(set_cookie().request_header(), "session=v4lue");
    }

    #[test]
    fn r36_it_does_not_print() {
        let cookie = set_cookie();
        assert_eq!(format!("{cookie:?}"), "SetCookie(..)");
        assert_eq!(
            format!("{:?} {:?}", cookie.header_value(), cookie.request_header()),
            "Some(Sensitive) Sensitive"
        );
    }
}
