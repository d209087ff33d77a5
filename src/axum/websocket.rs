//! WebSockets that end with the session.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HOST, HeaderMap, ORIGIN};
use http::request::Parts;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::json::problem;
use crate::curfew::{Curfew, UntilEnded};
use crate::request::bears_our_token;
use crate::session::{Ended, Session};

/// An extractor like axum's [`WebSocketUpgrade`], for a WebSocket that ends with the session.
///
/// A request without a session is rejected as by [`Session`]. A page of another origin is rejected
/// (403), even if it is of the same site: a browser sends the cookie with its WebSocket requests,
/// too. Name other origins that may connect to [`trust_origins`](crate::Builder::trust_origins).
/// Behind a proxy that changes the `Host`, the app's own origin is one of these.
///
/// ```
/// use axum::response::Response;
/// use tower_curfew::{Curfew, LiveWebSocketUpgrade, Session};
///
/// async fn chat(upgrade: LiveWebSocketUpgrade, session: Session, curfew: Curfew) -> Response {
///     upgrade.on_upgrade(async move |mut socket| {
///         while let Some(message) = socket.recv().await {
///             // The user wrote it, so this is activity.
///             if curfew.touch(&session).await.is_err() || socket.send(message).await.is_err() {
///                 return;
///             }
///         }
///     })
/// }
/// # let _: axum::Router = axum::Router::new().route("/chat", axum::routing::any(chat));
/// ```
#[derive(Debug)]
#[must_use = "return what `on_upgrade` makes of it"]
pub struct LiveWebSocketUpgrade {
    upgrade: WebSocketUpgrade,
    until: UntilEnded,
}

impl<S: Send + Sync> FromRequestParts<S> for LiveWebSocketUpgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let curfew = Curfew::from_request_parts(parts, state).await?;
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        if is_of_another_origin(&parts.headers, &curfew) {
            return Err(problem(StatusCode::FORBIDDEN, "another site has sent this request"));
        }
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        let upgrade = upgrade.map_err(IntoResponse::into_response)?;
        Ok(Self { upgrade, until: curfew.ended(&session) })
    }
}

/// Whether a browser sends it for a page of another origin. Other clients send no origin, or use a
/// token.
fn is_of_another_origin(headers: &HeaderMap, curfew: &Curfew) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let of_origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let is_own = host.zip(of_origin).is_some_and(|(host, (_, of))| host.eq_ignore_ascii_case(of));
    !is_own && !curfew.trusts_origin(origin) && !bears_our_token(headers)
}

impl LiveWebSocketUpgrade {
    /// Configures the WebSocket itself, as axum's upgrade does: its protocols and message sizes.
    pub fn configure(self, configure: impl FnOnce(WebSocketUpgrade) -> WebSocketUpgrade) -> Self {
        Self { upgrade: configure(self.upgrade), ..self }
    }

    /// Upgrades the connection, and runs `handle` with the WebSocket.
    ///
    /// When the session is over, the client gets a close frame with the code 1008 and the reason
    /// (`absolute`, `idle` or `revoked`), and `handle` is dropped.
    pub fn on_upgrade<F, Fut>(self, handle: F) -> Response
    where
        F: FnOnce(LiveWebSocket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let Self { upgrade, until } = self;
        upgrade.on_upgrade(async move |socket| {
            let (received, receiver) = mpsc::channel(1);
            let (sender, to_send) = mpsc::channel(1);
            let handled = handle(LiveWebSocket { receiver, sender });
            carry(socket, received, to_send, handled, until).await;
        })
    }
}

/// A WebSocket that ends with the session.
#[derive(Debug)]
pub struct LiveWebSocket {
    receiver: mpsc::Receiver<Message>,
    sender: mpsc::Sender<Message>,
}

impl LiveWebSocket {
    /// Receives the next message of the client; `None` after the connection was closed or broke.
    pub async fn recv(&mut self) -> Option<Message> {
        self.receiver.recv().await
    }

    /// Sends a message, after those that were sent before.
    ///
    /// # Errors
    ///
    /// Fails if the connection is closed.
    pub async fn send(&mut self, message: Message) -> Result<(), axum::Error> {
        self.sender.send(message).await.map_err(|_| axum::Error::new("the connection is closed"))
    }
}

/// Moves messages between the client and its handler, until one of them leaves or the session is
/// over.
async fn carry(
    mut socket: WebSocket,
    received: mpsc::Sender<Message>,
    mut to_send: mpsc::Receiver<Message>,
    handled: impl Future<Output = ()>,
    until: UntilEnded,
) {
    let moving = async {
        let mut handled = pin!(handled);
        let mut is_handled = false;
        loop {
            tokio::select! {
                () = &mut handled, if !is_handled => is_handled = true,
                message = to_send.recv() => match message {
                    Some(message) => if socket.send(message).await.is_err() { return },
                    None => return,
                },
                message = next(&mut socket, &received), if !is_handled => match message {
                    Some((place, message)) => place.send(message),
                    None => return,
                },
            }
        }
    };
    let ended = tokio::select! {
        () = moving => None,
        ended = until => Some(ended),
    };
    if let Some(ended) = ended {
        // A client that does not read is not waited for.
        let _ = timeout(MAX_GOODBYE, socket.send(goodbye(&ended))).await;
    }
}

/// The next message, and a slot for it. It does not read before a slot is free.
async fn next<'r>(
    socket: &mut WebSocket,
    received: &'r mpsc::Sender<Message>,
) -> Option<(mpsc::Permit<'r, Message>, Message)> {
    let place = received.reserve().await.ok()?;
    Some((place, socket.recv().await?.ok()?))
}

fn goodbye(ended: &Ended) -> Message {
    let reason = ended.reason.as_str().into();
    Message::Close(Some(CloseFrame { code: close_code::POLICY, reason }))
}

const MAX_GOODBYE: Duration = Duration::from_secs(1);
