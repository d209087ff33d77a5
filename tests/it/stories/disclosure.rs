//! What people and admins get to see signs nobody in, and neither does what a store keeps.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::{AUTHORIZATION, COOKIE, USER_AGENT};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_curfew::{NewSession, OrgPolicy, Selector};

use crate::support::{Browser, Log, Site, days, navigation, on_every_store, send};

const COOKIE_NAME: &str = "__Host-Http-session";

/// Ada at work with two browsers and a token. Answers with the site, all that was shown of it, and
/// the cookie and the token that sign her in.
async fn everything_that_is_shown() -> (Site, Router, Vec<String>, String, String) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = events.clone();
    let site = Site::with(|builder| {
        builder.on_event(move |event| told.lock().unwrap().push(format!("{event:?}")))
    });
    let router = site.router.clone();
    let mut shown = Vec::new();

    let mut ada = site.browser();
    let mut request = navigation("POST", "/login?user=ada&org=acme");
    request.headers_mut().insert(USER_AGENT, "curl/8.5.0".parse().unwrap());
    ada.send(request).await;
    let mut other = site.signed_in("ada", &["acme"]).await;
    let new = NewSession::for_user("ada").orgs(["acme"]).named("laptop");
    let token = site.curfew.operator("tests").issue_token(new.clone()).await.unwrap();
    let lost = site.curfew.operator("tests").issue_token(new).await.unwrap();
    shown.extend([format!("{token:?}"), lost.id().to_string()]);

    site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
    ada.post("/rotate").await;
    other.post("/logout").await;
    shown.push(format!("{:?}", other.open("/?page=1").await));
    site.curfew.operator("tests").revoke(Selector::session(lost.id())).await.unwrap();
    for (method, path) in [
        ("GET", "/account/sessions"),
        ("GET", "/account/session"),
        ("DELETE", "/account/sessions/nonsense"),
        ("DELETE", "/account/sessions?except=current"),
    ] {
        let answer = ada.fetch(method, path).await;
        shown.extend([path.to_owned(), answer.body, format!("{:?}", answer.headers)]);
    }
    let new = NewSession::for_user("ada").orgs(["acme"]).named("desktop");
    let token_of_today = site.curfew.operator("tests").issue_token(new).await.unwrap();
    for listed in site.curfew.list("ada").await.unwrap() {
        shown.extend([listed.id().to_string(), format!("{listed:?} {:?}", listed.client())]);
        shown.push(format!("/account/sessions/{}", listed.id()));
    }
    shown.push(format!("{:?}", site.curfew.policy("acme").await));
    shown.append(&mut events.lock().unwrap());
    let (_, cookie) = ada.cookie.as_deref().unwrap().split_once('=').unwrap();
    (site, router, shown, cookie.to_owned(), token_of_today.token().to_owned())
}

/// Whether somebody who sends this is let in.
async fn is_let_in(router: &Router, header: axum::http::HeaderName, value: &str) -> bool {
    let mut request = navigation("GET", "/");
    request.headers_mut().insert(header, value.parse().unwrap());
    send(router, request).await.status == 200
}

/// Whether these characters sign in, in any place where a session is looked for.
async fn signs_in(router: &Router, text: &str) -> bool {
    is_let_in(router, COOKIE, &format!("{COOKIE_NAME}={text}")).await
        || is_let_in(router, AUTHORIZATION, &format!("Bearer {text}")).await
        || is_let_in(router, AUTHORIZATION, &format!("Bearer curfew_{text}")).await
}

#[tokio::test]
async fn trap_24_nothing_in_a_list_url_log_or_event_signs_anybody_in() {
    let ((_site, router, shown, cookie, token), lines) = Log::of(everything_that_is_shown).await;
    assert!(signs_in(&router, &cookie).await && signs_in(&router, &token).await);

    assert!(lines.len() >= 8, "{lines:?}");
    let texts = shown.into_iter().chain(lines.into_iter().map(|(_, line)| line));
    let mut words = BTreeSet::new();
    for text in texts {
        assert!(!text.contains(&cookie) && !text.contains(&token["curfew_".len()..]), "{text}");
        let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "-_".contains(sign);
        words.extend(text.split(|sign| !is_sign(sign)).map(str::to_owned));
    }
    let ids = words.iter().filter(|word| word.len() == 22).count();
    assert!(ids >= 5 && words.len() > 100, "{words:?}");
    for word in &words {
        assert!(!signs_in(&router, word).await, "{word}");
    }
}

/// The half of a cookie or a token that signs in.
fn secret(browser: &Browser) -> Vec<u8> {
    let credential = browser.bearer.as_deref().or(browser.cookie.as_deref()).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(&credential[credential.len() - 96..]).unwrap();
    bytes[18..34].to_vec()
}

#[tokio::test]
async fn a_store_keeps_no_secret_of_a_browser_or_a_program() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &["acme"]).await;
        let program = site.program(NewSession::for_user("ada").named("laptop")).await;
        let before = secret(&ada);
        ada.post("/rotate").await;
        for browser in [&ada, &program] {
            let kept = site.store.kept(browser.session()).await;
            let is_there = |bytes: &[u8]| kept.windows(bytes.len()).any(|window| window == bytes);
            assert!(is_there(b"ada"), "this is not what is kept");
            for secret in [&before, &secret(browser)] {
                let digits = secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                let text = URL_SAFE_NO_PAD.encode(secret);
                let forms = [secret, digits.as_bytes(), text.as_bytes()];
                assert!(!forms.into_iter().any(is_there), "a secret is kept");
            }
        }
    })
    .await;
}
