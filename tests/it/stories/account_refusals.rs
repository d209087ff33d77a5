//! The account page: whom and what it refuses, and in what words.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use time::Duration;
use tower_curfew::{AtCap, Builder, NewSession, SessionId};
use tower_curfew::{account_routes, fresh_within};

use super::accounts::{SESSION, SESSIONS, ada, list, path_of};
use super::org_refusals::is_problem;
use super::org_routes::{PREVIEW, ask, router};
use crate::support::{Answer, Browser, MS, Site, on_every_store, on_every_store_with};

pub(super) const TOKENS: &str = "/account/tokens";
const NAMED: &str = r#"{"name":"backup"}"#;

/// Every changing request, of which one ends this session.
fn changes(one: &Browser) -> [(&'static str, String, &'static str); 4] {
    [
        ("DELETE", path_of(one), ""),
        ("DELETE", format!("{SESSIONS}?except=current"), ""),
        ("POST", TOKENS.to_owned(), NAMED),
        ("DELETE", SESSIONS.to_owned(), ""),
    ]
}

#[tokio::test]
async fn r25_whatever_is_none_of_ones_own_answers_byte_for_byte_alike() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let mut grace = site.signed_in("grace", &[]).await;
        let ended = site.signed_in("grace", &[]).await;
        ended.clone().post("/logout").await;
        let unknown = SessionId::from_bytes([7; 16]).to_string();
        let expected = ask(&mut ada, "DELETE", &path_of(&grace), "").await;
        is_problem(&expected, 404);
        assert_eq!(expected.set_cookies(), [""; 0]);
        let own = ada.session().to_string();
        for id in [
            &ended.session().to_string(),
            &unknown,
            &own[1..],
            &format!("{own}A"),
            &format!("{own}=="),
            &format!("%20{own}"),
            "x",
            "*",
            "%00",
            "%ff",
            "%2e%2e",
            "current",
        ] {
            let answer = ask(&mut ada, "DELETE", &format!("{SESSIONS}/{id}"), "").await;
            assert_eq!(answer.status, expected.status, "{id}");
            assert_eq!(answer.headers, expected.headers, "{id}");
            assert_eq!(answer.body, expected.body, "{id}");
        }
        let empty = ask(&mut ada, "DELETE", &format!("{SESSIONS}/"), "").await;
        assert_eq!(empty.status, 404, "{empty:?}");
        assert!(grace.is_signed_in().await && ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r26_an_exception_that_is_not_understood_ends_nothing() {
    on_every_store(async |site| {
        let mut laptop = site.signed_in("ada", &[]).await;
        let _phone = site.signed_in("ada", &[]).await;
        for query in [
            "except",
            "except=",
            "except=other",
            "except=Current",
            "except=current%20",
            "except=other&except=current",
            "expect=current",
        ] {
            let path = format!("{SESSIONS}?{query}");
            let answer = ask(&mut laptop, "DELETE", &path, "").await;
            is_problem(&answer, 400);
            assert!(answer.body.contains("`except=current`"), "{}", answer.body);
            assert_eq!(list(&mut laptop).await.len(), 2, "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn r24_nobody_is_shown_anything_without_a_session() {
    on_every_store(async |site| {
        let mut ended = site.signed_in("ada", &[]).await;
        let mut program = site.program(ada().named("backup")).await;
        ask(&mut ended.clone(), "DELETE", SESSIONS, "").await;
        let mut asks = changes(&ended).to_vec();
        asks.extend([("GET", SESSION.to_owned(), ""), ("GET", SESSIONS.to_owned(), "")]);
        for (method, path, body) in asks {
            for (asker, because) in [
                (&mut site.browser(), "anonymous"),
                (&mut ended, "revoked"),
                (&mut program, "revoked"),
            ] {
                let answer = ask(asker, method, &path, body).await;
                is_problem(&answer, 401);
                assert_eq!(answer.unauthorized_because(), because, "{method} {path}");
                assert_eq!(answer.set_cookies(), [""; 0]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r27_a_name_that_cannot_be_kept_is_refused_with_its_field() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let name = |name: &str| format!(r#"{{"name":"{name}"}}"#);
        let too_long = [name(&"x".repeat(513)), name(&"é".repeat(257))];
        let invisible = [name(r"\u200b\ufeff"), name(r" \u202e\u2066 "), name(r"\u2800\u3164")];
        let few = [name(""), name("   "), name(r"\t\n"), name(r"a\u0000b")];
        for body in few.iter().chain(&too_long).chain(&invisible) {
            let answer = ask(&mut ada, "POST", TOKENS, body).await;
            is_problem(&answer, 422);
            assert_eq!(answer.json()["field"], "name", "{body}");
        }
        for body in ["{", "", "[]", "null", "{}", r#"{"name":null}"#, r#"{"name":7}"#] {
            let answer = ask(&mut ada, "POST", TOKENS, body).await;
            assert!(answer.status.is_client_error(), "{body:?}: {answer:?}");
            is_problem(&answer, answer.status.as_u16());
        }
        assert_eq!(list(&mut ada).await.len(), 1);
        for fits in ["x".repeat(512), format!("  {}  ", "é".repeat(256))] {
            let answer = ask(&mut ada, "POST", TOKENS, &name(&fits)).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r27_a_token_issues_no_tokens() {
    on_every_store(async |site| {
        let mut program = site.program(ada().named("backup")).await;
        let answer = ask(&mut program, "POST", TOKENS, NAMED).await;
        is_problem(&answer, 403);
        assert_eq!(list(&mut program).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn r29_a_token_beyond_the_cap_is_refused_or_displaces_the_oldest() {
    for (overflow, status, oldest_lives) in
        [(AtCap::Refuse, 409, true), (AtCap::EndOldest, 201, false)]
    {
        let configure = |builder: Builder| builder.at_most_per_user(2, overflow);
        on_every_store_with(configure, async |site| {
            let mut oldest = site.signed_in("ada", &[]).await;
            site.pass(MS);
            let mut ada = site.signed_in("ada", &[]).await;
            let answer = ask(&mut ada, "POST", TOKENS, NAMED).await;
            assert_eq!(answer.status, status, "{answer:?}");
            if status == 409 {
                is_problem(&answer, 409);
            }
            assert_eq!(oldest.is_signed_in().await, oldest_lives);
            assert_eq!(list(&mut ada).await.len(), 2);
        })
        .await;
    }
}

const WINDOW: Duration = Duration::minutes(15);

/// The account page where changes want a fresh sign-in.
fn strict(site: &Site) -> Router {
    let account = account_routes().route_layer(fresh_within(WINDOW));
    site.router_with(Router::new().nest("/strict", account))
}

async fn ask_strict(browser: &mut Browser, change: &(&str, String, &str)) -> Answer {
    let (method, path, body) = change;
    ask(browser, method, &path.replace("/account", "/strict"), body).await
}

#[tokio::test]
async fn r30_changes_want_a_fresh_sign_in_and_nothing_happens_without() {
    on_every_store(async |site| {
        let phone = site.signed_in("ada", &[]).await;
        let mut laptop = site.signed_in("ada", &[]).await.at(&strict(&site));
        site.pass(WINDOW);
        let [.., issue, _] = changes(&phone);
        assert_eq!(ask_strict(&mut laptop, &issue).await.status, 201);
        site.pass(MS);
        for change in changes(&phone) {
            let answer = ask_strict(&mut laptop, &change).await;
            assert_eq!(answer.status, 401, "{change:?}: {answer:?}");
            assert_eq!(answer.json()["reason"], "insufficient_user_authentication");
            assert_eq!(answer.json()["max_age"], 900);
            assert_eq!(answer.json()["login_url"], "/login");
        }
        assert_eq!(list(&mut laptop).await.len(), 3);
        for path in ["/strict/session", "/strict/sessions"] {
            for method in ["GET", "HEAD"] {
                assert_eq!(ask(&mut laptop, method, path, "").await.status, 200, "{path}");
            }
        }
        let phone = site.signed_in("ada", &[]).await;
        assert_eq!(laptop.post("/again").await.status, 200);
        site.pass(WINDOW);
        for (change, status) in changes(&phone).iter().zip([204, 200, 201, 200]) {
            let answer = ask_strict(&mut laptop, change).await;
            assert_eq!(answer.status, status, "{change:?}: {answer:?}");
        }
        assert_eq!(laptop.cookie, None);
    })
    .await;
}

#[tokio::test]
async fn r12_no_cache_keeps_that_a_fresh_sign_in_is_wanted() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await.at(&strict(&site));
        site.pass(WINDOW + MS);
        is_problem(&ask(&mut ada, "DELETE", "/strict/sessions", "").await, 401);
    })
    .await;
}

#[tokio::test]
async fn r30_whoever_has_no_session_is_told_to_sign_in_not_to_do_so_again() {
    on_every_store(async |site| {
        let mut ended = site.signed_in("ada", &[]).await.at(&strict(&site));
        ended.clone().post("/logout").await;
        for change in changes(&ended) {
            for (asker, because) in
                [(&mut site.browser().at(&strict(&site)), "anonymous"), (&mut ended, "revoked")]
            {
                let answer = ask_strict(asker, &change).await;
                is_problem(&answer, 401);
                assert_eq!(answer.unauthorized_because(), because);
            }
        }
    })
    .await;
}

/// Sends a changing request with these marks of where it comes from.
async fn ask_from(
    browser: &mut Browser,
    marks: &[(&str, &str)],
    (method, path, body): &(&str, String, &str),
) -> Answer {
    let mut request = Request::builder()
        .method(*method)
        .uri(path)
        .header(header::HOST, "site.example.com")
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in marks {
        request = request.header(*name, *value);
    }
    browser.send(request.body(Body::from((*body).to_owned())).unwrap()).await
}

const FOREIGN: [&[(&str, &str)]; 6] = [
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[("sec-fetch-site", "same-site"), ("origin", "https://app.example.com:8443")],
    &[("origin", "https://evil.example")],
    &[("origin", "https://site.example.com.evil.example")],
    &[("origin", "null")],
];

#[tokio::test]
async fn r25_what_another_site_makes_a_browser_send_changes_nothing() {
    on_every_store(async |site| {
        let phone = site.signed_in("ada", &[]).await;
        let mut laptop = site.signed_in("ada", &[]).await;
        for marks in FOREIGN {
            for change in changes(&phone) {
                let answer = ask_from(&mut laptop, marks, &change).await;
                is_problem(&answer, 403);
                assert!(answer.body.contains("another site"), "{}", answer.body);
            }
            assert_eq!(list(&mut laptop).await.len(), 2, "{marks:?}");
        }
        let own = [("sec-fetch-site", "same-origin"), ("origin", "https://site.example.com")];
        for (change, status) in changes(&phone).iter().zip([204, 200, 201, 200]) {
            assert_eq!(ask_from(&mut laptop, &own, change).await.status, status, "{change:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r27_a_program_may_ask_from_anywhere_since_no_browser_sends_its_token() {
    on_every_store(async |site| {
        let admins = router(&site);
        for marks in FOREIGN {
            let phone = site.signed_in("ada", &[]).await;
            let mut program = site.program(ada().named("backup")).await;
            let [one, others, _, all] = changes(&phone);
            for (change, status) in [(one, 204), (others, 200), (all, 200)] {
                let answer = ask_from(&mut program, marks, &change).await;
                assert_eq!(answer.status, status, "{marks:?}, {change:?}: {answer:?}");
            }
            let grace = NewSession::for_user("grace").named("admin's");
            let mut grace = site.program(grace).await.at(&admins);
            let preview = ("POST", PREVIEW.to_owned(), r#"{"idle_seconds":900}"#);
            assert_eq!(ask_from(&mut grace, marks, &preview).await.status, 200, "{marks:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r25_an_origin_that_the_app_trusts_may_ask_and_none_that_looks_like_it() {
    let trust = |builder: Builder| builder.trust_origins(["https://app.example.com"]);
    on_every_store_with(trust, async |site| {
        let preview = ("POST", PREVIEW.to_owned(), r#"{"idle_seconds":900}"#);
        let mut grace = site.signed_in("grace", &[]).await.at(&router(&site));
        for (origin, may) in [
            ("https://app.example.com", true),
            ("https://app.example.com.evil.example", false),
            ("https://app.example.com:8443", false),
            ("https://xapp.example.com", false),
            ("https://other.app.example.com", false),
            ("https://APP.example.com", false),
            ("http://app.example.com", false),
            ("null", false),
            ("", false),
        ] {
            for fetch_site in ["same-site", "cross-site"] {
                let marks = [("origin", origin), ("sec-fetch-site", fetch_site)];
                let phone = site.signed_in("ada", &[]).await;
                let mut laptop = site.signed_in("ada", &[]).await;
                for (change, allowed) in changes(&phone).iter().zip([204, 200, 201, 200]) {
                    let answer = ask_from(&mut laptop, &marks, change).await;
                    let expected = if may { allowed } else { 403 };
                    assert_eq!(answer.status, expected, "{marks:?}, {change:?}");
                    assert_eq!(answer.header("cache-control"), "no-store");
                }
                assert_eq!(laptop.is_signed_in().await, !may, "{marks:?}");
                let answer = ask_from(&mut grace, &marks, &preview).await;
                assert_eq!(answer.status, if may { 200 } else { 403 }, "{marks:?}");
            }
        }
    })
    .await;
}
