//! Tokens: sessions of clients that are no browsers.

use axum::body::Body;
use axum::http::{Request, header};
use time::Duration;
use tower_curfew::{Builder, Curfew, ErrorKind, Keyring, Limits, OrgPolicy, SessionKind};

use super::account_refusals::TOKENS;
use super::accounts::{SESSION, SESSIONS, ada, list, path_of};
use super::org_routes::ask;
use crate::support::{
    Browser, MS, Site, days, hours, keyring, minutes, on_every_store, on_every_store_with, routes,
    send,
};

async fn presence(program: &mut Browser) -> String {
    program.fetch("GET", "/presence").await.body
}

#[tokio::test]
async fn r27_a_person_issues_a_token_under_a_name_with_the_organizations_of_the_session() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &["globex", "acme"]).await;
        site.pass(MS);
        let answer = ask(&mut ada, "POST", TOKENS, r#"{"name":"  my laptop "}"#).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let issued = answer.json();
        let token = issued["token"].as_str().unwrap();
        assert!(token.starts_with("curfew_") && token.len() == 103, "{token}");
        let mut program = site.browser();
        program.bearer = Some(format!("Bearer {token}"));
        let id = program.session().to_string();
        assert_eq!(issued, serde_json::json!({ "id": id, "token": token }));

        assert_eq!(program.fetch("GET", "/").await.body, "hello ada");
        let listed = list(&mut ada).await.remove(0);
        assert_eq!([&listed["id"], &listed["name"], &listed["kind"]], [&*id, "my laptop", "token"]);
        let session = site.session(&program).await;
        assert_eq!(session.kind(), SessionKind::Token);
        assert!(session.orgs().eq(["acme", "globex"]));
        site.revoke_org("globex").await;
        assert_eq!(program.fetch("GET", "/").await.unauthorized_because(), "revoked globex");
    })
    .await;
}

/// What signs in: the secret and the MAC that follow the id, in pieces.
fn secrets(browser: &Browser) -> impl Iterator<Item = &str> {
    let credential = browser.bearer.as_deref().or(browser.cookie.as_deref()).unwrap();
    let start = credential.len() - 96;
    (start + 24..=start + 84).map(|at| &credential[at..at + 12])
}

#[tokio::test]
async fn trap_24_no_list_hands_out_what_signs_in() {
    on_every_store(async |site| {
        let program = site.program(ada().named("backup")).await;
        let mut laptop = site.signed_in("ada", &[]).await;
        let mut told = Vec::new();
        for asker in [&mut laptop, &mut program.clone()] {
            for path in [SESSIONS, SESSION] {
                let answer = ask(asker, "GET", path, "").await;
                told.push(format!("{:?} {}", answer.headers, answer.body));
            }
        }
        for secret in secrets(&program).chain(secrets(&laptop)) {
            assert!(told.iter().all(|told| !told.contains(secret)), "{secret} in {told:?}");
        }
        for id in [program.session(), laptop.session()] {
            let mut finder = site.browser();
            finder.bearer = Some(format!("Bearer curfew_{id}"));
            assert_eq!(presence(&mut finder).await, "anonymous");
            finder.bearer = None;
            finder.cookie = Some(format!("__Host-Http-session={id}"));
            assert_eq!(presence(&mut finder).await, "anonymous");
        }
    })
    .await;
}

#[tokio::test]
async fn r27_no_answer_to_a_program_sets_or_clears_a_cookie() {
    on_every_store(async |site| {
        let mut program = site.program(ada().named("backup")).await;
        // The program itself looks at each answer.
        for hour in 1..=5 {
            site.pass(hours(hour));
            for path in ["/", "/login", "/nowhere", SESSION, SESSIONS] {
                program.open(path).await;
            }
            assert_eq!(presence(&mut program).await, "live ada");
        }
        assert_eq!(program.post("/logout").await.status, 200);
        for path in ["/", "/login", "/nowhere", SESSION] {
            program.open(path).await;
        }
        assert_eq!(presence(&mut program).await, "ended revoked -");
    })
    .await;
}

/// Passes time until two programs that are alike end, as [`Site::ends_in`] does for browsers.
async fn end_in(site: &Site, after: Duration, [one, other]: &mut [Browser; 2], because: &str) {
    site.pass(after - MS);
    assert_eq!(presence(one).await, "live ada", "a millisecond before {after}");
    site.pass(MS);
    let answer = other.fetch("GET", "/").await;
    assert_eq!(answer.unauthorized_because(), because, "at {after}");
}

async fn two_programs(site: &Site, orgs: &[&str]) -> [Browser; 2] {
    let new = ada().named("backup").orgs(orgs.iter().copied());
    [site.program(new.clone()).await, site.program(new).await]
}

#[tokio::test]
async fn r27_tokens_end_by_limits_of_their_own_and_by_default_as_browsers_do() {
    let (brief, long) = (Limits::absolute(hours(3)), Limits::absolute(hours(10)));
    for (browsers, tokens, after, because) in [
        (brief, None, hours(3), "absolute"),
        (Limits::idle(hours(4)), None, hours(4), "idle"),
        (brief, Some(long), hours(10), "absolute"),
        (long, Some(brief), hours(3), "absolute"),
        (long, Some(Limits::idle(hours(2))), hours(2), "idle"),
        (brief, Some(long.and_idle(hours(9))), hours(9), "idle"),
        (brief, Some(Limits::unlimited().and_idle(days(90))), days(90), "idle"),
    ] {
        let configure = |builder: Builder| match tokens {
            Some(tokens) => builder.limits(browsers).token_limits(tokens),
            None => builder.limits(browsers),
        };
        on_every_store_with(configure, async |site| {
            let ends_of_browser = site.session(&site.signed_in("ada", &[]).await).await.ends_at();
            let limit = browsers.absolute_limit().or(browsers.idle_limit()).unwrap();
            assert_eq!(ends_of_browser, Some(site.now() + limit));
            end_in(&site, after, &mut two_programs(&site, &[]).await, because).await;
        })
        .await;
    }
}

#[tokio::test]
async fn r27_use_keeps_a_token_alive_as_far_as_its_idle_limit_goes() {
    let limits = Limits::idle(hours(2)).and_absolute(hours(7));
    let configure = |builder: Builder| builder.limits(Limits::idle(MS)).token_limits(limits);
    on_every_store_with(configure, async |site| {
        let mut idle = two_programs(&site, &[]).await;
        let mut used = two_programs(&site, &[]).await;
        for _ in 0..4 {
            site.pass(minutes(90));
            for program in &mut used {
                assert_eq!(presence(program).await, "live ada");
            }
        }
        assert_eq!(idle[0].fetch("GET", "/").await.unauthorized_because(), "idle");
        end_in(&site, hours(1), &mut used, "absolute").await;
        idle = two_programs(&site, &[]).await;
        end_in(&site, hours(2), &mut idle, "idle").await;
    })
    .await;
}

#[tokio::test]
async fn r27_a_deploy_with_tighter_limits_binds_tokens_at_once_and_a_looser_one_never() {
    let set = |limits| move |builder: Builder| builder.token_limits(limits);
    for limits in [Limits::absolute, Limits::idle] {
        on_every_store_with(set(limits(hours(10))), async |site| {
            let because = if limits(MS).idle_limit().is_some() { "idle" } else { "absolute" };
            for (deployed, after) in [(4, 4), (20, 10)] {
                let node = site.deployed_with(set(limits(hours(deployed))));
                let programs = two_programs(&site, &[]).await;
                let mut programs = programs.map(|program| program.at(&node.router));
                end_in(&site, hours(after), &mut programs, because).await;
            }
            let node = site.deployed_with(set(limits(hours(4))));
            let mut over = site.program(ada().named("backup")).await.at(&node.router);
            site.pass(hours(5));
            let answer = over.fetch("GET", "/").await;
            assert_eq!(answer.unauthorized_because(), because);
            // The limits of browsers are none of a token's business.
            let set = set(limits(hours(10)));
            let node = site.deployed_with(|b| set(b).limits(Limits::absolute(MS)));
            let programs = two_programs(&site, &[]).await;
            let mut programs = programs.map(|program| program.at(&node.router));
            end_in(&site, hours(10), &mut programs, because).await;
        })
        .await;
    }
}

#[tokio::test]
async fn r27_organizations_bind_tokens_as_they_bind_browsers() {
    on_every_store(async |site| {
        let mut programs = two_programs(&site, &["acme"]).await;
        let mut elsewhere = site.program(ada().named("other").orgs(["globex"])).await;
        site.pass(hours(1));
        site.set_policy("acme", OrgPolicy::absolute(hours(4))).await;
        end_in(&site, hours(3), &mut programs, "absolute acme").await;
        site.set_policy("acme", OrgPolicy::idle(hours(2))).await;
        let mut programs = two_programs(&site, &["acme"]).await;
        end_in(&site, hours(2), &mut programs, "idle acme").await;
        let mut programs = two_programs(&site, &["acme"]).await;
        site.revoke_org("acme").await;
        for program in &mut programs {
            let answer = program.fetch("GET", "/").await;
            assert_eq!(answer.unauthorized_because(), "revoked acme");
        }
        assert_eq!(presence(&mut elsewhere).await, "live ada");
        site.curfew.set_orgs("ada", ["initech"]).await.unwrap();
        site.revoke_org("globex").await;
        assert_eq!(presence(&mut elsewhere).await, "live ada", "it has left");
        site.revoke_org("initech").await;
        let answer = elsewhere.fetch("GET", "/").await;
        assert_eq!(answer.unauthorized_because(), "revoked initech");
    })
    .await;
}

#[tokio::test]
async fn r27_the_first_use_shows_the_client_at_once_and_later_ones_now_and_then() {
    on_every_store(async |site| {
        let mut program = site.program(ada().named("backup")).await;
        let mut laptop = site.signed_in("ada", &[]).await;
        let mut uses = async |agent: &str, calls: &[&str], recorded: &str| {
            let request = Request::builder().uri("/").header(header::USER_AGENT, agent);
            site.store.calls();
            let answer = program.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!((answer.status.as_u16(), site.store.calls()), (200, calls.to_vec()));
            let client = site.record(&program).await.client();
            assert_eq!(client.agent.as_deref(), Some(recorded));
        };
        site.pass(minutes(1));
        let listed = list(&mut laptop).await;
        let unused = listed.iter().find(|entry| entry["kind"] == "token").unwrap();
        assert!(unused["device"].is_null() && unused["location"].is_null());
        uses("curl/8.5.0", &["load", "touch"], "curl/8.5.0").await;
        uses("Wget/1.21", &["load"], "curl/8.5.0").await;
        site.pass(hours(1) - MS);
        uses("Wget/1.21", &["load"], "curl/8.5.0").await;
        site.pass(MS);
        uses("Wget/1.21", &["load", "touch"], "Wget/1.21").await;
        uses("curl/8.5.0", &["load"], "Wget/1.21").await;
    })
    .await;
}

#[tokio::test]
async fn r27_the_secret_of_a_token_is_never_renewed() {
    on_every_store(async |site| {
        let mut program = site.program(ada().named("backup")).await;
        let session = site.session(&program).await;
        let before = site.record(&program).await;
        site.store.calls();
        for refused in
            [site.curfew.rotate(&session).await, site.curfew.reauthenticated(&session).await]
        {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotForTokens);
        }
        assert_eq!(site.store.calls(), [""; 0]);
        for path in ["/rotate", "/again"] {
            assert_eq!(program.post(path).await.status, 409, "{path}");
        }
        assert_eq!(site.record(&program).await, before);
        assert_eq!(presence(&mut program).await, "live ada");
    })
    .await;
}

#[tokio::test]
async fn r28_who_signs_in_with_a_token_at_hand_keeps_the_token() {
    on_every_store(async |site| {
        let mut program = site.program(ada().named("backup")).await;
        let mut request = Request::builder().method("POST").uri("/login?user=ada");
        request = request.header(header::AUTHORIZATION, program.bearer.as_deref().unwrap());
        let answer = send(&site.router, request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (303, 1));
        assert_eq!(presence(&mut program).await, "live ada");
        assert_eq!(list(&mut program).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn r27_old_keys_verify_tokens_until_they_are_taken_away() {
    let new = || Keyring::from_bytes([8; 32]).unwrap();
    on_every_store(async |site| {
        let node = |keyring| {
            let builder = Curfew::builder(site.store.clone(), keyring).clock(site.clock.clone());
            let curfew = builder.timeout(minutes(1)).build().unwrap();
            let router = routes().layer(curfew.layer()).with_state(curfew.clone());
            (router, curfew)
        };
        let (changing, curfew) = node(new().and_accept([7; 32]).unwrap());
        let (changed, _) = node(new());
        let (old, _) = node(keyring());
        let early = site.program(ada().named("early")).await;
        let issued = curfew.operator("tests").issue_token(ada().named("late")).await.unwrap();
        let mut late = site.browser();
        late.bearer = Some(format!("Bearer {}", issued.token()));
        for (program, by_node) in [
            (&early, [(&old, "live ada"), (&changing, "live ada"), (&changed, "anonymous")]),
            (&late, [(&old, "anonymous"), (&changing, "live ada"), (&changed, "live ada")]),
        ] {
            for (router, seen) in by_node {
                assert_eq!(presence(&mut program.at(router)).await, seen);
            }
        }
        let renamed = site.deployed_with(|builder| builder.cookie_name("other"));
        assert_eq!(presence(&mut early.at(&renamed.router)).await, "anonymous");
        let mut browser = site.signed_in("ada", &[]).await.at(&renamed.router);
        assert_eq!(presence(&mut browser).await, "anonymous");
        assert_eq!(ask(&mut browser, "DELETE", &path_of(&early), "").await.status, 401);
    })
    .await;
}
