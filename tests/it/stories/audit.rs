//! What the app learns for its audit log: every start, end, refusal, change of a policy, and
//! revocation, with who, whom and why.

use std::sync::{Arc, Mutex};

use axum::http::header::{AUTHORIZATION, COOKIE, USER_AGENT};
use tower_curfew::clock::Timestamp;
use tower_curfew::event::{Event, EventKind, RefusalReason};
use tower_curfew::{
    AtCap, Builder, EndReason, Ended, Keyring, Limits, NewSession, OrgPolicy, Selector, SessionKind,
};

use crate::support::{Browser, Fault, MS, Site, days, hours, navigation, send};

/// What the hook was shown.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl Events {
    /// Those since this was asked last.
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    #[track_caller]
    fn one(&self) -> Event {
        let events = self.take();
        let [event] = &events[..] else { panic!("{events:?}") };
        event.clone()
    }

    fn refusals(&self) -> Vec<&'static str> {
        let reason = |event: &Event| match &event.kind {
            EventKind::Refused { why, .. } => Some(why.as_str()),
            _ => None,
        };
        self.take().iter().filter_map(reason).collect()
    }
}

fn audited() -> (Site, Events) {
    audited_with(|builder| builder)
}

fn audited_with(configure: impl FnOnce(Builder) -> Builder) -> (Site, Events) {
    let events = Events::default();
    let told = events.0.clone();
    let hook = move |event: &Event| told.lock().unwrap().push(event.clone());
    (Site::with(|builder| configure(builder).on_event(hook)), events)
}

fn somebody(name: &str) -> Option<Arc<str>> {
    Some(name.into())
}

fn ended(at: Timestamp, reason: EndReason, org: Option<&str>) -> Ended {
    Ended { at, reason, org: org.map(Into::into) }
}

#[tokio::test]
async fn a_sign_in_tells_who_with_what_client_and_what_it_replaced() {
    let (site, events) = audited();
    let mut ada = site.browser();
    let mut request = navigation("POST", "/login?user=ada&org=acme");
    request.headers_mut().insert(USER_AGENT, "curl/8.5.0".parse().unwrap());
    ada.send(request).await;
    let first = ada.session();
    let event = events.one();
    assert_eq!((event.at, event.actor), (site.now(), somebody("ada")));
    let EventKind::Started { user, session, kind, client, replaced } = event.kind else { panic!() };
    assert_eq!((&*user, session, kind, replaced), ("ada", first, SessionKind::Browser, vec![]));
    assert_eq!(client.agent.as_deref(), Some("curl/8.5.0"));

    ada.sign_in("ada", &[]).await;
    let EventKind::Started { session, replaced, .. } = events.one().kind else { panic!() };
    assert_eq!((session, replaced), (ada.session(), vec![first]));

    let new = NewSession::for_user("ada").named("laptop");
    let issued = site.curfew.operator("grace").issue_token(new).await.unwrap();
    let event = events.one();
    assert_eq!(event.actor, somebody("grace"), "she has issued it");
    let EventKind::Started { user, session, kind, .. } = event.kind else { panic!() };
    assert_eq!((&*user, session, kind), ("ada", issued.id(), SessionKind::Token));
}

#[tokio::test]
async fn r29_a_sign_in_that_the_cap_refuses_is_told() {
    let (site, events) = audited_with(|builder| builder.at_most_per_user(1, AtCap::Refuse));
    site.signed_in("ada", &[]).await;
    events.take();
    site.browser().post("/login?user=ada").await;
    assert_eq!(events.one().kind, EventKind::StartRefused { user: "ada".into() });
}

#[tokio::test]
async fn a_renewal_tells_whether_the_person_proved_who_they_are() {
    let (site, events) = audited();
    let mut ada = site.signed_in("ada", &[]).await;
    let session = ada.session();
    events.take();
    for (path, reauthenticated) in [("/rotate", false), ("/again", true)] {
        ada.post(path).await;
        let event = events.one();
        assert_eq!(event.actor, somebody("ada"));
        assert_eq!(event.kind, EventKind::Renewed { user: "ada".into(), session, reauthenticated });
    }
}

#[tokio::test]
async fn r05_an_end_is_told_once_with_its_time_reason_and_organization() {
    let (site, events) = audited();
    let ada = site.signed_in("ada", &["acme"]).await;
    let (start, session) = (site.now(), ada.session());
    site.set_policy("acme", OrgPolicy::absolute(days(1))).await;
    site.pass(days(3));
    events.take();
    for first in [true, false] {
        assert_eq!(ada.clone().turned_away_because().await, "absolute acme");
        let over = ended(start + days(1), EndReason::Absolute, Some("acme"));
        let user: Arc<str> = "ada".into();
        let refused = EventKind::Refused {
            why: RefusalReason::Ended(over.clone()),
            session: Some(session),
            user: Some(user.clone()),
        };
        let mut told = vec![refused];
        if first {
            told.insert(0, EventKind::Ended { user, session, ended: over });
        }
        let events = events.take();
        assert!(events.iter().all(|event| event.actor.is_none()), "nobody did it: {events:?}");
        assert_eq!(events.into_iter().map(|event| event.kind).collect::<Vec<_>>(), told);
    }

    let mut grace = site.signed_in("grace", &[]).await;
    let session = grace.session();
    events.take();
    grace.post("/logout").await;
    let event = events.one();
    assert_eq!(event.actor, somebody("grace"));
    let over = ended(site.now(), EndReason::Revoked, None);
    assert_eq!(event.kind, EventKind::Ended { user: "grace".into(), session, ended: over });
}

#[tokio::test]
async fn r26_a_revocation_tells_what_was_chosen_and_how_many_they_were() {
    let (site, events) = audited_with(|builder| builder.limits(Limits::idle(days(7))));
    let away = site.signed_in("ada", &[]).await.session();
    let since = site.now();
    site.pass(days(6));
    let here = site.signed_in("ada", &[]).await;
    site.signed_in("ada", &[]).await;
    site.pass(days(1));
    events.take();
    let others = Selector::user("ada").except(here.session());
    site.curfew.operator("ada").revoke(others.clone()).await.unwrap();
    let told = events.take();
    let [idle, revoked] = &told[..] else { panic!("{told:?}") };
    let over = ended(since + days(7), EndReason::Idle, None);
    assert_eq!(idle.kind, EventKind::Ended { user: "ada".into(), session: away, ended: over });
    assert_eq!(revoked.actor, somebody("ada"));
    assert_eq!(revoked.kind, EventKind::Revoked { which: others, sessions: 1 });

    site.curfew.operator("tests").revoke(Selector::user("nobody")).await.unwrap();
    assert_eq!(events.take(), [], "nothing has happened");
}

#[tokio::test]
async fn r14_changes_of_a_policy_and_revocations_of_an_organization_tell_who_did_them() {
    let (site, events) = audited();
    let grace = site.curfew.operator("grace");
    let (org, week): (Arc<str>, _) = ("acme".into(), OrgPolicy::absolute(days(7)));
    grace.set_policy("acme", week).await.unwrap();
    let event = events.one();
    assert_eq!((event.at, event.actor), (site.now(), somebody("grace")));
    assert_eq!(event.kind, EventKind::PolicyChanged { org: Some(org.clone()), policy: Some(week) });

    grace.set_policy("acme", week).await.unwrap();
    assert_eq!(events.take(), [], "it was in force already");
    site.curfew.operator("tests").clear_policy("acme").await.unwrap();
    let event = events.one();
    assert_eq!(event.actor, somebody("tests"), "the program has said who");
    assert_eq!(event.kind, EventKind::PolicyChanged { org: Some(org.clone()), policy: None });
    site.curfew.operator("tests").clear_policy("acme").await.unwrap();
    assert_eq!(events.take(), []);

    grace.revoke_org("acme").await.unwrap();
    let event = events.one();
    assert_eq!((event.actor, event.kind), (somebody("grace"), EventKind::OrgRevoked { org }));
}

async fn with_header(site: &Site, name: axum::http::HeaderName, value: &str) {
    let mut request = navigation("GET", "/landing");
    request.headers_mut().insert(name, value.parse().unwrap());
    send(&site.router, request).await;
}

#[tokio::test]
async fn r34_each_refusal_is_told_with_its_reason() {
    let (site, events) = audited();
    site.browser().open("/").await;
    assert_eq!(events.take(), [], "who presents nothing is not refused");

    let mut ada = site.signed_in("ada", &[]).await;
    let (session, cookie) = (ada.session(), ada.cookie.clone().unwrap());
    events.take();
    with_header(&site, COOKIE, &format!("{cookie}x")).await;
    with_header(&site, AUTHORIZATION, "Bearer curfew_abc").await;
    assert_eq!(events.refusals(), ["unverified", "unverified"]);
    with_header(&site, COOKIE, &format!("{cookie}; {cookie}x")).await;
    assert_eq!(events.refusals(), ["conflicting"]);

    let old = ada.clone();
    ada.post("/rotate").await;
    events.take();
    old.clone().open("/landing").await;
    let what = events.one().kind;
    let (why, user) = (RefusalReason::Superseded, somebody("ada"));
    assert_eq!(what, EventKind::Refused { why, session: Some(session), user });

    site.store.break_only("load", Fault::Fail);
    ada.open("/").await;
    let (why, session) = (RefusalReason::Unavailable, Some(session));
    assert_eq!(events.one().kind, EventKind::Refused { why, session, user: None });
    site.store.mend();

    site.pass(days(35));
    ada.open("/landing").await;
    assert_eq!(events.refusals(), ["unknown"], "it is as good as purged");
    let other = Keyring::from_bytes([8; 32]).unwrap();
    let elsewhere = tower_curfew::Curfew::builder(site.store.clone(), other);
    let elsewhere = elsewhere.timeout(time::Duration::MINUTE).build().unwrap();
    let foreign = elsewhere
        .start(NewSession::for_user("ada"), &tower_curfew::ClientInfo::for_tests())
        .await
        .unwrap();
    with_header(&site, COOKIE, foreign.request_header().to_str().unwrap()).await;
    assert_eq!(events.refusals(), ["unverified"]);
}

#[tokio::test]
async fn r34_what_is_alive_or_never_written_is_not_told() {
    let (site, events) = audited();
    let mut ada = site.signed_in("ada", &[]).await;
    events.take();
    for _ in 0..3 {
        site.pass(hours(2));
        assert!(ada.is_signed_in().await);
    }
    site.store.break_only("end", Fault::Fail);
    let _ = site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap_err();
    ada.clone().post("/logout").await;
    assert_eq!(events.take(), [], "neither a visit nor what could not be done");
    site.store.mend();
    site.pass(MS);
    assert!(ada.is_signed_in().await);
}

#[tokio::test]
async fn r39_what_is_done_in_the_name_of_a_session_tells_whose_it_is() {
    let (site, events) = audited();
    let mut ada: Browser = site.signed_in("ada", &["acme"]).await;
    let revoke = async |session: tower_curfew::Session, curfew: tower_curfew::Curfew| {
        curfew.revoke_org(&session, "acme").await
    };
    let router = axum::Router::new().route("/revoke", axum::routing::post(revoke));
    let router = site.router_with(router);
    events.take();
    ada = ada.at(&router);
    assert_eq!(ada.post("/revoke").await.status, 200);
    assert_eq!(events.one().actor, somebody("ada"));
}
