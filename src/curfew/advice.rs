//! Advice on how the app is set up, given in the log, once a handle.

use std::sync::atomic::{AtomicBool, Ordering};

use super::handle::Curfew;

/// Which advice was given. Once is enough: it is about the setup, not about a request.
#[derive(Debug, Default)]
pub(super) struct AdviceGiven {
    on_dropped_cookie: AtomicBool,
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "for routes"))]
    on_passive_route: AtomicBool,
}

impl Curfew {
    /// Says that a browser is about to drop the cookie. The person who has just signed in would be asked
    /// to sign in again, and nothing else would say why. (Trap 51)
    pub(crate) fn advise_on_dropped_cookie(&self) {
        let given = &self.inner.advice_given.on_dropped_cookie;
        if self.inner.cookie.is_secure() && !given.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "somebody signed in over plain http on a name that is not localhost, where browsers \
                 drop a cookie that is `Secure`: serve the app over https, or call `insecure_cookie()` \
                 in a lab"
            );
        }
    }

    /// Says that to ask how long a session lasts makes it last. (R13)
    #[cfg(feature = "axum")]
    pub(crate) fn advise_on_passive_route(&self) {
        if !self.inner.advice_given.on_passive_route.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a page that asks for the time its session has left keeps the session alive: name the \
                 path of `GET /session` to `curfew.layer().passive([…])`, such as \"/account/session\""
            );
        }
    }
}
