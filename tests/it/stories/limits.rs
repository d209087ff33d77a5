//! The two limits: what they count from, who may tighten them, and what an answer says of them.

use tower_curfew::{Limits, NewSession, OrgPolicy};

use crate::support::{MS, Site, days, hours, minutes, on_every_store, on_every_store_with};

fn ada() -> NewSession {
    NewSession::for_user("ada")
}

#[tokio::test]
async fn r01_28_days_of_silence_end_a_session_at_the_very_millisecond() {
    on_every_store(async |site| {
        let mut ada = site.signed_in("ada", &[]).await;
        let mut grace = site.signed_in("grace", &[]).await;
        site.pass(days(28) - MS);
        assert!(ada.is_signed_in().await);
        site.pass(MS);
        assert_eq!(grace.turned_away_because().await, "idle");
        // A millisecond ago ada was here.
        site.pass(days(28) - MS - MS);
        assert!(ada.is_signed_in().await);
        site.pass(days(28) + MS);
        assert_eq!(ada.turned_away_because().await, "idle");
    })
    .await;
}

#[tokio::test]
async fn r01_each_of_the_apps_limits_strikes_at_its_very_millisecond() {
    for (limits, because) in [
        (Limits::absolute(hours(5)), "absolute"),
        (Limits::idle(hours(5)), "idle"),
        (Limits::absolute(hours(5)).and_idle(hours(6)), "absolute"),
        (Limits::absolute(hours(6)).and_idle(hours(5)), "idle"),
    ] {
        on_every_store_with(
            |builder| builder.limits(limits),
            async |site| {
                let mut pair = site.started_twice(ada()).await;
                site.ends_in(hours(5), &mut pair, because).await;
            },
        )
        .await;
    }
}

#[tokio::test]
async fn r01_the_limits_of_a_sign_in_and_of_an_organization_strike_at_their_very_millisecond() {
    on_every_store(async |site| {
        for (limits, because) in
            [(Limits::absolute(hours(5)), "absolute"), (Limits::idle(hours(5)), "idle")]
        {
            let mut pair = site.started_twice(ada().at_most(limits)).await;
            site.ends_in(hours(5), &mut pair, because).await;
        }
        for (policy, because) in [
            (OrgPolicy::absolute(hours(5)), "absolute acme"),
            (OrgPolicy::idle(hours(5)), "idle acme"),
        ] {
            site.set_policy("acme", policy).await;
            let mut pair = site.started_twice(ada().orgs(["acme"])).await;
            site.ends_in(hours(5), &mut pair, because).await;
        }
    })
    .await;
}

#[tokio::test]
async fn r02_seven_days_absolute_end_at_seven_days_whatever_the_activity() {
    let limits = Limits::absolute(days(7));
    on_every_store_with(
        |builder| builder.limits(limits),
        async |site| {
            let mut ada = site.signed_in("ada", &[]).await;
            for _ in 0..7 * 24 - 1 {
                site.pass(hours(1));
                assert!(ada.is_signed_in().await);
            }
            site.pass(hours(1) - MS);
            assert!(ada.is_signed_in().await);
            site.pass(MS);
            assert_eq!(ada.turned_away_because().await, "absolute");
        },
    )
    .await;
}

#[tokio::test]
async fn r02_neither_rotation_nor_proving_again_who_one_is_moves_an_end() {
    let limits = Limits::absolute(days(7)).and_idle(days(2));
    on_every_store_with(
        |builder| builder.limits(limits),
        async |site| {
            let mut ada = site.signed_in("ada", &[]).await;
            let created = site.now();
            for path in ["/rotate", "/again"] {
                site.pass(days(1));
                assert_eq!(ada.post(path).await.status, 200, "{path}");
                let session = site.curfew.list("ada").await.unwrap().remove(0);
                assert_eq!(session.created_at(), created, "{path}");
                let absolute = session.schedule().absolute.as_ref().unwrap().at;
                assert_eq!(absolute, created + days(7), "{path}");
                assert_eq!(session.ends_at(), Some(site.now() + days(2)), "{path}");
            }
            for _ in 0..4 {
                site.pass(days(1));
                assert!(ada.is_signed_in().await);
            }
            site.pass(days(1) - MS);
            assert!(ada.is_signed_in().await);
            site.pass(MS);
            assert_eq!(ada.turned_away_because().await, "absolute");
        },
    )
    .await;
}

#[tokio::test]
async fn r03_a_deploy_with_longer_limits_lengthens_no_living_session() {
    let (short, long) = (
        Limits::absolute(days(7)).and_idle(days(2)),
        Limits::absolute(days(30)).and_idle(days(10)),
    );
    for later in [long, Limits::unlimited(), Limits::default()] {
        on_every_store_with(
            |builder| builder.limits(short),
            async |site| {
                let silent = site.signed_in("ada", &[]).await;
                let mut busy = site.signed_in("grace", &[]).await;
                site.pass(days(1));
                let deployed = site.deployed_with(|builder| builder.limits(later));
                let mut silent = silent.at(&deployed.router);
                busy = busy.at(&deployed.router);
                assert!(busy.is_signed_in().await);
                let mut new = deployed.signed_in("new", &[]).await;

                site.pass(days(1));
                assert_eq!(silent.turned_away_because().await, "idle");
                for _ in 2..7 {
                    assert!(busy.is_signed_in().await);
                    site.pass(days(1));
                }
                assert_eq!(busy.turned_away_because().await, "absolute");
                assert!(new.is_signed_in().await, "nobody binds it to the old limits");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn r03_a_deploy_with_shorter_limits_binds_living_sessions_at_once() {
    on_every_store(async |site| {
        let mut oldest = site.signed_in("ada", &[]).await;
        site.pass(days(5));
        let mut older = site.started_twice(NewSession::for_user("grace")).await;
        site.pass(days(3));
        assert!(oldest.is_signed_in().await);

        let shorter = site.deployed_with(|b| b.limits(Limits::absolute(days(7))));
        let mut oldest = oldest.at(&shorter.router);
        assert_eq!(oldest.turned_away_because().await, "absolute");
        older = older.map(|browser| browser.at(&shorter.router));
        site.ends_in(days(4), &mut older, "absolute").await;
    })
    .await;
}

#[tokio::test]
async fn r03_a_deploy_with_a_shorter_idle_limit_binds_living_sessions_at_once() {
    on_every_store(async |site| {
        let away = site.signed_in("ada", &[]).await;
        site.pass(minutes(90));
        let there = site.started_twice(NewSession::for_user("grace")).await;
        site.pass(minutes(30));

        let shorter = site.deployed_with(|b| b.limits(Limits::idle(hours(1))));
        let mut away = away.at(&shorter.router);
        assert_eq!(away.turned_away_because().await, "idle");
        let mut there = there.map(|browser| browser.at(&shorter.router));
        site.ends_in(minutes(30), &mut there, "idle").await;
    })
    .await;
}

#[tokio::test]
async fn r03_trap_04_tighter_limits_of_a_sign_in_stay_whatever_is_written_later() {
    on_every_store(async |site| {
        let brief = Limits::absolute(hours(3)).and_idle(hours(1));
        let mut ada = site.started(ada().at_most(brief)).await;
        let mut silent = site.started(ada_at_the_library(brief)).await;
        site.pass(minutes(50));
        assert!(ada.is_signed_in().await, "touched");
        assert_eq!(ada.post("/rotate").await.status, 200);
        site.pass(minutes(50));
        assert_eq!(silent.turned_away_because().await, "idle");
        site.curfew.set_orgs("ada", ["acme"]).await.unwrap();
        assert_eq!(ada.post("/again").await.status, 200);
        site.pass(minutes(50));
        site.curfew.set_orgs("ada", [""; 0]).await.unwrap();
        assert!(ada.is_signed_in().await);
        site.pass(minutes(30));
        assert_eq!(ada.turned_away_because().await, "absolute");
    })
    .await;
}

fn ada_at_the_library(brief: Limits) -> NewSession {
    ada().at_most(brief).named("library").until_browser_closes()
}

#[tokio::test]
async fn r03_looser_limits_of_a_sign_in_loosen_nothing() {
    let limits = Limits::absolute(days(7)).and_idle(days(2));
    on_every_store_with(
        |builder| builder.limits(limits),
        async |site| {
            let loose = Limits::absolute(days(30)).and_idle(days(20));
            for loose in [loose, Limits::unlimited(), Limits::absolute(days(400))] {
                let mut silent = site.started_twice(ada().at_most(loose)).await;
                site.ends_in(days(2), &mut silent, "idle").await;
                let mut busy = site.started(ada().at_most(loose)).await;
                for _ in 0..6 {
                    site.pass(days(1));
                    assert!(busy.is_signed_in().await);
                }
                site.pass(days(1));
                assert_eq!(busy.turned_away_because().await, "absolute");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn r03_a_cookie_that_goes_with_the_browser_never_gets_a_max_age() {
    on_every_store(async |site| {
        let mut ada = site.browser();
        let mut cookies = Vec::new();
        let answer = ada.post("/login?user=ada&brief=yes").await;
        cookies.extend(answer.set_cookies().into_iter().map(str::to_owned));
        site.pass(hours(1));
        let answer = ada.open("/").await;
        cookies.extend(answer.set_cookies().into_iter().map(str::to_owned));
        for path in ["/rotate", "/again"] {
            let answer = ada.post(path).await;
            cookies.extend(answer.set_cookies().into_iter().map(str::to_owned));
        }
        assert_eq!(cookies.len(), 4, "{cookies:?}");
        for cookie in cookies {
            let attributes = cookie.to_ascii_lowercase();
            assert!(attributes.contains("; secure"), "{cookie}");
            assert!(!attributes.contains("max-age"), "{cookie}");
            assert!(!attributes.contains("expires"), "{cookie}");
        }
    })
    .await;
}

#[tokio::test]
async fn r06_without_limits_only_somebody_ends_a_session() {
    on_every_store_with(
        |builder| builder.limits(Limits::unlimited()),
        async |site| {
            let mut ada = site.signed_in("ada", &[]).await;
            let mut acme = site.signed_in("grace", &["acme"]).await;
            site.set_policy("acme", OrgPolicy::absolute(days(7))).await;
            site.pass(days(7));
            assert_eq!(acme.turned_away_because().await, "absolute acme");
            site.pass(days(36_500));
            assert!(ada.is_signed_in().await, "after a century");
            let sessions = site.curfew.list("ada").await.unwrap();
            assert_eq!(sessions[0].ends_at(), None);
            let mut copy = ada.clone();
            ada.post("/logout").await;
            assert_eq!(copy.turned_away_because().await, "revoked");
        },
    )
    .await;
}

#[tokio::test]
async fn r06_each_limit_may_be_set_alone() {
    let site = Site::with(|builder| builder.limits(Limits::absolute(days(300))));
    let mut pair = site.started_twice(ada()).await;
    site.ends_in(days(300), &mut pair, "absolute").await;

    let site = Site::with(|builder| builder.limits(Limits::idle(days(300))));
    let mut ada = site.signed_in("ada", &[]).await;
    for _ in 0..5 {
        site.pass(days(299));
        assert!(ada.is_signed_in().await);
    }
}
