//! The account page: the sessions and tokens that people see of themselves, and end.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::MockConnectInfo;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tower_curfew::{Builder, Limits, NewSession, OrgPolicy};

use super::org_routes::ask;
use crate::support::{
    Browser, MS, days, hours, minutes, on_every_store, on_every_store_with, seconds,
};

pub(super) const SESSION: &str = "/account/session";
pub(super) const SESSIONS: &str = "/account/sessions";
const OTHERS: &str = "/account/sessions?except=current";

pub(super) fn ada() -> NewSession {
    NewSession::for_user("ada")
}

pub(super) fn path_of(browser: &Browser) -> String {
    format!("{SESSIONS}/{}", browser.session())
}

pub(super) async fn list(browser: &mut Browser) -> Vec<Value> {
    let answer = ask(browser, "GET", SESSIONS, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let Value::Array(sessions) = answer.json()["sessions"].take() else { panic!("{answer:?}") };
    sessions
}

async fn current(browser: &mut Browser) -> Value {
    let answer = ask(browser, "GET", SESSION, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.set_cookies(), [""; 0]);
    answer.json()
}

async fn ends(asker: &mut Browser, ended: &Browser) {
    let answer = ask(asker, "DELETE", &path_of(ended), "").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (204, ""), "{answer:?}");
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(answer.header("cache-control"), "no-store");
}

async fn end_all(asker: &mut Browser, path: &str, count: u32) {
    let answer = ask(asker, "DELETE", path, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body, format!(r#"{{"ended":{count}}}"#));
}

/// That a script or a program with this session learns that it was ended.
async fn is_told(browser: &mut Browser) {
    let answer = browser.fetch("GET", "/").await;
    assert_eq!(answer.unauthorized_because(), "revoked");
}

#[tokio::test]
async fn r24_the_list_shows_browsers_and_tokens_the_newest_first_and_who_asks() {
    on_every_store(async |site| {
        let laptop = site.signed_in("ada", &[]).await;
        site.pass(MS);
        let program = site.program(ada().named("backup")).await;
        site.pass(MS);
        let library = site.started(ada().until_browser_closes()).await;
        site.pass(MS);
        let phone = site.signed_in("ada", &[]).await;
        let mut grace = site.signed_in("grace", &[]).await;
        let mut newest_first = [phone, library, program, laptop];
        let ids = newest_first.each_ref().map(|browser| browser.session().to_string());
        for (at, asker) in newest_first.iter_mut().enumerate() {
            let list = list(asker).await;
            let shown: Vec<_> = list.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
            assert_eq!(shown, ids, "asked by {at}");
            let kinds: Vec<_> = list.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
            assert_eq!(kinds, ["browser", "browser", "token", "browser"]);
            for (place, entry) in list.iter().enumerate() {
                assert_eq!(entry["current"], place == at, "{place}, asked by {at}");
            }
        }
        let of_grace = list(&mut grace).await;
        assert_eq!(of_grace.len(), 1);
        assert_eq!(of_grace[0]["id"], grace.session().to_string());
    })
    .await;
}

fn knows_its_clients(builder: Builder) -> Builder {
    builder
        .name_devices_with(|_: &HeaderMap| Some("Chrome on \"macOS\"".to_owned()))
        .locate_with(|_: IpAddr| Some("Zürich, Switzerland".to_owned()))
}

#[tokio::test]
async fn r24_an_entry_has_these_fields_and_no_other() {
    on_every_store_with(knows_its_clients, async |site| {
        site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
        let peer = MockConnectInfo(SocketAddr::from(([203, 0, 113, 7], 4711)));
        let mut laptop = Browser::new(site.router.clone().layer(peer));
        laptop.sign_in("ada", &["acme"]).await;
        site.pass(hours(2) + MS);
        let program = site.program(ada().named("Ada's \"backup\"")).await;
        let expected = json!([
            {
                "id": program.session().to_string(),
                "kind": "token",
                "name": "Ada's \"backup\"",
                "device": null,
                "location": null,
                "created_at": "2026-01-01T02:00:00.001Z",
                "last_seen_at": null,
                "updated_at": "2026-01-01T02:00:00.001Z",
                "ends_at": "2026-01-29T02:00:00.001Z",
                "bound_by": { "limit": "idle", "organization": null },
                "current": false,
            },
            {
                "id": laptop.session().to_string(),
                "kind": "browser",
                "name": null,
                "device": "Chrome on \"macOS\"",
                "location": "Zürich, Switzerland",
                "created_at": "2026-01-01T00:00:00Z",
                "last_seen_at": "2026-01-01T02:00:00.001Z",
                "updated_at": "2026-01-01T02:00:00.001Z",
                "ends_at": "2026-01-08T00:00:00Z",
                "bound_by": { "limit": "absolute", "organization": "acme" },
                "current": true,
            },
        ]);
        assert_eq!(Value::Array(list(&mut laptop).await), expected);
    })
    .await;
}

#[tokio::test]
async fn r24_whatever_ends_it_says_how_long_it_lasts_in_whole_seconds_rounded_down() {
    let limits = Limits::absolute(hours(10)).and_idle(hours(4));
    let configure = |builder: Builder| builder.limits(limits).policy_bounds(hours(1), days(1));
    on_every_store_with(configure, async |site| {
        site.set_policy("acme", OrgPolicy::absolute(hours(2))).await;
        let mut free = site.signed_in("ada", &[]).await;
        let mut bound = site.signed_in("ada", &["acme"]).await;
        let expected = |ends_at: &str, left: i64, absolute: &str, limit: Value| {
            json!({
                "user": "ada",
                "ends_at": ends_at,
                "ends_in_seconds": left,
                "absolute_ends_at": absolute,
                "idle_ends_at": "2026-01-01T04:00:00Z",
                "bound_by": limit,
            })
        };
        let idle = json!({ "limit": "idle", "organization": null });
        let acme = json!({ "limit": "absolute", "organization": "acme" });
        let (two, four, ten) =
            ("2026-01-01T02:00:00Z", "2026-01-01T04:00:00Z", "2026-01-01T10:00:00Z");
        for (passes, left) in [(0, 7_200), (1, 7_199), (999, 7_199), (1, 7_198), (7_198_998, 0)] {
            site.pass(MS * passes);
            assert_eq!(current(&mut bound).await, expected(two, left, two, acme.clone()));
            let later = expected(four, left + 7_200, ten, idle.clone());
            assert_eq!(current(&mut free).await, later);
        }
        site.pass(MS);
        let over = ask(&mut bound, "GET", SESSION, "").await;
        assert_eq!(over.unauthorized_because(), "absolute acme");
    })
    .await;
}

#[tokio::test]
async fn r24_what_no_limit_binds_has_no_end() {
    on_every_store_with(
        |builder| builder.limits(Limits::unlimited()),
        async |site| {
            let mut ada = site.signed_in("ada", &["acme"]).await;
            site.pass(days(3_000));
            let nothing = json!({
                "user": "ada",
                "ends_at": null,
                "ends_in_seconds": null,
                "absolute_ends_at": null,
                "idle_ends_at": null,
                "bound_by": null,
            });
            assert_eq!(current(&mut ada).await, nothing);
            let entry = list(&mut ada).await.remove(0);
            assert_eq!((&entry["ends_at"], &entry["bound_by"]), (&Value::Null, &Value::Null));
        },
    )
    .await;
}

#[tokio::test]
async fn r25_whoever_is_ended_from_another_browser_or_program_learns_why() {
    on_every_store(async |site| {
        let mut laptop = site.signed_in("ada", &[]).await;
        let mut phone = site.signed_in("ada", &[]).await;
        let mut tablet = site.signed_in("ada", &[]).await;
        let mut backup = site.program(ada().named("backup")).await;
        let mut script = site.program(ada().named("script")).await;
        ends(&mut laptop, &phone).await;
        is_told(&mut phone).await;
        assert_eq!(phone.turned_away_because().await, "revoked");
        ends(&mut laptop, &backup).await;
        is_told(&mut backup).await;
        ends(&mut script, &tablet).await;
        is_told(&mut tablet).await;
        assert_eq!(tablet.turned_away_because().await, "revoked");
        for alive in [&mut laptop, &mut script] {
            assert_eq!(list(alive).await.len(), 2);
        }
        ends(&mut script, &laptop).await;
        is_told(&mut laptop).await;
        assert!(script.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r25_to_end_one_again_is_no_error_and_to_end_the_current_one_signs_out() {
    on_every_store(async |site| {
        let mut laptop = site.signed_in("ada", &[]).await;
        let mut phone = site.started(ada().until_browser_closes()).await;
        let mut program = site.program(ada().named("backup")).await;
        ends(&mut laptop, &phone).await;
        ends(&mut laptop, &phone).await;
        ends(&mut program, &phone).await;
        assert_eq!(phone.turned_away_because().await, "revoked");

        let mut tab = laptop.clone();
        let path = path_of(&laptop);
        let answer = ask(&mut laptop, "DELETE", &path, "").await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (204, ""));
        assert_eq!(laptop.cookie, None, "{answer:?}");
        assert_eq!(tab.turned_away_because().await, "revoked");

        let own = program.clone();
        ends(&mut program, &own).await;
        is_told(&mut program).await;
    })
    .await;
}

#[tokio::test]
async fn r25_to_end_one_that_a_limit_had_ended_leaves_it_its_own_reason() {
    on_every_store(async |site| {
        let mut brief = site.started(ada().at_most(Limits::idle(minutes(30)))).await;
        let mut token = site.program(ada().named("t").at_most(Limits::absolute(minutes(30)))).await;
        let mut laptop = site.signed_in("ada", &[]).await;
        site.pass(minutes(30));
        for over in [&brief, &token] {
            ends(&mut laptop, over).await;
        }
        assert_eq!(brief.turned_away_because().await, "idle");
        assert_eq!(token.fetch("GET", "/").await.unauthorized_because(), "absolute");
    })
    .await;
}

#[tokio::test]
async fn r26_all_end_with_the_current_one_and_its_cookie() {
    on_every_store(async |site| {
        let mut grace = site.signed_in("grace", &[]).await;
        let mut laptop = site.signed_in("ada", &[]).await;
        let mut tab = laptop.clone();
        let mut phone = site.signed_in("ada", &[]).await;
        let mut program = site.program(ada().named("backup")).await;
        end_all(&mut laptop, SESSIONS, 3).await;
        assert_eq!(laptop.cookie, None);
        for browser in [&mut tab, &mut phone] {
            assert_eq!(browser.turned_away_because().await, "revoked");
        }
        is_told(&mut program).await;
        assert!(grace.is_signed_in().await);
    })
    .await;
}

#[tokio::test]
async fn r26_all_others_end_and_the_current_one_lives_on() {
    on_every_store(async |site| {
        let mut laptop = site.signed_in("ada", &[]).await;
        let cookie = laptop.cookie.clone();
        let mut program = site.program(ada().named("backup")).await;
        end_all(&mut laptop, OTHERS, 1).await;
        end_all(&mut laptop, OTHERS, 0).await;
        assert_eq!(laptop.cookie, cookie);
        is_told(&mut program).await;

        let mut program = site.program(ada().named("backup")).await;
        end_all(&mut program, OTHERS, 1).await;
        assert_eq!(laptop.turned_away_because().await, "revoked");
        end_all(&mut program, SESSIONS, 1).await;
        is_told(&mut program).await;
    })
    .await;
}

#[tokio::test]
async fn r26_what_a_limit_had_ended_does_not_count_and_keeps_its_own_reason() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
        let mut idle = site.signed_in("ada", &[]).await;
        let mut brief = site.program(ada().named("brief").at_most(Limits::idle(hours(1)))).await;
        site.pass(days(21));
        let mut member = site.signed_in("ada", &["acme"]).await;
        site.pass(days(7));
        let mut laptop = site.signed_in("ada", &[]).await;
        end_all(&mut laptop.clone(), OTHERS, 0).await;
        end_all(&mut laptop.clone(), SESSIONS, 1).await;
        site.pass(seconds(1));
        assert_eq!(laptop.turned_away_because().await, "revoked");
        assert_eq!(idle.turned_away_because().await, "idle");
        assert_eq!(member.turned_away_because().await, "absolute acme");
        // Its record was to be deleted weeks ago.
        assert_eq!(brief.fetch("GET", "/").await.unauthorized_because(), "anonymous");
    })
    .await;
}
