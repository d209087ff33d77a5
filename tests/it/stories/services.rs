//! The layer over services that are no axum router: other bodies, and who is ready when.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_curfew::{ClientInfo, NewSession, Presence};

use crate::support::{Fault, Site, hours};

/// A site without axum: it greets, and signs in whoever asks for `/login`.
async fn answer(
    curfew: tower_curfew::Curfew,
    request: Request<Empty<Bytes>>,
) -> Result<Response<Full<Bytes>>, tower_curfew::Error> {
    let mut response = Response::default();
    let greeting = match Presence::of(&request).unwrap() {
        _ if request.uri().path() == "/login" => {
            let client = ClientInfo::of(&request);
            let cookie = curfew.start(NewSession::for_user("ada"), &client).await?;
            cookie.append_to(response.headers_mut());
            "welcome".to_owned()
        }
        Presence::Live(session) => format!("hello {}", session.user()),
        Presence::Ended(ended) => format!("it is over: {}", ended.reason),
        Presence::Anonymous => "hello stranger".to_owned(),
    };
    *response.body_mut() = Full::from(greeting);
    Ok(response)
}

#[tokio::test]
async fn it_serves_any_body_without_axum() {
    let site = Site::new();
    let curfew = site.curfew.clone();
    let inner = service_fn(move |request| answer(curfew.clone(), request));
    let open = ServiceBuilder::new().layer(site.curfew.layer()).service(inner.clone());
    let closed = site.curfew.layer().required().layer(inner);
    let request = |path: &str, cookie: &str, accept: &str| {
        let request = Request::builder().uri(path).header(COOKIE, cookie).header("accept", accept);
        request.body(Empty::<Bytes>::new()).unwrap()
    };
    async fn body(response: Response<Full<Bytes>>) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    let stranger = open.clone().oneshot(request("/", "", "text/html")).await.unwrap();
    assert_eq!(body(stranger).await, "hello stranger");
    let turned_away = closed.clone().oneshot(request("/a?b", "", "text/html")).await.unwrap();
    assert_eq!(turned_away.status(), 303);
    assert_eq!(turned_away.headers()["location"], "/login?return_to=%2Fa%3Fb");
    let turned_away = closed.clone().oneshot(request("/", "", "*/*")).await.unwrap();
    assert!(body(turned_away).await.starts_with(br#"{"title":"sign in to continue""#));

    let signed_in = closed.clone().oneshot(request("/login", "", "*/*")).await.unwrap();
    let cookie = signed_in.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap();
    for service in [&open, &closed] {
        let hello = service.clone().oneshot(request("/", cookie, "*/*")).await.unwrap();
        assert_eq!(body(hello).await, "hello ada");
    }
    site.pass(hours(1));
    let hello = open.clone().oneshot(request("/", cookie, "*/*")).await.unwrap();
    assert!(hello.headers().contains_key(SET_COOKIE), "it was due");
    // Signing in again ends the session that this browser presents.
    open.clone().oneshot(request("/login", cookie, "*/*")).await.unwrap();
    let over = open.clone().oneshot(request("/", cookie, "*/*")).await.unwrap();
    assert_eq!(body(over).await, "it is over: revoked");
    site.store.break_all(Fault::Fail);
    let unknown = open.oneshot(request("/", cookie, "*/*")).await.unwrap();
    assert_eq!(
        (unknown.status().as_u16(), &unknown.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
}

#[tokio::test]
async fn it_serves_bodies_that_it_is_told_how_to_make() {
    let site = Site::new();
    // `String` is not `From<Bytes>`.
    let make = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let inner =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("let in".to_owned())));
    let closed = site.curfew.layer().required().body_with(make).open(["/open"]).layer(inner);
    let open = Request::builder().uri("/open").body(()).unwrap();
    assert_eq!(closed.clone().oneshot(open).await.unwrap().into_body(), "let in");
    let answer = closed.oneshot(Request::new(())).await.unwrap();
    assert!(answer.body().contains("sign in to continue"), "{answer:?}");
}

/// Panics if it is called without having been polled ready. A clone of it is not ready.
#[derive(Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(self.ready, "it was not polled ready");
        self.ready = false;
        ready(Ok(Response::new(Body::from("called"))))
    }
}

#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_that_is_called() {
    let site = Site::new();
    let ada = site.signed_in("ada", &[]).await;
    let mut service = site.curfew.layer().layer(Strict::default());
    for cookie in [None, ada.cookie.as_deref(), Some("__Host-Http-session=x"), None] {
        for method in ["GET", "OPTIONS"] {
            let mut request =
                Request::builder().method(method).header("origin", "https://a.example");
            request = request.header("access-control-request-method", "PUT");
            if let Some(cookie) = cookie {
                request = request.header(COOKIE, cookie);
            }
            let request = request.body(Body::empty()).unwrap();
            let response = service.ready().await.unwrap().call(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "called");
        }
    }
    // Two calls under way at once, each of which was preceded by its own readiness.
    let request = || Request::builder().header(COOKIE, ada.cookie.as_deref().unwrap());
    let first = service.ready().await.unwrap().call(request().body(Body::empty()).unwrap());
    let second = service.ready().await.unwrap().call(request().body(Body::empty()).unwrap());
    let (second, first) = (second.await.unwrap(), first.await.unwrap());
    assert_eq!(
        (first.status(), second.status()),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
}

#[tokio::test]
async fn an_error_of_the_service_behind_is_passed_on() {
    let site = Site::new();
    let ada = site.signed_in("ada", &[]).await;
    let broken = service_fn(async |_: Request<Body>| Err::<Response<Body>, _>("it broke"));
    for cookie in ["", ada.cookie.as_deref().unwrap()] {
        let request = Request::builder().header(COOKIE, cookie).body(Body::empty()).unwrap();
        let service = site.curfew.layer().layer(broken);
        assert_eq!(service.oneshot(request).await.unwrap_err(), "it broke");
    }
}
