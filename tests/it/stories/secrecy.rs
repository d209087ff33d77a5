//! What is never said: no secret, cookie, user or address in a log, an error text, or a `{:?}`.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::HeaderValue;
use axum::http::header::COOKIE;
use time::Duration;
use tower::{Layer as _, service_fn};
use tower_curfew::store::MemoryStore;
use tower_curfew::{
    AtCap, ClientInfo, Curfew, Error, ErrorKind, Limits, NewSession, Presence, Selector, SessionId,
};
use tracing::Level;

use crate::support::{
    AnyStore, Browser, Fault, Log, Site, days, hours, keyring, minutes, navigation,
    on_every_store_with,
};

const USER: &str = "ada-lovelace-1815";
const ADDRESS: &str = "203.0.113.77";
const ORG: &str = "analytical-engines";

/// What may be said nowhere. The secret of a token is in its characters from the 24th to the 45th,
/// its MAC after them.
fn secrets(browser: &Browser) -> Vec<String> {
    let cookie = browser.cookie.as_deref().unwrap();
    let (_, token) = cookie.split_once('=').unwrap();
    (24..=84).map(|at| token[at..at + 12].to_owned()).collect()
}

#[track_caller]
fn says_none_of(text: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{secret:?} in {text}");
    }
}

/// A sign-in from a known address.
async fn sign_in(site: &Site) -> Browser {
    let mut browser = site.browser();
    let mut request = navigation("POST", &format!("/login?user={USER}&org={ORG}"));
    let peer = ConnectInfo(SocketAddr::new(ADDRESS.parse().unwrap(), 4711));
    request.extensions_mut().insert(peer);
    assert_eq!(browser.send(request).await.status, 303);
    browser
}

/// Everything that can go wrong, once. Gives back what may be said nowhere.
async fn everything_goes_wrong() -> Vec<String> {
    let site = Site::with(|builder| builder.at_most_per_user(3, AtCap::Refuse));
    let mut ada = sign_in(&site).await;
    let mut hidden = secrets(&ada);
    for fault in [Fault::Fail, Fault::Hang] {
        for call in ["load", "touch", "insert", "rotate", "end", "list", "set_orgs", "purge"] {
            site.pass(hours(2));
            site.store.break_only(call, fault);
            ada.open("/").await;
            hidden.extend(secrets(&ada));
            ada.post("/rotate").await;
            hidden.extend(secrets(&ada));
            ada.clone().post("/logout").await;
            let mut other = site.browser();
            other.post(&format!("/login?user={USER}&org={ORG}")).await;
            if other.cookie.is_some() {
                hidden.extend(secrets(&other));
            }
            let _ = site.curfew.list(USER).await;
            let _ = site.curfew.set_orgs(USER, [ORG]).await;
            // The task that purges in the background.
            tokio::time::sleep(std::time::Duration::from_secs(601)).await;
            site.store.mend();
            site.curfew.operator("tests").revoke(Selector::user(USER)).await.unwrap();
            ada = sign_in(&site).await;
            hidden.extend(secrets(&ada));
        }
    }
    site.store.garble_rules();
    ada.open("/").await;
    site.store.mend();
    site.store.tell_time(tower_curfew::clock::Timestamp::from_unix_millis(0));
    ada.open("/").await;
    site.store.mend();
    site.store.break_only("end", Fault::Fail);
    site.pass(days(28));
    assert_eq!(ada.clone().open("/").await.status, 503);
    site.store.mend();
    assert_eq!(ada.clone().turned_away_because().await, "idle");
    let brief = NewSession::for_user(USER).orgs([ORG]).at_most(Limits::absolute(hours(1)));
    let brief = site.started(brief).await;
    site.store.break_only("end", Fault::Fail);
    site.pass(hours(1) + minutes(2));
    assert_eq!(brief.clone().turned_away_because().await, "absolute");
    hidden.extend(secrets(&brief));
    let cookie = ada.cookie.clone().unwrap();
    let mut forged = navigation("GET", "/");
    let forgery = format!("{cookie}x; {cookie}");
    forged.headers_mut().insert(COOKIE, HeaderValue::try_from(forgery).unwrap());
    assert_eq!(site.browser().send(forged).await.status, 303);
    hidden
}

#[tokio::test(start_paused = true)]
async fn r36_the_log_says_what_goes_wrong_and_never_to_whom() {
    let (hidden, lines) = Log::of(everything_goes_wrong).await;
    assert!(hidden.len() > 50);

    for wanted in [
        "a session could not be checked",
        "activity could not be recorded",
        "an end could not be recorded",
        "a call on sessions failed",
        "sessions could not be purged",
        "session.started",
        "session.renewed",
        "session.revoked",
        "request.refused",
        "broken on demand",
        "did not answer in time",
        "damaged, or written by a later version",
        "clocks of this machine",
    ] {
        assert!(lines.iter().any(|(_, line)| line.contains(wanted)), "{wanted}: {lines:?}");
    }
    for (level, line) in &lines {
        says_none_of(line, &hidden);
        assert!(!line.contains(ADDRESS), "{line}");
        // The audit log is there to say who.
        if *level <= Level::INFO && !line.starts_with("tower_curfew::audit ") {
            says_none_of(line, &[USER, ORG].map(str::to_owned));
            assert!(!line.contains("Session"), "{line}");
        }
    }
}

#[tokio::test]
async fn r36_errors_name_nobody() {
    let configure = |builder: tower_curfew::Builder| builder.at_most_per_user(1, AtCap::Refuse);
    on_every_store_with(configure, async |site| {
        let (mut ada, client) = (sign_in(&site).await, ClientInfo::for_tests());
        let new = || NewSession::for_user(USER).orgs([ORG]);
        let session = site.session(&ada).await;
        ada.post("/rotate").await;
        let mut errors = vec![
            site.curfew.start(new(), &client).await.unwrap_err(),
            site.curfew.rotate(&session).await.unwrap_err(),
            site.curfew.start(new().named(USER.repeat(99)), &client).await.unwrap_err(),
            site.curfew.set_orgs(USER, [ORG.repeat(99)]).await.unwrap_err(),
        ];
        site.store.break_all(Fault::Fail);
        errors.push(site.curfew.end(&session).await.unwrap_err());
        site.store.mend();
        site.store.garble_rules();
        errors.push(site.curfew.list(USER).await.unwrap_err());
        let mut hidden = secrets(&ada);
        hidden.extend([USER, ADDRESS, ORG].map(str::to_owned));
        hidden.push(session.id().to_string());
        let kinds: Vec<_> = errors.iter().map(Error::kind).collect();
        assert!(
            [ErrorKind::TooManySessions, ErrorKind::SignInRequired, ErrorKind::InvalidName]
                .iter()
                .all(|kind| kinds.contains(kind))
        );
        for error in errors {
            let mut text = format!("{error} {error:?} {error:#?}");
            let mut cause = error.source();
            while let Some(error) = cause {
                write!(text, " {error}").unwrap();
                cause = error.source();
            }
            says_none_of(&text, &hidden);
        }
        let id = session.id().to_string();
        let refused = id[1..].parse::<SessionId>().unwrap_err();
        says_none_of(&format!("{refused} {refused:?}"), &[id[1..].to_owned()]);
    })
    .await;
}

#[tokio::test]
async fn r36_secrets_and_keys_never_print() {
    let key = *b"a key that nobody may ever see!!";
    let store = AnyStore::Memory(MemoryStore::new());
    let site = Site::over(store, |builder| builder);
    let ada = sign_in(&site).await;
    let client = ClientInfo::for_tests();
    let cookie = site.curfew.start(NewSession::for_user(USER), &client).await.unwrap();
    let mut other = site.browser();
    other.cookie = Some(cookie.request_header().to_str().unwrap().to_owned());
    let mut hidden = [secrets(&ada), secrets(&other)].concat();
    hidden.extend(["a key that", "97, 32, 107", "7, 7, 7", "\\x07"].map(str::to_owned));

    let session = site.session(&ada).await;
    let own = tower_curfew::Keyring::from_bytes(key).unwrap().and_accept([7; 32]).unwrap();
    let builder = Curfew::builder(MemoryStore::new(), own.clone());
    let layer = site.curfew.layer();
    let service = layer.layer(service_fn(async |_: ()| Ok::<_, ()>(())));
    let mut headers = axum::http::HeaderMap::new();
    cookie.append_to(&mut headers);
    let response = axum::response::IntoResponse::into_response((cookie.clone(), "hello"));
    let record = site.store.peek(session.id()).await.unwrap();
    hidden.push(format!("{:?}", &record.secret_hash().as_bytes()[..8]).replace(['[', ']'], ""));
    let prints: [&dyn fmt::Debug; 15] = [
        &site.curfew,
        &layer,
        &service,
        &own,
        &keyring(),
        &builder,
        &cookie,
        &cookie.header_value(),
        &cookie.request_header(),
        &headers,
        &response,
        &session,
        &Presence::Live(session.clone()),
        &site.curfew.list(USER).await.unwrap(),
        &record,
    ];
    for print in prints {
        let text = format!("{print:?} {print:#?}");
        assert!(!text.is_empty());
        says_none_of(&text, &hidden);
    }
    let id = session.id().to_string();
    assert!(format!("{session:?}").contains(&id) && format!("{record:?}").contains(&id));
    assert_eq!(format!("{own:?}"), "Keyring(2 keys)");
    let built = builder.clock(site.clock.clone()).timeout(Duration::SECOND).build().unwrap();
    says_none_of(&format!("{built:?}"), &hidden);
}

#[tokio::test]
async fn r36_neither_users_nor_addresses_print() {
    let printed = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let told = printed.clone();
    let site = Site::over(AnyStore::Memory(MemoryStore::new()), move |builder| {
        builder.on_event(move |event| {
            let mut told = told.lock().unwrap();
            write!(told, "{event:?} {:?}", event.kind).unwrap();
        })
    });
    let ada = sign_in(&site).await;
    let session = site.session(&ada).await;
    let which = Selector::user(USER).only(session.id());
    let client = session.client();
    assert_eq!(client.address.map(|address| address.to_string()).as_deref(), Some(ADDRESS));
    let prints: [&dyn fmt::Debug; 5] = [
        &client,
        &session,
        &which,
        &Selector::link("oidc", USER),
        &NewSession::for_user(USER).named(USER).link("oidc", USER),
    ];
    let mut text = prints.iter().map(|print| format!("{print:?} {print:#?}")).collect::<String>();
    assert_eq!(site.curfew.operator("tests").revoke(which).await.unwrap(), 1);
    text.push_str(&printed.lock().unwrap());
    assert!(text.contains("session.started") && text.contains("session.revoked"), "{text}");
    says_none_of(&text, &[USER.to_owned(), ADDRESS.to_owned()]);
}
