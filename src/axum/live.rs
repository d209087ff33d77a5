//! Responses that end with the session.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Error;
use axum::body::{Body, BodyDataStream};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::curfew::UntilEnded;

impl UntilEnded {
    /// Cuts the body of a response when the session is over, such as a long download.
    ///
    /// The connection breaks, so that the client does not take a partial body for the whole.
    ///
    /// ```
    /// use axum::response::Response;
    /// use tower_curfew::{Curfew, Session};
    ///
    /// async fn export(session: Session, curfew: Curfew) -> Response {
    ///     curfew.ended(&session).cut(rows_as_csv())
    /// }
    /// # fn rows_as_csv() -> String { String::new() }
    /// # let _: axum::Router = axum::Router::new().route("/export", axum::routing::get(export));
    /// ```
    pub fn cut(self, response: impl IntoResponse) -> Response {
        response.into_response().map(|body| {
            let body = CutBody { body: body.into_data_stream(), until: self };
            Body::from_stream(body)
        })
    }

    /// Makes a stream of server-sent events that ends with the session.
    ///
    /// The last event is `session-ended`, with the reason as its data: `absolute`, `idle` or
    /// `revoked`. A page that receives it should not connect again.
    ///
    /// ```
    /// use axum::response::IntoResponse;
    /// use tower_curfew::{Curfew, Session};
    ///
    /// async fn feed(session: Session, curfew: Curfew) -> impl IntoResponse {
    ///     curfew.ended(&session).sse(prices())
    /// }
    /// # use axum::response::sse::Event;
    /// # fn prices() -> impl futures_util::Stream<Item = Result<Event, std::convert::Infallible>> {
    /// #     futures_util::stream::pending()
    /// # }
    /// # let _: axum::Router = axum::Router::new().route("/feed", axum::routing::get(feed));
    /// ```
    pub fn sse<S, E>(self, events: S) -> Sse<impl Stream<Item = Result<Event, E>>>
    where
        S: Stream<Item = Result<Event, E>> + Send + 'static,
        E: Into<axum::BoxError> + 'static,
    {
        Sse::new(EventsUntil { events, until: Some(self) })
    }
}

struct CutBody {
    body: BodyDataStream,
    until: UntilEnded,
}

impl Stream for CutBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if Pin::new(&mut self.until).poll(context).is_ready() {
            return Poll::Ready(Some(Err(Error::new(SESSION_ENDED))));
        }
        Pin::new(&mut self.body).poll_next(context)
    }
}

pin_project! {
    struct EventsUntil<S> {
        #[pin]
        events: S,
        // `None` once the last event was sent.
        until: Option<UntilEnded>,
    }
}

impl<S, E> Stream for EventsUntil<S>
where
    S: Stream<Item = Result<Event, E>>,
{
    type Item = Result<Event, E>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let Some(until) = this.until else { return Poll::Ready(None) };
        if let Poll::Ready(ended) = Pin::new(until).poll(context) {
            *this.until = None;
            let last = Event::default().event("session-ended").data(ended.reason.as_str());
            return Poll::Ready(Some(Ok(last)));
        }
        Poll::Ready(ready!(this.events.poll_next(context)))
    }
}

const SESSION_ENDED: &str = "the session has ended";
