//! What a change of policy would do, told before it is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use tower_curfew::clock::Timestamp;
use tower_curfew::store::Record;
use tower_curfew::{
    ActiveSession, Effect, ErrorKind, Limits, NewSession, OrgPolicy, Preview, Session,
};

use crate::support::{Browser, MS, Site, days, hours, is_quick, minutes, on_every_store};

fn absolute(length: i64) -> OrgPolicy {
    OrgPolicy::absolute(days(length))
}

async fn preview(site: &Site, policy: OrgPolicy, own: &Session) -> Preview {
    site.curfew.preview("acme", policy, own).await.unwrap()
}

/// A member of Acme, each with a name of their own, so that a list shows them alone.
async fn member(site: &Site, name: &str) -> Browser {
    site.started(NewSession::for_user(name).orgs(["acme"])).await
}

#[tokio::test]
async fn r21_a_preview_says_how_many_would_end_now_and_sooner_and_what_becomes_of_ones_own() {
    on_every_store(async |site| {
        let mut everybody = Vec::new();
        for day in 0..10 {
            // The one of day 9 is 1 day old in the end, the one of day 0 is 10.
            everybody.push(member(&site, &format!("user-{day}")).await);
            site.pass(days(1));
        }
        let mut own = Vec::new();
        for browser in &everybody {
            own.push(site.session(browser).await);
        }
        let _elsewhere = site.started(NewSession::for_user("ada").orgs(["globex"])).await;
        let stranger = site.session(&site.started(NewSession::for_user("grace")).await).await;
        for (policy, ends_now, shortened) in [
            (absolute(7), 4, 6),
            (absolute(1), 10, 0),
            (OrgPolicy::absolute(days(1) + MS), 9, 1),
            (absolute(11), 0, 10),
            // All have been here just now, so the app's own limit strikes on day 28 from now.
            (absolute(34), 0, 4),
            (absolute(38), 0, 0),
            (OrgPolicy::idle(minutes(5)), 0, 10),
            (OrgPolicy::idle(days(28)), 0, 0),
            (absolute(5).and_idle(minutes(15)), 6, 4),
        ] {
            for (day, own) in own.iter().enumerate() {
                let own_session = match day {
                    day if day < ends_now => Effect::Ends,
                    day if day < ends_now + shortened => Effect::Shortened,
                    _ => Effect::Unchanged,
                };
                let (ends_now, shortened) = (ends_now as u64, shortened as u64);
                let expected = Preview { ends_now, shortened, at_least: false, own_session };
                assert_eq!(preview(&site, policy, own).await, expected, "{day}: {policy:?}");
            }
            let own_session = preview(&site, policy, &stranger).await.own_session;
            assert_eq!(own_session, Effect::Unchanged, "it belongs to no organization");
        }
    })
    .await;
}

async fn records(site: &Site, browsers: &[(String, Browser)]) -> Vec<Arc<Record>> {
    let mut records = Vec::new();
    for (_, browser) in browsers {
        records.push(site.record(browser).await);
    }
    records
}

/// When each would end as things stand; `None` for what is over.
async fn ends(site: &Site, browsers: &[(String, Browser)]) -> Vec<Option<Timestamp>> {
    let mut ends = Vec::new();
    for (name, _) in browsers {
        let list = site.curfew.list(name).await.unwrap();
        ends.push(list.first().map(|session| session.schedule().at()));
    }
    ends
}

/// Over 200 sessions of all ages and with many limits, some of which are over. Nobody has noticed
/// that yet.
async fn mixed(site: &Site) -> Vec<(String, Browser)> {
    let mut browsers = Vec::new();
    for n in 0..220 {
        let user = format!("user-{n}");
        let mut new = NewSession::for_user(&user).orgs(["acme", "globex"]);
        if n % 5 == 0 {
            new = new.at_most(Limits::absolute(days(15)));
        }
        if n % 7 == 0 {
            new = new.orgs(["acme", "initech"]);
        }
        let mut browser = site.started(new).await;
        site.pass(hours(3));
        if n % 3 == 0 {
            browser.open("/").await;
        }
        match n {
            40 => site.set_policy("acme", absolute(26)).await,
            60 => site.set_policy("globex", OrgPolicy::idle(days(20))).await,
            100 => site.revoke_org("initech").await,
            120 => site.set_policy("acme", OrgPolicy::idle(days(14))).await,
            150 => site.curfew.set_orgs("user-149", ["acme"]).await.unwrap(),
            160 => drop(browser.clone().post("/logout").await),
            170 => site.curfew.set_orgs("user-3", ["globex"]).await.unwrap(),
            _ => {}
        }
        browsers.push((user, browser));
    }
    browsers
}

/// When each session of the organization ends, by the name of its user; `None` for what ends at once.
type Foretold = BTreeMap<String, Option<Timestamp>>;

async fn foretold(site: &Site, policy: OrgPolicy) -> Foretold {
    let listed = site.curfew.preview_list("acme", policy).await.unwrap();
    let now = site.curfew.list_org("acme").await.unwrap();
    let as_it_is = |one: &ActiveSession| (one.id(), one.schedule().at());
    assert_eq!(
        listed.iter().map(|(before, _)| as_it_is(before)).collect::<Vec<_>>(),
        now.iter().map(as_it_is).collect::<Vec<_>>(),
        "those that live now, newest sign-in first"
    );
    let end = |after: &Option<ActiveSession>| after.as_ref().map(|one| one.schedule().at());
    listed.iter().map(|(before, after)| (before.user().to_owned(), end(after))).collect()
}

#[tokio::test]
async fn r21_a_previewed_list_says_of_each_session_when_it_then_ends() {
    on_every_store(async |site| {
        for policy in [absolute(24).and_idle(days(10)), absolute(7), OrgPolicy::idle(days(13))] {
            mixed(&site).await;
            site.pass(MS);
            let told = foretold(&site, policy).await;
            assert_eq!(foretold(&site, policy).await, told, "it changes nothing");
            assert!(told.values().any(Option::is_some), "{policy:?}");
            site.set_policy("acme", policy).await;
            let then = site.curfew.list_org("acme").await.unwrap();
            let then = then.iter().map(|one| (one.user().to_owned(), Some(one.schedule().at())));
            let mut then = then.collect::<Foretold>();
            let ended = told.keys().filter(|user| !then.contains_key(*user)).cloned();
            let ended = ended.map(|user| (user, None)).collect::<Vec<_>>();
            then.extend(ended);
            assert_eq!(then, told, "{policy:?}");
            site.curfew.operator("tests").revoke_everyone().await.unwrap();
            site.curfew.operator("tests").clear_policy("acme").await.unwrap();
        }
        let none = site.curfew.preview_list("nobody is there", absolute(7)).await.unwrap();
        assert!(none.is_empty());
        let refused = site.curfew.preview_list("acme", OrgPolicy::absolute(MS)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidPolicy);
    })
    .await;
}

#[tokio::test]
async fn r21_a_preview_equals_what_then_happens_to_every_session_and_does_nothing_itself() {
    let policies = [
        absolute(24).and_idle(days(10)),
        OrgPolicy::idle(days(14)),
        absolute(20),
        absolute(7),
        absolute(100),
        OrgPolicy::idle(minutes(15)),
        OrgPolicy::idle(days(13)),
        OrgPolicy::idle(days(27)),
    ];
    for policy in policies.into_iter().take(if is_quick() { 3 } else { 8 }) {
        on_every_store(async |site| {
            let browsers = mixed(&site).await;
            let mut own = Vec::new();
            for at in [219, 212, 203] {
                own.push((at, site.session(&browsers[at].1).await));
            }
            // Whoever looks at a session that is over writes that down.
            site.curfew.list_org("acme").await.unwrap();
            // Whoever is active at the very moment of the change is bound by the new idle limit alone.
            site.pass(MS);
            let before = records(&site, &browsers).await;
            let rules = site.store.rules("acme").await;
            site.store.calls();
            let mut told = Vec::new();
            for (_, own) in &own {
                told.push(preview(&site, policy, own).await);
            }
            let calls = site.store.calls();
            assert!(
                calls.iter().all(|call| ["rules_since", "list", "load"].contains(call)),
                "{calls:?}"
            );
            assert!(calls.iter().filter(|call| **call == "list").count() >= 2 * own.len());
            assert_eq!(records(&site, &browsers).await, before);
            assert_eq!(site.store.rules("acme").await, rules);

            // From here on who looks at a session that is over writes that down.
            let scheduled = ends(&site, &browsers).await;
            assert!(scheduled.iter().any(Option::is_none) && scheduled.iter().any(Option::is_some));
            assert_eq!(preview(&site, policy, &own[0].1).await, told[0], "{policy:?}");
            site.set_policy("acme", policy).await;
            let effects: Vec<_> = scheduled
                .iter()
                .zip(ends(&site, &browsers).await)
                .map(|(before, after)| match (before, after) {
                    (None, None) => None,
                    (Some(_), None) => Some(Effect::Ends),
                    (Some(before), Some(after)) if after < *before => Some(Effect::Shortened),
                    (Some(before), Some(after)) if after == *before => Some(Effect::Unchanged),
                    (before, after) => panic!("from {before:?} to {after:?}: {policy:?}"),
                })
                .collect();
            let count = |effect| effects.iter().filter(|found| **found == Some(effect)).count();
            let (ends_now, shortened) = (count(Effect::Ends), count(Effect::Shortened));
            for ((at, _), told) in own.iter().zip(told) {
                assert_eq!(told.ends_now, ends_now as u64, "{policy:?}");
                assert_eq!(told.shortened, shortened as u64, "{policy:?}");
                assert_eq!(Some(told.own_session), effects[*at], "{policy:?}: {at}");
            }
            // And so it is for those who come.
            for ((_, browser), effect) in browsers.iter().zip(&effects) {
                let lives = matches!(effect, Some(Effect::Shortened | Effect::Unchanged));
                assert_eq!(browser.clone().is_signed_in().await, lives, "{policy:?}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn r21_what_is_over_is_not_counted_whether_it_was_noticed_or_not() {
    on_every_store(async |site| {
        site.set_policy("acme", OrgPolicy::idle(days(3))).await;
        let mut noticed = member(&site, "noticed").await;
        let _unnoticed = member(&site, "unnoticed").await;
        site.pass(days(3));
        let mut signed_out = member(&site, "signed out").await;
        let revoked = NewSession::for_user("revoked").orgs(["acme", "globex"]);
        let _revoked = site.started(revoked).await;
        let ada = member(&site, "ada").await;
        assert_eq!(noticed.turned_away_because().await, "idle acme");
        signed_out.post("/logout").await;
        site.revoke_org("globex").await;
        let own = site.session(&ada).await;
        site.pass(days(1));
        let expected =
            Preview { ends_now: 1, shortened: 0, at_least: false, own_session: Effect::Ends };
        assert_eq!(preview(&site, absolute(1), &own).await, expected);
        let expected =
            Preview { ends_now: 0, shortened: 1, at_least: false, own_session: Effect::Shortened };
        assert_eq!(preview(&site, OrgPolicy::absolute(days(1) + MS), &own).await, expected);
    })
    .await;
}

#[tokio::test]
async fn r21_a_preview_of_the_policy_in_force_or_of_an_organization_without_sessions_is_nothing() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7).and_idle(days(2))).await;
        let own = site.session(&member(&site, "ada").await).await;
        site.pass(days(1));
        let nothing =
            Preview { ends_now: 0, shortened: 0, at_least: false, own_session: Effect::Unchanged };
        assert_eq!(preview(&site, absolute(7).and_idle(days(2)), &own).await, nothing);
        assert_eq!(site.curfew.preview("globex", absolute(1), &own).await.unwrap(), nothing);
        assert_eq!(site.curfew.policy("globex").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn r21_r22_a_preview_of_one_policy_too_many_is_refused_as_the_change_would_be() {
    on_every_store(async |site| {
        let own = site.session(&member(&site, "ada").await).await;
        for n in 1..=64 {
            site.set_policy("acme", absolute(n)).await;
        }
        let refused = site.curfew.preview("acme", absolute(65), &own).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooManyPolicies);
    })
    .await;
}

#[tokio::test]
async fn r21_r22_what_is_in_force_may_be_previewed_as_it_may_be_set_however_long_its_history() {
    on_every_store(async |site| {
        let own = site.session(&member(&site, "ada").await).await;
        for n in 1..=64 {
            site.set_policy("acme", absolute(n)).await;
        }
        site.set_policy("acme", absolute(64)).await;
        let nothing =
            Preview { ends_now: 0, shortened: 0, at_least: false, own_session: Effect::Unchanged };
        assert_eq!(preview(&site, absolute(64), &own).await, nothing);
    })
    .await;
}

#[tokio::test]
async fn r21_a_preview_for_a_name_that_cannot_be_kept_is_refused_as_the_change_would_be() {
    on_every_store(async |site| {
        let own = site.session(&member(&site, "ada").await).await;
        for name in ["", "a\0b", &"x".repeat(513)] {
            let refused = site.curfew.preview(name, absolute(7), &own).await;
            assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::InvalidName));
        }
    })
    .await;
}
