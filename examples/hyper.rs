//! Sessions in an app on hyper alone, kept in memory: whatever tower serves can have a curfew.
//!
//! ```text
//! cargo run --example hyper
//! ```
//!
//! Then open <http://localhost:3000> and sign in as `ada` with `lovelace`, or talk to it with curl:
//!
//! ```text
//! $ curl -sH 'Accept: text/html' -w '%{http_code} %{redirect_url}\n' localhost:3000
//! 303 http://localhost:3000/login?return_to=%2F
//! $ curl -sc jar -w '%{http_code} %{redirect_url}\n' -d 'username=ada&password=lovelace' \
//!     'localhost:3000/login?return_to=%2F'
//! 303 http://localhost:3000/
//! $ curl -sb jar localhost:3000 | grep Hello
//! <p>Hello ada.</p>
//! $ curl -sb jar -w '%{http_code} %{redirect_url}\n' -X POST localhost:3000/logout
//! 303 http://localhost:3000/login
//! ```

mod pages;
mod users;

use std::convert::Infallible;
use std::env;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use hyper::server::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower::util::BoxCloneService;
use tower_curfew::store::MemoryStore;
use tower_curfew::{ClientInfo, Curfew, Keyring, NewSession, Presence, ReturnTo};
use tower_http::csrf::CsrfLayer;

type Page = Response<Full<Bytes>>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "tells where it listens")]
async fn main() -> anyhow::Result<()> {
    let keyring = Keyring::load_or_create("curfew.key")?;
    let app = app(Curfew::builder(MemoryStore::new(), keyring).build()?);

    let address = env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}; set ADDR to listen elsewhere"))?;
    println!("listening on http://{}, sign in as ada with lovelace", listener.local_addr()?);
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Too many files are open, perhaps. Soon there may be fewer.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        // What `ClientInfo` knows of the address.
        let service = ServiceBuilder::new().map_request(move |mut request: Request<_>| {
            request.extensions_mut().insert(peer);
            request
        });
        let service = TowerToHyperService::new(service.service(app.clone()));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new());
        tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

fn app<B>(curfew: Curfew) -> BoxCloneService<Request<B>, Page, Infallible>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    ServiceBuilder::new()
        .boxed_clone()
        // Other sites must not make a browser sign in or out.
        .layer(CsrfLayer::new())
        .layer(curfew.layer().required().open(["/welcome"]))
        .service_fn(move |request| answer(curfew.clone(), request))
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn answer<B>(curfew: Curfew, request: Request<B>) -> Result<Page, Infallible>
where
    B: Body<Error: Into<BoxError>>,
{
    let presence = Presence::of(&request).cloned().unwrap_or(Presence::Anonymous);
    let query = request.uri().query();
    let page = match (request.method(), request.uri().path(), presence.session()) {
        (&Method::GET, "/", Some(session)) => page(pages::home(session)),
        (&Method::GET, "/reports", Some(session)) => page(pages::reports(session, query)),
        (&Method::GET, "/welcome", _) => page(pages::welcome(&presence)),
        (&Method::GET, "/login", None) => page(pages::sign_in(query, None)),
        (&Method::GET, "/login", Some(_)) => see_other(ReturnTo::from_query(query).path_or("/")),
        (&Method::POST, "/login", _) => sign_in(&curfew, request).await,
        (&Method::POST, "/logout", Some(session)) => match curfew.end(session).await {
            Ok(cookie) => {
                let mut response = see_other("/login");
                cookie.append_to(response.headers_mut());
                response
            }
            Err(error) => error.response().map(Full::from),
        },
        _ => with_status(StatusCode::NOT_FOUND, "There is no such page.".to_owned()),
    };
    Ok(page)
}

async fn sign_in<B>(curfew: &Curfew, request: Request<B>) -> Page
where
    B: Body<Error: Into<BoxError>>,
{
    let client = ClientInfo::of(&request);
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LONGEST_FORM).collect().await else {
        return with_status(StatusCode::BAD_REQUEST, "This form cannot be read.".to_owned());
    };
    let (username, password) = credentials(&body.to_bytes());
    let query = parts.uri.query();
    if !users::check(&username, &password) {
        let form = pages::sign_in(query, Some(&username));
        return with_status(StatusCode::UNAUTHORIZED, form);
    }
    match curfew.start(NewSession::for_user(username), &client).await {
        Ok(cookie) => {
            let mut response = see_other(ReturnTo::from_query(query).path_or("/"));
            cookie.append_to(response.headers_mut());
            response
        }
        Err(error) => error.response().map(Full::from),
    }
}

const LONGEST_FORM: usize = 4096;

fn credentials(form: &[u8]) -> (String, String) {
    let (mut username, mut password) = (String::new(), String::new());
    for (name, value) in form_urlencoded::parse(form) {
        match &*name {
            "username" => username = value.into_owned(),
            "password" => password = value.into_owned(),
            _ => {}
        }
    }
    (username, password)
}

/// A page that the back button does not show again to whoever comes after a sign-out.
fn page(html: String) -> Page {
    with_status(StatusCode::OK, html)
}

fn with_status(status: StatusCode, html: String) -> Page {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .header(CACHE_CONTROL, "no-store")
        .body(html.into())
        .expect("all headers are valid")
}

fn see_other(path: &str) -> Page {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(LOCATION, path)
        .body(Full::default())
        .expect("paths on this host are valid headers")
}

#[cfg(test)]
mod tests {
    use hyper::header::{ACCEPT, COOKIE, SET_COOKIE};
    use time::Duration;
    use tower::ServiceExt;
    use tower_curfew::clock::ManualClock;

    use super::*;

    type App = BoxCloneService<Request<Full<Bytes>>, Page, Infallible>;

    const ADA: &str = "username=ada&password=lovelace";

    fn started(clock: &ManualClock) -> App {
        let keyring = Keyring::from_bytes([7; 32]).unwrap();
        let builder = Curfew::builder(MemoryStore::new(), keyring).clock(clock.clone());
        app(builder.build().unwrap())
    }

    #[tokio::test]
    async fn sign_in_look_around_sign_out() {
        let app = started(&ManualClock::default());
        let turned_away = send(&app, visit("/reports?year=2026")).await;
        let sign_in_at = location(&turned_away);
        assert_eq!(sign_in_at, "/login?return_to=%2Freports%3Fyear%3D2026");
        assert_eq!(send(&app, visit(sign_in_at)).await.status(), StatusCode::OK);

        let signed_in = send(&app, post(sign_in_at, ADA)).await;
        assert_eq!(location(&signed_in), "/reports?year=2026");
        let cookie = cookie(&signed_in);
        assert_eq!(cookie.strip_prefix("__Host-Http-session=").map(str::len), Some(96), "{cookie}");

        let page = send(&app, with(&cookie, visit("/"))).await;
        assert_eq!(page.status(), StatusCode::OK);
        let page = text(page).await;
        assert!(
            page.contains("2026-01-29 00:00 UTC</time> unless you come back before then"),
            "{page}"
        );

        let signed_out = send(&app, with(&cookie, post("/logout", ""))).await;
        assert_eq!(location(&signed_out), "/login");
        assert_eq!(self::cookie(&signed_out), "__Host-Http-session=");
        let replayed = send(&app, with(&cookie, visit("/"))).await;
        assert_eq!(location(&replayed), "/login?return_to=%2F&reason=revoked");
    }

    #[tokio::test]
    async fn four_weeks_away_and_one_must_sign_in_again() {
        let clock = ManualClock::default();
        let app = started(&clock);
        let cookie = cookie(&send(&app, post("/login", ADA)).await);
        clock.advance(Duration::days(28) + Duration::MILLISECOND);
        let turned_away = send(&app, with(&cookie, visit("/"))).await;
        assert_eq!(location(&turned_away), "/login?return_to=%2F&reason=idle");
    }

    #[tokio::test]
    async fn who_is_refused() {
        let app = started(&ManualClock::default());
        let mut program = visit("/");
        program.headers_mut().insert(ACCEPT, "application/json".parse().unwrap());
        assert_eq!(send(&app, program).await.status(), StatusCode::UNAUTHORIZED);

        let wrong = send(&app, post("/login", "username=ada&password=byron")).await;
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
        assert!(text(wrong).await.contains("do not go together"));
        let mut other_site = post("/login", ADA);
        other_site.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert_eq!(send(&app, other_site).await.status(), StatusCode::FORBIDDEN);

        let evil = send(&app, post("/login?return_to=//evil.example", ADA)).await;
        assert_eq!(location(&evil), "/");
        assert_eq!(send(&app, visit("/welcome")).await.status(), StatusCode::OK);
        let long = "x".repeat(LONGEST_FORM + 1);
        assert_eq!(send(&app, post("/login", &long)).await.status(), StatusCode::BAD_REQUEST);
    }

    async fn send(app: &App, request: Request<Full<Bytes>>) -> Page {
        app.clone().oneshot(request).await.unwrap()
    }

    fn visit(path: &str) -> Request<Full<Bytes>> {
        Request::get(path).header(ACCEPT, "text/html").body(Full::default()).unwrap()
    }

    fn post(path: &str, form: &str) -> Request<Full<Bytes>> {
        let body = form.to_owned().into();
        Request::post(path).header(ACCEPT, "text/html").body(body).unwrap()
    }

    fn with(cookie: &str, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        request
    }

    fn location(response: &Page) -> &str {
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        response.headers()[LOCATION].to_str().unwrap()
    }

    /// Name and value of the only cookie that is set.
    fn cookie(response: &Page) -> String {
        let all = Vec::from_iter(response.headers().get_all(SET_COOKIE));
        let [set_cookie] = all[..] else { panic!("{} cookies", all.len()) };
        set_cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    async fn text(response: Page) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
    }
}
