//! Waiting for the end of a session.

use super::handle::Curfew;
use super::waiting::UntilEnded;
use super::watching;
use crate::session::Session;

impl Curfew {
    /// Waits until this session is over, for what lives longer than a request: a WebSocket, a stream of
    /// events, a long download. Resolves with the reason when a limit strikes, when the session is ended
    /// or revoked, or when a policy ends it; not when it is rotated.
    ///
    /// To wait is no activity, so an open connection does not keep a session alive: say with
    /// [`touch`](Self::touch) that there was some.
    ///
    /// However many wait, a node watches its store once. Over the stores of this crate it learns of an end
    /// at once, and within two seconds if connections to the store break or hang. A store that does not
    /// [tell of changes](crate::store::Store::watch) is asked for each session every 30 seconds, and when
    /// the session's end is due. While the store does not answer nobody is told anything.
    ///
    /// ```
    /// # use tower_curfew::store::MemoryStore;
    /// # use tower_curfew::{Curfew, Keyring, Session};
    /// async fn feed(session: Session, curfew: Curfew) {
    ///     let mut ended = std::pin::pin!(curfew.ended(&session));
    ///     loop {
    ///         tokio::select! {
    ///             ended = &mut ended => return println!("good bye: {}", ended.reason),
    ///             () = next_event() => curfew.touch(&session).await.unwrap_or_default(),
    ///         }
    ///     }
    /// }
    /// # async fn next_event() {}
    /// # let _ = feed;
    /// ```
    pub fn ended(&self, session: &Session) -> UntilEnded {
        let until = self.inner.waiting.add(session.record(), session.schedule().at());
        watching::keep_running(self);
        until
    }
}
