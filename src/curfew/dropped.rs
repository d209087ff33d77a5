//! A cookie that the browser does not keep.

use std::sync::atomic::{AtomicBool, Ordering};

use super::handle::Curfew;

/// Whether a handle has told of it. Once is enough: it is a mistake of the setup, not of a request.
#[derive(Debug, Default)]
pub(super) struct ToldOfDroppedCookie(AtomicBool);

impl Curfew {
    /// Says in the log, once, that a browser is about to drop the cookie. The person who has just signed
    /// in would be asked to sign in again, and nothing else would say why. (Trap 51)
    pub(crate) fn tell_of_dropped_cookie(&self) {
        if self.inner.cookie.is_secure() && !self.inner.told.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "somebody signed in over plain http on a name that is not localhost, where browsers \
                 drop a cookie that is `Secure`: serve the app over https, or call `insecure_cookie()` \
                 in a lab"
            );
        }
    }
}
