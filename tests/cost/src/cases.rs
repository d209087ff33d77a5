//! What is counted: an app with one route, with nothing in front of it, with a layer that does nothing,
//! and with ours.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::routing::{RouterIntoService, get};
use time::Duration;
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt as _};
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, OrgPolicy, Session};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Bare,
    Nothing,
    Plain,
    /// Its device and address are known, and it is in an organization.
    Known,
    /// The same, and that organization has a policy.
    UnderPolicy,
}

impl Case {
    const ALL: [Self; 5] = [Self::Bare, Self::Nothing, Self::Plain, Self::Known, Self::UnderPolicy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Nothing => "nothing",
            Self::Plain => "plain",
            Self::Known => "known",
            Self::UnderPolicy => "policy",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }

    pub(crate) fn served(self) -> Served {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let hello = get(async || "hello ada".to_owned());
        let (app, cookie) = match self {
            Self::Bare => (Router::new().route("/", hello), None),
            Self::Nothing => (Router::new().route("/", hello).layer(NothingLayer), None),
            Self::Plain | Self::Known | Self::UnderPolicy => {
                let (app, cookie) = runtime.block_on(self.ours());
                (app, Some(cookie))
            }
        };
        Served { runtime, app: app.into_service(), cookie }
    }

    async fn ours(self) -> (Router, HeaderValue) {
        let keyring = Keyring::from_bytes([7; 32]).expect("32 bytes");
        let curfew = Curfew::builder(MemoryStore::new(), keyring).build().expect("defaults");
        if self == Self::UnderPolicy {
            let policy = OrgPolicy::absolute(Duration::days(7));
            curfew.operator("tests").set_policy("acme", policy).await.expect("memory");
        }
        let new = NewSession::for_user("ada");
        let app = Router::new()
            .route("/", get(async |session: Session| format!("hello {}", session.user())))
            .layer(curfew.layer());
        if self == Self::Plain {
            let cookie = curfew.start(new, &ClientInfo::for_tests()).await.expect("memory");
            return (app, cookie.request_header());
        }
        let sign_in = async |client: ClientInfo, curfew: Curfew| {
            curfew.start(NewSession::for_user("ada").orgs(["acme"]), &client).await
        };
        let sign_in = Router::new().route("/", get(sign_in)).layer(curfew.layer());
        let mut request = Request::new(Body::empty());
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(firefox));
        let peer = ConnectInfo(SocketAddr::from(([198, 51, 100, 7], 4711)));
        request.extensions_mut().insert(peer);
        let Ok(signed_in) = sign_in.oneshot(request).await;
        let cookie = signed_in.headers()[header::SET_COOKIE].to_str().expect("text");
        let pair = cookie.split(';').next().expect("a pair");
        (app, pair.parse().expect("a header"))
    }
}

/// An app as a server has it: one service, called again and again.
pub(crate) struct Served {
    runtime: Runtime,
    app: RouterIntoService<Body>,
    cookie: Option<HeaderValue>,
}

impl Served {
    pub(crate) fn once(&mut self) {
        let request = self.request();
        self.answer(request);
    }

    pub(crate) fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("Mozilla/5.0 (X11; Linux)"));
        if let Some(cookie) = &self.cookie {
            headers.insert(header::COOKIE, cookie.clone());
        }
        request
    }

    pub(crate) fn answer(&mut self, request: Request<Body>) -> Response<Body> {
        let answer = async { self.app.ready().await?.call(request).await };
        let response = self.runtime.block_on(answer);
        let response = response.unwrap_or_else(|never: Infallible| match never {});
        assert_eq!(response.status(), StatusCode::OK, "nobody is signed in");
        assert!(!response.headers().contains_key(header::SET_COOKIE), "no cookie is due");
        response
    }
}

#[derive(Clone)]
struct NothingLayer;

impl<S> Layer<S> for NothingLayer {
    type Service = Nothing<S>;

    fn layer(&self, inner: S) -> Nothing<S> {
        Nothing(inner)
    }
}

/// The floor for any layer.
#[derive(Clone)]
struct Nothing<S>(S);

impl<S: Service<R>, R> Service<R> for Nothing<S> {
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
