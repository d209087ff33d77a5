//! What a handler may ask for and return with axum, and what it does with the handle.

use std::net::SocketAddr;

use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use time::Duration;
use tower_curfew::{
    AtCap, ClientInfo, Curfew, Error, Limits, NewSession, OrgPolicy, Presence, ReturnTo, Selector,
    Session, SetCookie,
};

use crate::support::{
    Answer, Browser, MS, Site, days, hours, minutes, navigation, on_every_store,
    on_every_store_with, send,
};

async fn who(session: Session) -> String {
    session.user().to_owned()
}

async fn maybe(session: Option<Session>) -> String {
    session.map_or("nobody".to_owned(), |session| session.user().to_owned())
}

async fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Live(_) => "live",
        Presence::Ended(_) => "ended",
        Presence::Anonymous => "anonymous",
    }
}

async fn others(session: Session, curfew: Curfew) -> Result<String, Error> {
    let others = Selector::user(session.user()).except(session.id());
    Ok(curfew.operator("tests").revoke(others).await?.to_string())
}

async fn client(client: ClientInfo) -> String {
    let known = client.client();
    let address = known.address.map(|address| address.to_string());
    let words = [known.agent.as_deref(), address.as_deref()];
    words.map(|word| word.unwrap_or("-").to_owned()).join(" from ")
}

async fn back(back: ReturnTo) -> Redirect {
    back.or("/home?new=1")
}

/// Everything that can be extracted, in a router without a state.
fn asking() -> Router {
    Router::new()
        .route("/who", get(who))
        .route("/maybe", get(maybe))
        .route("/presence", get(presence))
        .route("/others", post(others))
        .route("/client", get(client))
        .route("/back", get(back))
}

#[tokio::test]
async fn a_handler_is_given_what_it_asks_for_without_any_state() {
    on_every_store(async |site| {
        let router = asking().layer(site.curfew.layer());
        let ended = site.signed_in("ada", &[]).await;
        ended.clone().post("/logout").await;
        let elsewhere = site.signed_in("ada", &[]).await;
        for (old, seen, status) in [
            (&site.signed_in("ada", &[]).await, ["ada", "ada", "live", "1"], 200),
            (&ended, ["", "nobody", "ended", ""], 401),
            (&site.browser(), ["", "nobody", "anonymous", ""], 401),
        ] {
            let mut browser = old.at(&router);
            let who = browser.fetch("GET", "/who").await;
            assert_eq!(who.status, status);
            let maybe = browser.fetch("GET", "/maybe").await;
            let presence = browser.fetch("GET", "/presence").await;
            let others = browser.fetch("POST", "/others").await;
            assert_eq!(others.status, status);
            assert_eq!([&*maybe.body, &presence.body], seen[1..3]);
            if status == 200 {
                assert_eq!([&*who.body, &others.body], [seen[0], seen[3]]);
            }
        }
        assert_eq!(elsewhere.clone().turned_away_because().await, "revoked");
    })
    .await;
}

#[tokio::test]
async fn a_route_without_the_layer_says_what_to_do() {
    let paths = ["/who", "/maybe", "/presence", "/client"];
    for path in paths {
        let answer = send(&asking(), navigation("GET", path)).await;
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.body.contains("`.layer(curfew.layer())`"), "{}", answer.body);
    }
    assert_eq!(send(&asking(), navigation("POST", "/others")).await.status, 500);
    // This one needs no layer.
    for (query, leads) in [("", "/home?new=1"), ("?return_to=%2Fa%2F..%2Fb", "/b")] {
        let answer = send(&asking(), navigation("GET", &format!("/back{query}"))).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, leads));
    }
}

#[tokio::test]
async fn a_client_is_known_by_the_peer_of_its_connection_and_its_user_agent() {
    let site = Site::new();
    let router = asking().layer(site.curfew.layer());
    let peer = SocketAddr::from(([203, 0, 113, 7], 4711));
    for (is_known, seen) in [(false, "Mosaic from -"), (true, "Mosaic from 203.0.113.7")] {
        let mut request = navigation("GET", "/client");
        for (name, value) in
            [("user-agent", "Mosaic"), ("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=6.6.6.6")]
        {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        if is_known {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        assert_eq!(send(&router, request).await.body, seen);
    }
    assert_eq!(send(&router, navigation("GET", "/client")).await.body, "- from -");
}

/// As axum's own `ConnectInfo` can be given to a router that is tested without a connection.
#[tokio::test]
async fn a_test_may_say_the_address_of_its_client_as_with_axum() {
    let site = Site::new();
    let peer = SocketAddr::from(([203, 0, 113, 7], 4711));
    let router = asking().layer(site.curfew.layer()).layer(MockConnectInfo(peer));
    let answer = send(&router, navigation("GET", "/client")).await;
    assert_eq!(answer.body, "- from 203.0.113.7");
}

#[tokio::test]
async fn a_cookie_is_returned_alone_or_with_the_rest_of_a_response() {
    async fn alone(State(curfew): State<Curfew>, client: ClientInfo) -> Result<SetCookie, Error> {
        curfew.start(NewSession::for_user("ada"), &client).await
    }
    async fn with_more(
        State(curfew): State<Curfew>,
        client: ClientInfo,
    ) -> Result<impl IntoResponse, Error> {
        let cookie = curfew.start(NewSession::for_user("ada"), &client).await?;
        let other =
            [("set-cookie", "theme=dark; Path=/"), ("vary", "Accept"), ("cache-control", "public")];
        Ok((axum::http::StatusCode::CREATED, other, cookie, Json("welcome")))
    }
    let more = Router::new().route("/alone", post(alone)).route("/more", post(with_more));
    let site = Site::new();
    let mut ada = Browser::new(site.router_with(more));
    let answer = ada.post("/alone").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""));
    assert_eq!(answer.set_cookies().len(), 1);
    assert!(ada.is_signed_in().await);
    let answer = ada.post("/more").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (201, "\"welcome\""));
    let [theirs, ours] = answer.set_cookies()[..] else { panic!("{answer:?}") };
    assert!(
        theirs == "theme=dark; Path=/" && ours.starts_with("__Host-Http-session="),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["Accept", "Cookie"]);
}

#[tokio::test]
async fn an_error_is_a_response() {
    fn problem(answer: &Answer, status: u16, title: &str) {
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("location"), "");
        let start = format!(r#"{{"title":"{title}"#);
        assert!(answer.body.starts_with(&start), "{}", answer.body);
        assert!(answer.body.ends_with(&format!(r#","status":{status}}}"#)), "{}", answer.body);
    }
    let configure = |b: tower_curfew::Builder| b.at_most_per_user(1, AtCap::Refuse);
    on_every_store_with(configure, async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        problem(&site.browser().post("/login?user=ada").await, 409, "too many active sessions");
        let long = "x".repeat(513);
        problem(&ada.post(&format!("/login?user={long}")).await, 422, "the name of a user");
        site.store.break_only("rotate", crate::support::Fault::Fail);
        let failed = ada.post("/rotate").await;
        problem(&failed, 503, "sessions cannot be checked just now");
        assert_ne!(failed.header("retry-after"), "");
        site.store.mend();
        assert!(ada.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r11_a_session_that_was_rotated_meanwhile_must_sign_in_again() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let stale = site.session(&ada).await;
        assert_eq!(ada.post("/rotate").await.status, 200);
        for refused in [site.curfew.rotate(&stale).await, site.curfew.reauthenticated(&stale).await]
        {
            let response: Response = refused.unwrap_err().into_response();
            assert_eq!(response.status(), 401);
            assert!(response.headers().get("set-cookie").is_none());
        }
        assert!(ada.is_signed_in().await, "nothing was changed");
        let session = site.session(&ada).await;
        site.curfew.operator("tests").revoke(Selector::user("ada")).await.unwrap();
        let refused = site.curfew.rotate(&session).await.unwrap_err();
        assert_eq!(refused.into_response().status(), 401);
        assert_eq!(ada.turned_away_because().await, "revoked");
    })
    .await;
}

#[tokio::test]
async fn r30_who_just_proved_who_they_are_is_told_from_who_did_so_long_ago() {
    const WINDOW: Duration = Duration::minutes(10);
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let is_fresh = async |ada: &Browser| site.session(ada).await.authenticated_within(WINDOW);
        site.pass(WINDOW);
        assert!(is_fresh(&ada).await);
        site.pass(MS);
        assert!(!is_fresh(&ada).await);
        assert_eq!(ada.post("/rotate").await.status, 200);
        assert!(!is_fresh(&ada).await, "a new secret proves nothing");
        let old = ada.clone();
        assert_eq!(ada.post("/again").await.status, 200);
        assert!(is_fresh(&ada).await);
        site.pass(WINDOW + MS);
        assert!(!is_fresh(&ada).await);
        assert_eq!(old.clone().open("/presence").await.body, "anonymous", "its secret is dead");
    })
    .await;
}

#[tokio::test]
async fn r30_to_prove_it_again_moves_neither_the_sign_in_nor_any_end() {
    let limits = Limits::absolute(days(1)).and_idle(hours(12));
    on_every_store_with(
        |builder| builder.limits(limits),
        async |site| {
            site.set_policy("acme", OrgPolicy::absolute(hours(20))).await;
            let mut ada = site.signed_in("ada", &["acme"]).await;
            // Not so long that activity is due to be recorded.
            site.pass(minutes(30));
            let before = site.session(&ada).await;
            assert_eq!(ada.post("/again").await.status, 200);
            let after = site.session(&ada).await;
            assert_eq!(after.authenticated_at().since(before.authenticated_at()), minutes(30));
            assert_eq!(after.id(), before.id());
            assert_eq!(after.created_at(), before.created_at());
            assert_eq!(after.schedule(), before.schedule());
            for _ in 0..19 {
                site.pass(hours(1));
                assert_eq!(ada.post("/again").await.status, 200);
            }
            site.pass(minutes(30) - MS);
            assert!(ada.is_signed_in().await);
            site.pass(MS);
            assert_eq!(ada.turned_away_because().await, "absolute acme");
        },
    )
    .await;
}
