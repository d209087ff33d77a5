//! Waiting for the end of a session.

use super::handle::Curfew;
use super::waiting::UntilEnded;
use super::watching;
use crate::session::Session;

impl Curfew {
    /// Waits until this session is over, for work that outlives a request.
    ///
    /// Examples are a WebSocket, a stream of events or a long download. It resolves with the reason
    /// when a limit is reached, when the session is ended or revoked, or when a policy ends it.
    /// Rotation does not resolve it.
    ///
    /// Waiting is not activity, so an open connection does not keep a session alive. Call
    /// [`touch`](Self::touch) when there is activity.
    ///
    /// A node watches its store once for all waiting tasks. With the stores of this crate it learns
    /// of an end at once, or within two seconds if connections to the store break or hang. If a
    /// store does not [report changes](crate::store::Store::watch), the node loads each session
    /// every 30 seconds, and when its end is due. Nothing resolves while the store does not answer.
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
