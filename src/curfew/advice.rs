//! Advice on the app's setup, written to the log once for each handle.

use super::handle::Curfew;

impl Curfew {
    /// Warns that the browser will drop the cookie. The user who has just signed in would be asked
    /// to sign in again, and would not learn why. (Trap 51)
    pub(crate) fn advise_on_dropped_cookie(&self) {
        if self.inner.cookie.is_secure() && self.inner.told_of_dropped_cookie.is_first() {
            tracing::warn!(
                "somebody signed in over plain http on a name that is not localhost, where browsers \
                 drop a cookie that is `Secure`: serve the app over https, or call `insecure_cookie()` \
                 in a lab"
            );
        }
    }

    /// Warns that asking how long a session lasts extends it. (R13)
    #[cfg(feature = "axum")]
    pub(crate) fn advise_on_passive_route(&self) {
        if self.inner.told_of_passive_route.is_first() {
            tracing::warn!(
                "a page that asks for the time its session has left keeps the session alive: name the \
                 path of `GET /session` to `curfew.layer().passive([…])`, such as \"/account/session\""
            );
        }
    }
}
