//! What the layer costs a request: bare axum, a layer that does nothing, and ours over the memory
//! store, with one session, no refresh due, and a handler that reads the user.
//!
//! `cargo bench --manifest-path benches/Cargo.toml` prints heap allocations per request, then
//! nanoseconds. The machine is noisy: compare within one run.

use std::convert::Infallible;
use std::hint::black_box;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::routing::get;
use criterion::{BatchSize, Criterion};
use tokio::runtime::Builder;
use tower::{Layer, Service, ServiceExt};
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, Session};

/// A layer that does nothing: the floor for any layer.
#[derive(Clone)]
struct NoOp<S>(S);

impl<S: Service<R>, R> Service<R> for NoOp<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

#[derive(Clone)]
struct NoOpLayer;

impl<S> Layer<S> for NoOpLayer {
    type Service = NoOp<S>;

    fn layer(&self, inner: S) -> NoOp<S> {
        NoOp(inner)
    }
}

/// An app, and the request that is measured on it.
struct Case {
    name: &'static str,
    app: Router,
    cookie: Option<HeaderValue>,
}

async fn cases() -> Vec<Case> {
    let hello = async || format!("hello {}", black_box("ada"));
    let anonymous = || Router::new().route("/", get(hello));
    let keyring = Keyring::from_bytes([7; 32]).expect("32 bytes");
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build().expect("defaults");
    let new = |user| NewSession::for_user(user);
    let client = ClientInfo::for_tests();
    let alone = curfew.start(new("ada"), &client).await.expect("memory");
    let member = curfew.start(new("grace").orgs(["acme"]), &client).await.expect("memory");
    let signed_in = || {
        Router::new()
            .route("/", get(async |session: Session| format!("hello {}", session.user())))
            .layer(curfew.layer())
    };
    vec![
        Case { name: "bare axum", app: anonymous(), cookie: None },
        Case { name: "a layer that does nothing", app: anonymous().layer(NoOpLayer), cookie: None },
        Case { name: "curfew", app: signed_in(), cookie: Some(alone.request_header()) },
        Case {
            name: "curfew, in an organization",
            app: signed_in(),
            cookie: Some(member.request_header()),
        },
    ]
}

impl Case {
    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("Mozilla/5.0 (X11; Linux)"));
        if let Some(cookie) = &self.cookie {
            headers.insert(header::COOKIE, cookie.clone());
        }
        request
    }
}

fn main() {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let cases = runtime.block_on(cases());
    let mut criterion = Criterion::default().configure_from_args();
    for case in &cases {
        let mut app = case.app.clone().into_service();
        // As a server does: one service, called again and again.
        let mut serve = |request: Request<Body>| {
            let answer = async { app.ready().await?.call(request).await };
            runtime.block_on(answer).unwrap_or_else(|never: Infallible| match never {})
        };
        let response = serve(case.request());
        assert_eq!(response.status(), StatusCode::OK, "{}", case.name);
        assert!(!response.headers().contains_key(header::SET_COOKIE), "{}", case.name);

        let request = case.request();
        let counted = allocation_counter::measure(|| drop(black_box(serve(request))));
        println!("{}: {} heap allocations per request", case.name, counted.count_total);

        criterion.bench_function(case.name, |bencher| {
            bencher.iter_batched(|| case.request(), &mut serve, BatchSize::SmallInput);
        });
    }
    criterion.final_summary();
}
