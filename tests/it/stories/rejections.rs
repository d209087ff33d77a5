//! How it looks when a request is turned away, in every mode, for every kind of request.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, Request, Response};
use axum::routing::any;
use bytes::Bytes;
use tower_curfew::reject::{Rejection, RejectionCause, RequestKind};
use tower_curfew::{Curfew, OrgPolicy, Presence, Session};

use crate::support::{
    Answer, Browser, Site, hours, keyring, navigation, on_every_store, routes, send,
};

/// What a request looks like, and how it is told that one must sign in.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], Looks);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Looks {
    /// 303 to the login page, and back to this one.
    LoginPage,
    /// 303 to the login page, and not back.
    LoginPageAlone,
    Htmx,
    Status,
}
use Looks::{Htmx, LoginPage, LoginPageAlone, Status};

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const JSON: (&str, &str) = ("accept", "application/json");
const ALL: (&str, &str) = ("accept", "*/*");

const ROWS: [Row; 25] = [
    ("a page", "GET", &[("sec-fetch-mode", "navigate"), HTML], LoginPage),
    ("a page without accept", "GET", &[("sec-fetch-mode", "navigate")], LoginPage),
    ("a page, asked by HEAD", "HEAD", &[("sec-fetch-mode", "navigate"), HTML], LoginPage),
    ("a page in an old browser", "GET", &[HTML], LoginPage),
    ("a page, oddly spelled", "GET", &[("accept", "Text/HTML")], LoginPage),
    ("a form", "POST", &[("sec-fetch-mode", "navigate"), HTML], LoginPageAlone),
    ("a form in an old browser", "POST", &[HTML], LoginPageAlone),
    ("another method", "DELETE", &[HTML], LoginPageAlone),
    ("htmx", "GET", &[("hx-request", "true"), ("sec-fetch-mode", "cors"), HTML], Htmx),
    ("htmx in an old browser", "POST", &[("hx-request", "true"), HTML], Htmx),
    ("htmx, not", "GET", &[("hx-request", "false"), JSON], Status),
    ("fetch", "GET", &[("sec-fetch-mode", "cors"), JSON], Status),
    ("fetch of html", "GET", &[("sec-fetch-mode", "same-origin"), HTML], Status),
    ("an image", "GET", &[("sec-fetch-mode", "no-cors"), ("accept", "image/*")], Status),
    ("an upload", "POST", &[("sec-fetch-mode", "cors"), ALL], Status),
    ("XHR of html", "GET", &[("x-requested-with", "XMLHttpRequest"), HTML], Status),
    ("a program", "GET", &[], Status),
    ("curl", "GET", &[ALL], Status),
    ("an API", "PUT", &[JSON], Status),
    ("a bearer", "GET", &[("authorization", "Bearer abc"), JSON], Status),
    ("a bearer that takes html", "GET", &[("authorization", "bearer abc"), HTML], Status),
    ("a page behind a proxy's password", "GET", &[("authorization", "Basic abc"), HTML], LoginPage),
    ("events", "GET", &[("sec-fetch-mode", "cors"), ("accept", "text/event-stream")], Status),
    ("a socket", "GET", &[("sec-fetch-mode", "websocket"), ("upgrade", "websocket")], Status),
    ("a socket in an old browser", "GET", &[HTML, ("upgrade", "websocket")], Status),
];

fn request(row: &Row, path: &str, cookie: Option<&str>) -> Request<Body> {
    let (_, method, headers, _) = *row;
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    cookie.into_iter().fold(request, |r, c| r.header("cookie", c)).body(Body::empty()).unwrap()
}

/// Whom the layer and the handler turn away, by mode and path. `/asks` asks for a `Session`, the
/// others take whom the layer lets through; what is below `/open/` is open.
#[derive(Clone, Copy)]
enum Turned {
    Nobody,
    Navigations,
    Everybody,
}
use Turned::{Everybody, Navigations, Nobody};

const PATHS: [&str; 5] = ["/page", "/asks", "/open/page", "/open/asks", "/login"];

/// By mode: who is turned away from each of the paths if anonymous, and if their session has ended.
const MODES: [(&str, [Turned; 5], [Turned; 5]); 3] = [
    (
        "default",
        [Nobody, Everybody, Nobody, Everybody, Nobody],
        [Navigations, Everybody, Nobody, Everybody, Nobody],
    ),
    (
        "required",
        [Everybody, Everybody, Nobody, Everybody, Nobody],
        [Everybody, Everybody, Nobody, Everybody, Nobody],
    ),
    (
        "optional",
        [Nobody, Everybody, Nobody, Everybody, Nobody],
        [Nobody, Everybody, Nobody, Everybody, Nobody],
    ),
];

fn router(site: &Site, mode: &str) -> Router {
    async fn page(_: Presence) -> &'static str {
        "handled"
    }
    async fn asks(_: Session) -> &'static str {
        "handled"
    }
    let layer = match mode {
        "default" => site.curfew.layer(),
        "required" => site.curfew.layer().required(),
        _ => site.curfew.layer().optional(),
    };
    Router::new()
        .route("/page", any(page))
        .route("/asks", any(asks))
        .route("/open/page", any(page))
        .route("/open/asks", any(asks))
        .route("/login", any(page))
        .layer(layer.open(["/open/*"]))
}

#[tokio::test]
async fn each_request_is_turned_away_as_the_table_says_in_every_mode() {
    on_every_store(async |site| {
        let ada = site.signed_in("ada", &["acme"]).await;
        site.set_policy("acme", OrgPolicy::absolute(hours(1))).await;
        site.pass(hours(1));
        let (ended, live) = (ada.cookie, site.signed_in("grace", &[]).await.cookie);
        for (mode, anonymous_turned, ended_turned) in MODES {
            let router = router(&site, mode);
            for (at, path) in PATHS.into_iter().enumerate() {
                for row in &ROWS {
                    let case = format!("{mode}, {path}, {}", row.0);
                    let ask = async |cookie: Option<&str>| {
                        let path = format!("{path}?q=a%20b");
                        send(&router, request(row, &path, cookie)).await
                    };
                    let navigates = matches!(row.3, LoginPage | LoginPageAlone);
                    for (turned, is_ended) in [(anonymous_turned, false), (ended_turned, true)] {
                        let answer = ask(ended.as_deref().filter(|_| is_ended)).await;
                        let is_turned_away = match turned[at] {
                            Nobody => false,
                            Navigations => navigates,
                            Everybody => true,
                        };
                        if is_turned_away {
                            let back = format!("{path}?q=a%20b");
                            looks_as_the_row_says(row, &answer, &back, is_ended, &case);
                        } else {
                            assert_eq!(answer.status, 200, "{case}: {answer:?}");
                        }
                        let is_open = path == "/login" || path.starts_with("/open/");
                        let clears = is_ended && navigates && (is_turned_away || is_open);
                        assert_eq!(answer.set_cookies().len(), usize::from(clears), "{case}");
                        assert!(answer.set_cookies().iter().all(|c| c.contains("; Max-Age=0;")));
                    }
                    let answer = ask(live.as_deref()).await;
                    assert_eq!(answer.status, 200, "{case}: {answer:?}");
                    assert_eq!(answer.set_cookies(), [""; 0], "{case}");
                }
            }
        }
    })
    .await;
}

fn looks_as_the_row_says(row: &Row, answer: &Answer, back: &str, is_ended: bool, case: &str) {
    let mut login = form_urlencoded::Serializer::new(String::new());
    if row.3 == LoginPage {
        login.append_pair("return_to", back);
    }
    if is_ended {
        login.append_pair("reason", "absolute").append_pair("organization", "acme");
    }
    let login = match login.finish().as_str() {
        "" => "/login".to_owned(),
        query => format!("/login?{query}"),
    };
    let has = ["location", "hx-redirect", "www-authenticate", "content-type"];
    let has = has.map(|name| answer.header(name));
    let status = answer.status.as_u16();
    match row.3 {
        LoginPage | LoginPageAlone => {
            assert_eq!((status, has), (303, [login.as_str(), "", "", ""]), "{case}");
            assert_eq!(answer.body, "", "{case}");
        }
        Htmx | Status => {
            let bears = row.2.iter().any(|(name, _)| *name == "authorization");
            let challenge = match bears {
                true => r#"Bearer error="invalid_token""#,
                false => r#"Cookie form-action="/login", cookie-name="__Host-Http-session""#,
            };
            let problem = "application/problem+json";
            let redirect = if row.3 == Htmx { &*login } else { "" };
            assert_eq!((status, has), (401, ["", redirect, challenge, problem]), "{case}");
            let why = match is_ended {
                true => r#""reason":"absolute","login_url":"/login","organization":"acme"}"#,
                false => r#""reason":"anonymous","login_url":"/login"}"#,
            };
            let body = format!(r#"{{"title":"sign in to continue","status":401,{why}"#);
            assert_eq!(answer.body, body, "{case}");
        }
    }
    assert_eq!(answer.header("cache-control"), "no-store", "{case}");
}

#[tokio::test]
async fn a_cors_preflight_passes_in_every_mode_without_a_query() {
    let site = Site::new();
    let ada = site.signed_in("ada", &[]).await;
    ada.clone().post("/logout").await;
    const ORIGIN: (&str, &str) = ("origin", "https://app.example");
    const METHOD: (&str, &str) = ("access-control-request-method", "PUT");
    const PREFLIGHT: Row = ("a preflight", "OPTIONS", &[ORIGIN, METHOD, JSON], Status);
    for (mode, ..) in MODES {
        let router = router(&site, mode);
        site.store.calls();
        for cookie in [None, ada.cookie.as_deref()] {
            let answer = send(&router, request(&PREFLIGHT, "/page", cookie)).await;
            assert_eq!((answer.status.as_u16(), &*answer.body), (200, "handled"), "{mode}");
            assert_eq!(answer.set_cookies(), [""; 0]);
        }
        assert_eq!(site.store.calls(), [""; 0]);
    }
    let required = router(&site, "required");
    for row in [
        ("no origin", "OPTIONS", &[METHOD, JSON] as &[_], Status),
        ("no method", "OPTIONS", &[ORIGIN, JSON], Status),
        ("no OPTIONS", "GET", &[ORIGIN, METHOD, JSON], Status),
    ] {
        let answer = send(&required, request(&row, "/page", None)).await;
        assert_eq!(answer.status, 401, "{} is no preflight", row.0);
    }
}

#[tokio::test]
async fn trap_26_a_body_is_never_posted_again_and_never_lost_in_a_page() {
    let site = Site::new();
    let mut ada = site.signed_in("ada", &[]).await;
    ada.clone().post("/logout").await;
    let form = ada.clone().post("/presence").await;
    assert_eq!((form.status.as_u16(), form.header("location")), (303, "/login?reason=revoked"));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let upload = ada.at(&router(&site, "required")).fetch(method, "/page").await;
        assert_eq!((upload.status.as_u16(), upload.header("location")), (401, ""), "{method}");
    }
    assert!(ada.cookie.is_some(), "the upload in the background left it alone");
    assert_eq!(ada.open("/").await.status, 303);
    assert_eq!(ada.cookie, None);
}

#[tokio::test]
async fn what_a_superseded_or_an_unknown_session_gets_names_no_reason_and_clears_nothing() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let superseded = ada.clone();
        ada.post("/rotate").await;
        // Signed with the same key, and kept in another store.
        let unknown = Site::new().signed_in("ada", &[]).await;
        for old in [superseded, unknown] {
            for router in [&site.router, &router(&site, "required")] {
                for path in ["/", "/asks", "/page"] {
                    let answer = old.at(router).open(path).await;
                    assert_eq!(answer.set_cookies(), [""; 0]);
                    assert_eq!(answer.login_parameter("reason"), None);
                }
            }
            let answer = old.at(&router(&site, "required")).fetch("GET", "/page").await;
            assert!(answer.body.contains(r#""reason":"anonymous""#), "{answer:?}");
            assert_eq!(old.at(&site.router).open("/presence").await.body, "anonymous");
        }
    })
    .await;
}

#[tokio::test]
async fn an_app_may_answer_in_its_own_words_and_no_cache_keeps_them() {
    let reject = |rejection: &Rejection<'_>| {
        let cause = match rejection.cause() {
            RejectionCause::Ended(ended) => ended.reason.as_str(),
            RejectionCause::Anonymous => "anonymous",
            _ => "unavailable",
        };
        let words = format!("{cause} {:?} {}", rejection.request_kind(), rejection.login_url());
        let mut response = match rejection.request_kind() {
            RequestKind::Htmx => rejection.response(),
            _ => Response::new(Bytes::from(words)),
        };
        let public = "public, max-age=3600".parse().unwrap();
        response.headers_mut().insert(HeaderName::from_static("cache-control"), public);
        response
    };
    let site = Site::with(|builder| builder.reject_with(reject));
    let mut ada = site.signed_in("ada", &[]).await;
    ada.clone().post("/logout").await;
    let mut required = ada.at(&router(&site, "required"));
    let fetched = required.fetch("GET", "/page").await;
    assert_eq!(fetched.body, "revoked Background /login?reason=revoked");
    assert_eq!(fetched.header("cache-control"), "no-store");
    assert_eq!(fetched.set_cookies(), [""; 0]);
    let by_extractor = site.browser().open("/").await;
    assert_eq!(by_extractor.body, "anonymous Navigation /login?return_to=%2F");
    let opened = ada.open("/presence").await;
    assert_eq!(opened.body, "revoked Navigation /login?return_to=%2Fpresence&reason=revoked");
    assert_eq!((opened.header("cache-control"), opened.header("vary")), ("no-store", "Cookie"));
    assert_eq!(ada.cookie, None, "it is cleared all the same");
    site.store.break_all(crate::support::Fault::Fail);
    let failed = required.fetch("GET", "/page").await;
    assert_eq!(failed.body, "unavailable Background /login");
    assert_eq!(failed.header("cache-control"), "no-store");
}

#[tokio::test]
async fn r17_the_name_of_an_organization_is_told_as_it_is_whatever_is_in_it() {
    let site = Site::new();
    let name = "a\"b\\c&d=é <\n>";
    let cookie = tower_curfew::NewSession::for_user("ada").orgs([name]);
    let cookie = site.curfew.start(cookie, &tower_curfew::ClientInfo::for_tests()).await.unwrap();
    let mut ada = Browser::new(routes().layer(site.curfew.layer()).with_state(site.curfew.clone()));
    ada.cookie = Some(cookie.request_header().to_str().unwrap().to_owned());
    site.revoke_org(name).await;
    let fetched = ada.fetch("GET", "/").await;
    assert_eq!(fetched.json()["organization"], name);
    assert_eq!(ada.turned_away_because().await, format!("revoked {name}"));
}

#[tokio::test]
async fn the_challenge_is_well_formed_whatever_the_login_path() {
    use tower_curfew::store::MemoryStore;
    let builder = Curfew::builder(MemoryStore::new(), keyring()).login_at("/\"login\"");
    // To refuse it is as good.
    if let Ok(curfew) = builder.build() {
        let mut anybody = Browser::new(Router::new().layer(curfew.layer().required()));
        let challenge = anybody.fetch("GET", "/").await.header("www-authenticate").to_owned();
        let unquoted = challenge.replace("\\\"", "");
        assert_eq!(unquoted.matches('"').count(), 4, "{challenge}");
    }
}

#[tokio::test]
async fn nobody_is_turned_away_from_a_page_that_does_not_exist_by_default() {
    let site = Site::new();
    assert_eq!(site.browser().open("/nowhere").await.status, 404);
    let required = routes().layer(site.curfew.layer().required()).with_state(site.curfew.clone());
    let answer = send(&required, navigation("GET", "/nowhere")).await;
    assert_eq!(answer.header("location"), "/login?return_to=%2Fnowhere", "nor shown what exists");
}
