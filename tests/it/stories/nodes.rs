//! Several nodes, each with connections of its own, over one store.

use std::sync::Arc;

use time::Duration;
use tokio::sync::Barrier;
use tower_curfew::{Builder, NewSession, Selector};

use crate::support::{Browser, Site, at_once, hours, minutes, on_every_store_with, races};

fn patient(builder: Builder) -> Builder {
    builder.timeout(Duration::MINUTE)
}

/// Tells a story on two nodes over every store there is.
async fn on_two_nodes(story: impl AsyncFn(Site, Site)) {
    on_every_store_with(patient, async |one| {
        let other = one.another_node(patient).await;
        story(one, other).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn trap_08_a_sign_out_on_one_node_holds_whatever_is_under_way_on_another() {
    on_two_nodes(async |here, there| {
        for race in 0..races() {
            let user = format!("ada-{race}");
            let mut ada = here.signed_in(&user, &["acme"]).await;
            // For every other race activity is due.
            here.pass(hours(1) * (race % 2));
            let mut slow = ada.at(&there.router);
            let copy = ada.clone();
            let page = async move {
                slow.open("/").await;
                slow
            };
            let (mut slow, answer) = at_once(page, async move { ada.post("/logout").await }).await;
            assert_eq!(answer.status, 200, "race {race}");
            for node in [&here, &there] {
                assert!(!slow.at(&node.router).is_signed_in().await, "race {race}");
                let because = copy.at(&node.router).turned_away_because().await;
                assert_eq!(because, "revoked", "race {race}");
            }
            slow.cookie = None;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn trap_34_logging_out_everywhere_misses_no_rotation_on_another_node() {
    on_two_nodes(async |here, there| {
        for race in 0..races() {
            let user = format!("ada-{race}");
            let mut old = here.signed_in(&user, &[]).await;
            let (mut new, curfew) = (old.at(&there.router), here.curfew.clone());
            let rotates = async move {
                new.post("/rotate").await;
                new
            };
            let everywhere = Selector::user(&user);
            let (mut new, ended) =
                at_once(rotates, async move { curfew.operator("tests").revoke(everywhere).await })
                    .await;
            assert_eq!(ended.unwrap(), 1, "race {race}");
            assert!(!new.is_signed_in().await && !old.is_signed_in().await, "race {race}");
        }
    })
    .await;
}

#[tokio::test]
async fn trap_37_who_signs_in_just_after_all_were_revoked_is_alive_on_every_node() {
    on_two_nodes(async |here, there| {
        for _ in 0..50 {
            // Both nodes have just read the rules, and one of them changes them.
            let mut before = here.signed_in("ada", &["acme"]).await;
            assert!(before.at(&there.router).is_signed_in().await);
            here.revoke_org("acme").await;
            let after = there.signed_in("ada", &["acme"]).await;
            for node in [&here, &there] {
                assert!(after.at(&node.router).is_signed_in().await, "dead on arrival");
                assert!(!before.at(&node.router).is_signed_in().await);
            }
            before.cookie = None;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn trap_37_a_sign_in_while_all_are_revoked_is_before_or_after_it_and_nothing_between() {
    on_two_nodes(async |here, there| {
        for race in 0..races() / 4 {
            let (org, curfew) = (format!("acme-{race}"), here.curfew.clone());
            let sign_in = {
                let (org, mut browser) = (org.clone(), there.browser());
                async move {
                    browser.sign_in("ada", &[&org]).await;
                    browser
                }
            };
            let revoked = org.clone();
            let revoke = async move { curfew.operator("tests").revoke_org(&revoked).await };
            let (mut ada, answer) = at_once(sign_in, revoke).await;
            answer.unwrap();
            let alive = ada.is_signed_in().await;
            // Whichever it was, it stays so, everywhere.
            assert_eq!(ada.at(&here.router).is_signed_in().await, alive, "race {race}");
            assert!(here.signed_in("ada", &[&org]).await.is_signed_in().await, "race {race}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r07_of_64_requests_on_two_nodes_one_is_recorded_and_carries_the_cookie() {
    on_two_nodes(async |here, there| {
        let mut ada: Browser = here.signed_in("ada", &["acme", "globex"]).await;
        for round in 0..10 {
            here.pass(hours(1) + minutes(1));
            let start = Arc::new(Barrier::new(64));
            let tabs = (0..64).map(|tab| {
                let node = if tab % 2 == 0 { &here } else { &there };
                let (mut tab, start) = (ada.at(&node.router), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    (tab.open("/").await, tab)
                })
            });
            let mut carriers = 0;
            for tab in tabs.collect::<Vec<_>>() {
                let (answer, tab) = tab.await.unwrap();
                assert_eq!(answer.status, 200);
                if answer.set_cookies().len() == 1 {
                    carriers += 1;
                    ada = tab;
                }
            }
            assert_eq!(carriers, 1, "round {round}");
            assert_eq!(here.record(&ada).await.last_seen(), here.now(), "round {round}");
        }
    })
    .await;
}

#[tokio::test]
async fn r14_r19_what_an_admin_does_on_one_node_binds_at_the_next_request_on_another() {
    on_two_nodes(async |here, there| {
        let new = || NewSession::for_user("ada").orgs(["acme"]);
        let mut ada = there.started(new()).await;
        here.pass(hours(2));
        let week = tower_curfew::OrgPolicy::absolute(hours(1));
        here.set_policy("acme", week).await;
        assert_eq!(ada.turned_away_because().await, "absolute acme");
        let mut ada = there.started(new()).await;
        here.revoke_org("acme").await;
        assert_eq!(ada.turned_away_because().await, "revoked acme");
    })
    .await;
}
