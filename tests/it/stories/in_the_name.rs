//! What is done in the name of a session, and what a token takes over from it.

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use http_body_util::channel::Channel;
use tower::ServiceExt as _;
use tower_curfew::{
    ClientInfo, Curfew, Error, ErrorKind, NewSession, OrgPolicy, Selector, Session, fresh_within,
    org_routes,
};

use crate::support::{Browser, MS, Site, days, hours, on_every_store};

const WEEK: OrgPolicy = OrgPolicy::absolute(time::Duration::days(7));

/// What can be done in the name of a session, each by a name.
async fn done(curfew: &Curfew, by: &Session, what: &str) -> Result<(), Error> {
    match what {
        "issue_token" => curfew.issue_token(by, NewSession::for_user("ada")).await.map(drop),
        "set_policy" => curfew.set_policy(by, "acme", WEEK).await,
        "clear_policy" => curfew.clear_policy(by, "acme").await,
        "set_policy_for_everyone" => curfew.set_policy_for_everyone(by, WEEK).await,
        "clear_policy_for_everyone" => curfew.clear_policy_for_everyone(by).await,
        "revoke" => curfew.revoke(by, Selector::user("grace")).await.map(drop),
        "revoke_org" => curfew.revoke_org(by, "acme").await,
        "revoke_everyone" => curfew.revoke_everyone(by).await,
        _ => unreachable!(),
    }
}

const ALL: [&str; 8] = [
    "issue_token",
    "set_policy",
    "clear_policy",
    "set_policy_for_everyone",
    "clear_policy_for_everyone",
    "revoke",
    "revoke_org",
    "revoke_everyone",
];

#[tokio::test]
async fn r39_nothing_is_done_in_the_name_of_a_session_that_has_ended() {
    on_every_store(async |site| {
        site.curfew.operator("tests").set_policy("initech", WEEK).await.unwrap();
        for how in ["ended", "revoked", "rotated", "organization", "policy", "idle"] {
            let mut grace = site.signed_in("grace", &[]).await;
            let ada = site.signed_in("ada", &["initech"]).await;
            let session = site.session(&ada).await;
            match how {
                "ended" => drop(ada.clone().post("/logout").await),
                "revoked" => {
                    site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap();
                }
                "rotated" => drop(ada.clone().post("/rotate").await),
                "organization" => site.revoke_org("initech").await,
                "policy" => {
                    site.pass(days(2));
                    site.set_policy("initech", OrgPolicy::absolute(days(1))).await;
                }
                _ => {
                    site.pass(days(27));
                    assert!(grace.is_signed_in().await);
                    site.pass(days(1));
                }
            }
            for what in ALL {
                let error = done(&site.curfew, &session, what).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::SignInRequired, "{what}, {how}");
            }
            assert!(grace.is_signed_in().await, "{how}");
            assert_eq!(site.curfew.policy("acme").await.unwrap(), None, "{how}");
            assert_eq!(site.curfew.policy_for_everyone().await.unwrap(), None, "{how}");
            site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap();
            site.curfew.operator("tests").revoke(Selector::user("grace")).await.unwrap();
            site.set_policy("initech", WEEK).await;
        }
    })
    .await;
}

#[tokio::test]
async fn r39_all_of_it_is_done_in_the_name_of_a_session_that_lives() {
    on_every_store(async |site| {
        for what in ALL {
            let session = site.session(&site.signed_in("ada", &[]).await).await;
            done(&site.curfew, &session, what).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn r26_revoking_says_what_makes_the_browser_forget_its_cookie() {
    on_every_store(async |site| {
        let ada = site.signed_in("ada", &[]).await;
        let session = site.session(&ada).await;
        let all = || Selector::user("ada");
        for (which, clears) in [
            (all().except(session.id()), false),
            (Selector::user("grace"), false),
            (Selector::user("grace").only(session.id()), false),
            (all().only(session.id()), true),
        ] {
            let revoked = site.curfew.revoke(&session, which.clone()).await.unwrap();
            let header = revoked.set_cookie.header_value();
            assert_eq!(header.is_some(), clears, "{which:?}");
            assert_eq!(revoked.sessions, u64::from(clears), "{which:?}");
        }
        let session = site.session(&site.program(NewSession::for_user("ada")).await).await;
        let revoked = site.curfew.revoke(&session, all()).await.unwrap();
        assert_eq!((revoked.sessions, revoked.set_cookie.header_value()), (1, None));
    })
    .await;
}

#[tokio::test]
async fn r28_a_sign_in_tells_which_session_it_has_begun() {
    let site = Site::new();
    let client = ClientInfo::for_tests();
    let cookie = site.curfew.start(NewSession::for_user("ada"), &client).await.unwrap();
    let listed = site.curfew.list("ada").await.unwrap();
    assert_eq!(cookie.session(), Some(listed[0].id()));
    let session = site.session(&site.signed_in("ada", &[]).await).await;
    assert_eq!(site.curfew.rotate(&session).await.unwrap().session(), Some(session.id()));
    let session = site.session(&site.signed_in("ada", &[]).await).await;
    assert_eq!(site.curfew.end(&session).await.unwrap().session(), None, "it is deleted");
}

/// Sends all of a request but the end of its body, does something, and sends the rest.
async fn slowly(
    site: &Site,
    request: axum::http::request::Builder,
    [begin, rest]: [&'static str; 2],
    meanwhile: impl AsyncFnOnce(),
) -> StatusCode {
    let router = site.router_with(Router::new().nest("/api", org_routes(async |_, _| true)));
    let (mut parts, body) = Channel::<Bytes>::new(1);
    let request = request.header(CONTENT_TYPE, "application/json").body(Body::new(body)).unwrap();
    let asked = tokio::spawn(router.oneshot(request));
    // There is room for one: the third is taken only when the first has been read.
    for part in [begin, " ", " "] {
        parts.send_data(Bytes::from_static(part.as_bytes())).await.unwrap();
    }
    meanwhile().await;
    parts.send_data(Bytes::from_static(rest.as_bytes())).await.unwrap();
    drop(parts);
    asked.await.unwrap().unwrap().status()
}

async fn everywhere(site: &Site) {
    let mut other = site.signed_in("ada", &[]).await;
    assert_eq!(other.fetch("DELETE", "/account/sessions").await.status, 200);
}

#[tokio::test]
async fn r39_trap_41_a_slow_body_does_nothing_after_a_log_out_everywhere() {
    on_every_store(async |site| {
        let cookie = |ada: &Browser| ada.cookie.clone().unwrap();
        let ada = site.signed_in("ada", &[]).await;
        let token = Request::post("/account/tokens").header(COOKIE, cookie(&ada));
        let body = [r#"{"name":"#, r#""laptop"}"#];
        let status = slowly(&site, token, body, async || everywhere(&site).await).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(site.curfew.list("ada").await.unwrap().len(), 0, "no token is left");

        let ada = site.signed_in("ada", &[]).await;
        let policy = Request::put("/api/organizations/acme/policy").header(COOKIE, cookie(&ada));
        let body = [r#"{"absolute_seconds":"#, "3600}"];
        let status = slowly(&site, policy, body, async || everywhere(&site).await).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(site.curfew.policy("acme").await.unwrap(), None);

        let ada = site.signed_in("ada", &[]).await;
        let token = Request::post("/account/tokens").header(COOKIE, cookie(&ada));
        let body = [r#"{"name":"#, r#""laptop"}"#];
        assert_eq!(slowly(&site, token, body, async || {}).await, StatusCode::CREATED);
    })
    .await;
}

/// Without the second look, whoever ends all sessions between the first one and the insertion would
/// miss the token.
#[tokio::test]
async fn r39_trap_41_a_token_that_is_issued_while_all_sessions_end_does_not_stay() {
    on_every_store(async |site| {
        let session = site.session(&site.signed_in("ada", &[]).await).await;
        let mut held = site.store.hold("insert");
        let curfew = site.curfew.clone();
        let issuing =
            tokio::spawn(
                async move { curfew.issue_token(&session, NewSession::for_user("ada")).await },
            );
        held.arrived().await;
        site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap();
        held.release();
        let error = issuing.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SignInRequired);
        assert_eq!(site.curfew.list("ada").await.unwrap().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn r30_trap_42_a_token_is_no_fresher_than_the_session_that_issued_it() {
    on_every_store(async |site| {
        let guarded = Router::new()
            .route("/danger", post(async || "done"))
            .route_layer(fresh_within(hours(1)));
        let router = site.router_with(guarded);
        let ada = site.signed_in("ada", &[]).await;
        site.pass(hours(1) + MS);
        let stale = site.session(&ada).await;
        let new = NewSession::for_user("ada").named("laptop");
        let issued = site.curfew.issue_token(&stale, new.clone()).await.unwrap();
        let mut program = site.browser().at(&router);
        program.bearer = Some(issued.request_header().to_str().unwrap().to_owned());
        let answer = program.fetch("POST", "/danger").await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer error=\"insufficient_user_authentication\", \
             error_description=\"prove again who you are to do this\", max_age=\"3600\""
        );

        ada.clone().post("/again").await;
        let mut again = ada.clone();
        again.sign_in("ada", &[]).await;
        let fresh = site.session(&again).await;
        let issued = site.curfew.issue_token(&fresh, new.clone()).await.unwrap();
        program.bearer = Some(issued.request_header().to_str().unwrap().to_owned());
        assert_eq!(program.fetch("POST", "/danger").await.status, 200);
        site.pass(hours(1) + MS);
        assert_eq!(program.fetch("POST", "/danger").await.status, 401, "nor does it stay fresh");
    })
    .await;
}

#[tokio::test]
async fn r30_where_a_fresh_sign_in_is_wanted_each_is_told_so_in_its_own_way() {
    let site = Site::with(|builder| builder.confirm_at("/confirm"));
    let guarded =
        Router::new().route("/danger", post(async || "done")).route_layer(fresh_within(hours(1)));
    let mut ada = site.signed_in("ada", &[]).await.at(&site.router_with(guarded));
    assert_eq!(ada.post("/danger").await.status, 200);
    site.pass(hours(1) + MS);
    let navigation = ada.post("/danger").await;
    assert_eq!((navigation.status.as_u16(), navigation.header("location")), (303, "/confirm"));
    let script = ada.fetch("POST", "/danger").await;
    assert_eq!(script.status, 401);
    assert_eq!(script.json()["reason"], "insufficient_user_authentication");
    assert_eq!(script.json()["max_age"], 3600);
    assert_eq!(script.json()["login_url"], "/confirm");
    let challenge = script.header("www-authenticate").to_owned();
    assert!(challenge.starts_with("Cookie form-action=\"/confirm\", cookie-name="), "{challenge}");
    assert!(challenge.ends_with(", max_age=\"3600\""), "{challenge}");
    assert!(ada.is_signed_in().await, "the session goes on");
    for answer in [&navigation, &script] {
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn r30_a_session_knows_how_the_person_proved_who_they_are() {
    on_every_store(async |site| {
        let methods = |session: &Session| session.methods().map(str::to_owned).collect::<Vec<_>>();
        let plain = site.session(&site.started(NewSession::for_user("ada")).await).await;
        assert!(methods(&plain).is_empty() && !plain.has_method("pwd"));

        let ada = site.started(NewSession::for_user("ada").methods(["pwd"])).await;
        let session = site.session(&ada).await;
        assert!(session.has_method("pwd") && !session.has_method("otp"));
        let cookie = site.curfew.reauthenticated_with(&session, ["otp", "mfa"]).await.unwrap();
        let mut ada = ada.clone();
        ada.cookie = Some(cookie.request_header().to_str().unwrap().to_owned());
        site.pass(days(1));
        let session = site.session(&ada).await;
        assert_eq!(methods(&session), ["mfa", "otp", "pwd"]);

        for (new, expected) in [
            (NewSession::for_user("ada"), &["mfa", "otp", "pwd"][..]),
            (NewSession::for_user("ada").methods(["swk"]), &["swk"]),
        ] {
            let issued = site.curfew.issue_token(&session, new).await.unwrap();
            let mut program = site.browser();
            program.bearer = Some(issued.request_header().to_str().unwrap().to_owned());
            assert_eq!(methods(&site.session(&program).await), expected);
        }
        for wrong in ["", " ", "one time", "é", &"x".repeat(33)] {
            let new = NewSession::for_user("ada").methods([wrong]);
            let error = site.curfew.start(new, &ClientInfo::for_tests()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidMethod, "{wrong}");
        }
        let many = NewSession::for_user("ada").methods((0..17).map(|n| n.to_string()));
        let error = site.curfew.start(many, &ClientInfo::for_tests()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMethod);
    })
    .await;
}

#[tokio::test]
async fn r24_a_list_tells_when_each_was_last_seen_and_that_a_token_never_was() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &["acme"]).await;
        let mut program = site.program(NewSession::for_user("ada").named("backup")).await;
        let started = site.now();
        site.pass(days(1));
        let last_seen = async |of: &Browser| {
            let list = site.curfew.list("ada").await.unwrap();
            list.iter().find(|listed| listed.id() == of.session()).unwrap().last_seen_at()
        };
        assert_eq!(last_seen(&ada).await, Some(started));
        assert_eq!(last_seen(&program).await, None);
        // An admin's change is no activity.
        site.set_policy("acme", WEEK).await;
        assert_eq!(last_seen(&ada).await, Some(started));
        assert!(ada.is_signed_in().await && program.is_signed_in().await);
        assert_eq!(last_seen(&ada).await, Some(site.now()));
        assert_eq!(last_seen(&program).await, Some(site.now()));
    })
    .await;
}

#[tokio::test]
async fn what_an_answer_in_json_carries_is_serialize() {
    let site = Site::new();
    let route = get(async |session: Session| {
        Json(serde_json::json!({
            "session": &*session,
            "policy": WEEK,
            "ended": tower_curfew::Ended::revoked(session.created_at()),
        }))
    });
    let router = site.router_with(Router::new().route("/json", route));
    let json = site.signed_in("ada", &[]).await.at(&router).fetch("GET", "/json").await.json();
    assert_eq!(json["session"]["kind"], "browser");
    assert_eq!(json["session"]["created_at"], "2026-01-01T00:00:00Z");
    assert_eq!(
        json["policy"],
        serde_json::json!({ "absolute_seconds": 604_800, "idle_seconds": null })
    );
    let ended = serde_json::json!({
        "at": "2026-01-01T00:00:00Z", "reason": "revoked", "organization": null
    });
    assert_eq!(json["ended"], ended);
}
