//! Traces and compression of tower-http around the session layer: the order of the layers, and a
//! span for each request that says whose session it is.
//!
//! ```text
//! cargo run --manifest-path examples/ecosystem/Cargo.toml --bin tower_http
//! ```
//!
//! Then open <http://localhost:3000> and log in as `ada` with `lovelace`, or talk to it with curl:
//!
//! ```text
//! $ curl -sc jar -d 'username=ada&password=lovelace' localhost:3000/login
//! $ curl -sb jar -D- -o page --compressed localhost:3000 | grep -i encoding
//! content-encoding: gzip
//! vary: accept-encoding
//! ```
//!
//! It has printed a line for each, the second with the session in front:
//!
//! ```text
//! INFO request{method=POST path="/login"}: tower_curfew::audit: session.started actor="ada" user="ada" …
//! INFO request{method=POST path="/login"}: tower_http::trace::on_response: finished processing request …
//! INFO request{method=GET path="/" session=FkCj… user="ada"}: tower_http::trace::on_response: finished …
//! ```

use axum::Router;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, Response};
use axum::routing::get;
use ecosystem::login_routes;
use tower::ServiceBuilder;
use tower_curfew::store::MemoryStore;
use tower_curfew::{Curfew, Keyring, Presence, Session};
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::field::{Empty, display};
use tracing::{Level, Span, info_span};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let keyring = Keyring::load_or_create("curfew.key")?;
    let curfew = Curfew::builder(MemoryStore::new(), keyring).build()?;
    ecosystem::serve(app(&curfew)).await
}

fn app(curfew: &Curfew) -> Router {
    // From the outside to the inside.
    let layers = ServiceBuilder::new()
        // Nothing inside prints cookies or tokens when it prints the headers of a request. The
        // `Set-Cookie` of the session is marked already.
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION, COOKIE]))
        // Outside of everything that may answer, so that rejections are traced, too.
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span_of)
                .on_response(DefaultOnResponse::new().level(Level::INFO).include_headers(true)),
        )
        // Outside of the session layer, which cannot make compressed bodies for its rejections.
        .layer(CompressionLayer::new())
        .layer(CsrfLayer::new())
        .layer(curfew.layer())
        // Inside of the session layer, where the session is known.
        .layer(from_fn(tell_span));
    Router::new().route("/", get(home)).merge(login_routes()).layer(layers)
}

/// The query is left out: users and other sites may write anything there.
fn span_of<B>(request: &axum::http::Request<B>) -> Span {
    let (method, path) = (request.method(), request.uri().path());
    info_span!("request", %method, path, session = Empty, user = Empty)
}

/// The id of a session is public and logs nobody in. If users are named by their e-mail addresses
/// and your log must not have these, leave out the user.
async fn tell_span(presence: Presence, request: Request, next: Next) -> Response {
    if let Some(session) = presence.session() {
        let span = Span::current();
        span.record("session", display(session.id())).record("user", session.user());
    }
    next.run(request).await
}

async fn home(_: Session) -> Html<String> {
    Html(format!("<!DOCTYPE html>\n<title>Home</title>\n<p>{}</p>\n", "All is well. ".repeat(50)))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _, Write};
    use std::sync::{Arc, Mutex};

    use axum::body::to_bytes;
    use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, SET_COOKIE, VARY};
    use axum::http::{HeaderValue, StatusCode};
    use ecosystem::testing::{ask, cookies_set, handle, logged_in, send, send_form, visit, with};
    use flate2::read::GzDecoder;
    use time::Duration;
    use tower_curfew::clock::ManualClock;

    use super::*;

    const GZIP: HeaderValue = HeaderValue::from_static("gzip");

    #[tokio::test]
    async fn a_page_is_compressed_and_carries_the_cookie_all_the_same() {
        let clock = ManualClock::default();
        let curfew = handle(&clock).build().unwrap();
        let app = app(&curfew);
        let cookie = logged_in(&curfew, "ada").await;
        clock.advance(Duration::hours(2));
        let home = ask(&app, &cookie, with(visit("/"), ACCEPT_ENCODING, GZIP)).await;
        assert_eq!(home.headers()[CONTENT_ENCODING], "gzip");

        let [refreshed] = &cookies_set(&home)[..] else { panic!("{home:?}") };
        assert!(refreshed.starts_with("__Host-Http-session="), "{refreshed}");
        assert_eq!(home.headers()[CACHE_CONTROL], "no-store");
        let vary = home.headers().get_all(VARY).iter().map(|vary| vary.to_str().unwrap());
        assert_eq!(Vec::from_iter(vary).join(", ").to_lowercase(), "cookie, accept-encoding");

        let packed = to_bytes(home.into_body(), usize::MAX).await.unwrap();
        let mut page = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut page).unwrap();
        assert!(page.contains("All is well.") && packed.len() < page.len(), "{page}");
    }

    #[tokio::test]
    async fn a_login_and_a_rejection_are_what_they_are_without_compression() {
        let app = app(&handle(&ManualClock::default()).build().unwrap());
        let form = send_form("/login", "username=ada&password=lovelace");
        let login = send(&app, with(form, ACCEPT_ENCODING, GZIP)).await;
        assert_eq!((login.status(), cookies_set(&login).len()), (StatusCode::SEE_OTHER, 1));
        let rejected = send(&app, with(visit("/"), ACCEPT_ENCODING, GZIP)).await;
        assert_eq!(rejected.status(), StatusCode::SEE_OTHER);
        assert!(!rejected.headers().contains_key(SET_COOKIE));
    }

    /// What the log of one thread has.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_log_says_whose_session_it_is_and_nothing_that_logs_in() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(Level::TRACE)
            .with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());

        let clock = ManualClock::default();
        let curfew = handle(&clock).build().unwrap();
        let app = app(&curfew);
        let cookie = logged_in(&curfew, "ada").await;
        let id = curfew.list("ada").await.unwrap()[0].id();
        clock.advance(Duration::hours(2));
        let home = ask(&app, &cookie, visit("/?q=private")).await;
        assert_eq!(home.status(), StatusCode::OK);
        send(&app, visit("/")).await;

        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let answered = log.lines().filter(|line| line.contains("finished processing request"));
        let [of_ada, of_nobody] = Vec::from_iter(answered)[..] else { panic!("{log}") };
        let span = format!(r#"request{{method=GET path="/" session={id} user="ada"}}"#);
        assert!(of_ada.contains(&span) && of_ada.contains("status=200"), "{of_ada}");
        let span = r#"request{method=GET path="/"}"#;
        assert!(of_nobody.contains(span) && of_nobody.contains("status=303"), "{of_nobody}");

        assert!(of_ada.contains("set-cookie"), "the headers are there: {of_ada}");
        assert!(!log.contains("private"), "{log}");
        for cookie in [cookie.to_str().unwrap(), &cookies_set(&home)[0]] {
            let value = cookie.split(['=', ';']).nth(1).unwrap();
            assert_eq!(value.len(), 96);
            assert!(!log.contains(value), "{log}");
        }
    }
}
