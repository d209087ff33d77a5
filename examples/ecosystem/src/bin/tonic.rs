//! A gRPC service for programs that present a bearer token. A program without one gets the status
//! that gRPC has for that: `UNAUTHENTICATED`.
//!
//! ```text
//! cargo run --manifest-path examples/ecosystem/Cargo.toml --bin tonic
//! ```
//!
//! It prints a token. Any gRPC client can talk to it, or curl, where the request is five zero bytes
//! (no compression, a message of length 0):
//!
//! ```text
//! $ call() { printf '\0\0\0\0\0' | curl -sD- -o answer --http2-prior-knowledge --data-binary @- \
//!     -H 'Content-Type: application/grpc' "$@"; }
//! $ call localhost:3000/account.v1.Account/WhoAmI | grep grpc-
//! grpc-status: 16
//! grpc-message: anonymous
//! $ token='Authorization: Bearer curfew_…' # the one that it has printed
//! $ call -H "$token" localhost:3000/account.v1.Account/WhoAmI | grep grpc-; strings answer
//! grpc-status: 0
//! ada
//! $ call -H "$token" localhost:3000/account.v1.Account/SignOut | grep grpc-
//! grpc-status: 0
//! $ call -H "$token" localhost:3000/account.v1.Account/WhoAmI | grep grpc-
//! grpc-status: 16
//! grpc-message: revoked
//! ```

use std::time::SystemTime;

use axum::Router;
use axum::extract::Request;
use axum::middleware::map_request;
use bytes::Bytes;
use tonic::service::Routes;
use tonic::{Response, Status};
use tower_curfew::clock::Timestamp;
use tower_curfew::reject::{Rejection, RejectionCause};
use tower_curfew::store::MemoryStore;
use tower_curfew::{Curfew, Error, ErrorKind, Keyring, NewSession, Session};

use proto::account_server::{self, AccountServer};
use proto::{SignOutRequest, SignOutResponse, WhoAmIRequest, WhoAmIResponse};

mod proto {
    #![allow(unreachable_pub, clippy::semicolon_if_nothing_returned, reason = "it is generated")]
    tonic::include_proto!("account.v1");
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "shows the token")]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).reject_with(reject).build()?;
    // In a real app users issue tokens themselves, on a page of the app or by `account_routes`.
    let issued = curfew.operator("setup").issue_token(NewSession::for_user("ada")).await?;
    println!("Authorization: Bearer {}", issued.token());
    ecosystem::serve(app(&curfew)).await
}

fn app(curfew: &Curfew) -> Router {
    let account = AccountServer::new(Account { curfew: curfew.clone() });
    Routes::new(account)
        .into_axum_router()
        .layer(map_request(hand_over))
        .layer(curfew.layer().required())
}

/// The handlers get a request of tonic, which keeps only the extensions of this one.
async fn hand_over(session: Session, mut request: Request) -> Request {
    request.extensions_mut().insert(session);
    request
}

/// Clients of gRPC read `grpc-status`, and take the status of HTTP only where that is missing.
fn reject(rejection: &Rejection<'_>) -> axum::http::Response<Bytes> {
    let status = match rejection.cause() {
        RejectionCause::Ended(ended) => Status::unauthenticated(ended.reason.as_str()),
        RejectionCause::Unavailable => Status::unavailable("sessions cannot be checked just now"),
        _ => Status::unauthenticated("anonymous"),
    };
    status.into_http()
}

struct Account {
    curfew: Curfew,
}

#[tonic::async_trait]
impl account_server::Account for Account {
    async fn who_am_i(
        &self,
        request: tonic::Request<WhoAmIRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        let session = session(&request)?;
        let ends_at = session.ends_at().and_then(Timestamp::to_utc);
        Ok(Response::new(WhoAmIResponse {
            user: session.user().to_owned(),
            ends_at: ends_at.map(|at| SystemTime::from(at).into()),
        }))
    }

    async fn sign_out(
        &self,
        request: tonic::Request<SignOutRequest>,
    ) -> Result<Response<SignOutResponse>, Status> {
        // Behind a token there is no browser, and so no cookie to clear.
        let _cookie = self.curfew.end(session(&request)?).await.map_err(|error| status(&error))?;
        Ok(Response::new(SignOutResponse {}))
    }
}

/// The session that the layer has found.
fn session<T>(request: &tonic::Request<T>) -> Result<&Session, Status> {
    let session = request.extensions().get::<Session>();
    session.ok_or_else(|| Status::internal("the service is not behind the layer"))
}

/// What an error of tower-curfew is called in gRPC.
fn status(error: &Error) -> Status {
    let message = error.to_string();
    match error.kind() {
        ErrorKind::SignInRequired => Status::unauthenticated(message),
        ErrorKind::Unavailable => Status::unavailable(message),
        ErrorKind::TooManySessions | ErrorKind::TooManyPolicies => {
            Status::resource_exhausted(message)
        }
        _ => Status::invalid_argument(message),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::header::CONTENT_TYPE;
    use ecosystem::testing::{self, FailingStore};
    use time::Duration;
    use tonic::Code;
    use tonic::metadata::MetadataValue;
    use tower_curfew::clock::ManualClock;

    use super::proto::account_client::AccountClient;
    use super::*;

    fn handle(clock: &ManualClock) -> Curfew {
        testing::handle(clock).reject_with(reject).build().unwrap()
    }

    async fn token(curfew: &Curfew) -> String {
        let issued = curfew.operator("a test").issue_token(NewSession::for_user("ada")).await;
        issued.unwrap().token().to_owned()
    }

    /// Asks as a program does that presents this token.
    async fn who_am_i(app: &Router, token: Option<&str>) -> Result<WhoAmIResponse, Status> {
        let request = request(WhoAmIRequest {}, token);
        AccountClient::new(app.clone()).who_am_i(request).await.map(Response::into_inner)
    }

    fn request<T>(message: T, token: Option<&str>) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(token) = token {
            let bearer = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        request
    }

    fn unauthenticated(answer: Result<WhoAmIResponse, Status>) -> String {
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        status.message().to_owned()
    }

    #[tokio::test]
    async fn a_token_signs_in_until_it_signs_out() {
        let curfew = handle(&ManualClock::default());
        let app = app(&curfew);
        let token = token(&curfew).await;

        let answer = who_am_i(&app, Some(&token)).await.unwrap();
        assert_eq!(answer.user, "ada");
        assert_eq!(answer.ends_at.unwrap().to_string(), "2026-01-29T00:00:00Z");

        let sign_out = request(SignOutRequest {}, Some(&token));
        AccountClient::new(app.clone()).sign_out(sign_out).await.unwrap();
        assert_eq!(unauthenticated(who_am_i(&app, Some(&token)).await), "revoked");
    }

    #[tokio::test]
    async fn without_a_session_the_status_is_unauthenticated_and_says_why() {
        let clock = ManualClock::default();
        let curfew = handle(&clock);
        let app = app(&curfew);
        assert_eq!(unauthenticated(who_am_i(&app, None).await), "anonymous");
        assert_eq!(unauthenticated(who_am_i(&app, Some("curfew_made_up")).await), "anonymous");

        let token = token(&curfew).await;
        clock.advance(Duration::days(28) + Duration::MILLISECOND);
        assert_eq!(unauthenticated(who_am_i(&app, Some(&token)).await), "idle");
    }

    #[tokio::test]
    async fn a_store_that_fails_signs_nobody_out() {
        let store = FailingStore::default();
        let builder = testing::handle_over(store.clone(), &ManualClock::default());
        let curfew = builder.reject_with(reject).build().unwrap();
        let app = app(&curfew);
        let token = token(&curfew).await;
        store.fail();
        let status = who_am_i(&app, Some(&token)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }

    /// Some clients and proxies take any other status of HTTP for a failure of the connection.
    #[tokio::test]
    async fn the_answer_is_one_of_grpc() {
        let app = app(&handle(&ManualClock::default()));
        let request = Request::post("/account.v1.Account/WhoAmI")
            .header(CONTENT_TYPE, "application/grpc")
            .body(Body::from(&[0; 5][..]))
            .unwrap();
        let response = testing::send(&app, request).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header("content-type"), "application/grpc");
        assert_eq!((header("grpc-status"), header("grpc-message")), ("16", "anonymous"));
    }
}
