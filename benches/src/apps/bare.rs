//! Without sessions: the floor for each of the others.

use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{Request, header};
use axum::routing::get;
use axum::{Extension, Router};
use tower::{Layer, Service};

use super::USER;

pub fn app() -> Router {
    Router::new()
        .route("/", get(async || black_box(USER).to_owned()))
        .route("/sign-in/{user}", get(async || COOKIE))
}

/// About as long as a cookie that means something.
const COOKIE: [(header::HeaderName, &str); 1] = [(
    header::SET_COOKIE,
    "session=b3BhcXVlIGJ5dGVzIHRoYXQgbmFtZSBub2JvZHkgYW5kIHNpZ24gbm90aGluZyBhdCBhbGwsIGJ1dCBsb25n",
)];

/// Whatever is handed over to a handler costs at least this.
pub fn extended() -> Router {
    let whoami = get(async |Extension(user): Extension<Arc<String>>| user.to_string());
    Router::new()
        .route("/", whoami)
        .route("/sign-in/{user}", get(async || COOKIE))
        .layer(Extension(Arc::new(USER.to_owned())))
}

/// Whatever is a layer costs at least this.
#[derive(Clone)]
pub struct NoOpLayer;

#[derive(Clone)]
pub struct NoOp<S>(S);

impl<S> Layer<S> for NoOpLayer {
    type Service = NoOp<S>;

    fn layer(&self, inner: S) -> NoOp<S> {
        NoOp(inner)
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for NoOp<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.0.call(request)
    }
}
