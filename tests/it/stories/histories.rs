//! What becomes of an organization's policies: which are kept, which are refused, and in what order.

use std::sync::Arc;

use tokio::sync::Barrier;
use tower_curfew::store::{OrgRules, PolicyVersion};
use tower_curfew::{Builder, Curfew, ErrorKind, Limits, NewSession, OrgPolicy};

use crate::support::{
    MS, Site, days, hours, minutes, on_every_store, on_every_store_with, seconds,
};

fn absolute(length: i64) -> OrgPolicy {
    OrgPolicy::absolute(days(length))
}

fn in_acme() -> NewSession {
    NewSession::for_user("ada").orgs(["acme"])
}

async fn rules(site: &Site, org: &str) -> Option<OrgRules> {
    site.store.rules(org).await
}

async fn history(site: &Site, org: &str) -> Vec<PolicyVersion> {
    rules(site, org).await.unwrap().versions().to_vec()
}

#[tokio::test]
async fn r14_the_policy_in_force_is_shown_with_the_time_since_when() {
    on_every_store(async |site| {
        let policy = async |org: &str| site.curfew.policy(org).await.unwrap();
        let version = |policy| {
            // They count on with the clock.
            let number = u64::try_from(site.now().unix_millis()).unwrap();
            Some(PolicyVersion { number, begins: site.now(), policy })
        };
        assert_eq!(policy("acme").await, None);
        let _ada = site.started(in_acme()).await;
        assert_eq!(policy("acme").await, None, "it is known, and never had one");
        site.set_policy("acme", absolute(7)).await;
        let first = version(Some(absolute(7)));
        assert_eq!(policy("acme").await, first);
        site.pass(days(3));
        assert_eq!(policy("acme").await, first);
        site.revoke_org("acme").await;
        assert_eq!(policy("acme").await, first);
        site.set_policy("acme", absolute(9).and_idle(hours(1))).await;
        let second = version(Some(absolute(9).and_idle(hours(1))));
        assert_eq!(policy("acme").await, second);
        site.pass(MS);
        site.set_policy("acme", None).await;
        assert_eq!(policy("acme").await, version(None));
        assert_eq!(policy("globex").await, None);
    })
    .await;
}

#[tokio::test]
async fn r22_the_policy_in_force_set_again_adds_no_version_and_writes_nothing() {
    on_every_store(async |site| {
        site.store.calls();
        site.curfew.operator("tests").clear_policy("acme").await.unwrap();
        assert_eq!(site.store.calls(), ["rules_since"]);
        assert_eq!(rules(&site, "acme").await, None);
        for policy in [Some(absolute(7)), None, Some(absolute(7).and_idle(hours(1)))] {
            site.set_policy("acme", policy).await;
            let before = rules(&site, "acme").await;
            site.pass(hours(1));
            site.store.calls();
            site.set_policy("acme", policy).await;
            assert_eq!(site.store.calls(), ["rules_since"], "{policy:?}");
            assert_eq!(rules(&site, "acme").await, before, "{policy:?}");
        }
        assert_eq!(history(&site, "acme").await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn r14_an_organization_that_nobody_knows_yet_may_have_a_policy_that_binds_later_sign_ins() {
    on_every_store(async |site| {
        site.set_policy("acme", absolute(7)).await;
        site.revoke_org("globex").await;
        site.pass(days(30));
        let mut pair = site.started_twice(in_acme().orgs(["acme", "globex"])).await;
        site.ends_in(days(7), &mut pair, "absolute acme").await;
    })
    .await;
}

#[tokio::test]
async fn r23_a_limit_out_of_bounds_is_refused_in_words_that_name_it_and_the_bounds() {
    async fn refused(site: &Site, policy: OrgPolicy, message: &str) {
        let own = site.session(&site.started(in_acme()).await).await;
        let before = rules(site, "acme").await;
        site.store.calls();
        let set = site.curfew.operator("tests").set_policy("acme", policy).await.unwrap_err();
        let previewed = site.curfew.preview("acme", policy, &own).await.unwrap_err();
        for error in [set, previewed] {
            assert_eq!(error.kind(), ErrorKind::InvalidPolicy);
            assert_eq!(error.to_string(), message);
            assert_eq!(error.response().status(), 422);
        }
        assert_eq!(site.store.calls(), [""; 0]);
        assert_eq!(rules(site, "acme").await, before);
    }
    on_every_store(async |site| {
        let (least, most) = (minutes(5), days(400));
        assert_eq!(site.curfew.policy_bounds(), (least, most));
        let bounds = "is not between 5 minutes and 400 days";
        for (length, spelled) in [
            (MS, "1 millisecond"),
            (least - MS, "4 minutes 59 seconds 999 milliseconds"),
            (most + MS, "400 days 1 millisecond"),
            (days(36_500), "36500 days"),
        ] {
            for (policy, kind) in [
                (OrgPolicy::absolute(length), "absolute"),
                (OrgPolicy::idle(length), "idle"),
                (OrgPolicy::absolute(length).and_idle(hours(1)), "absolute"),
                (OrgPolicy::idle(length).and_absolute(hours(1)), "idle"),
            ] {
                refused(&site, policy, &format!("the {kind} limit of {spelled} {bounds}")).await;
            }
        }
        for policy in [OrgPolicy::idle(least).and_absolute(most), OrgPolicy::absolute(least)] {
            site.set_policy("acme", policy).await;
            assert_eq!(site.curfew.policy("acme").await.unwrap().unwrap().policy, Some(policy));
        }
    })
    .await;
    on_every_store_with(
        |builder| builder.policy_bounds(seconds(1), hours(36)),
        async |site| {
            assert_eq!(site.curfew.policy_bounds(), (seconds(1), hours(36)));
            let message = "the idle limit of 2 days is not between 1 second and 1 day 12 hours";
            refused(&site, OrgPolicy::idle(days(2)), message).await;
            site.set_policy("acme", OrgPolicy::idle(seconds(1))).await;
            let mut pair = site.started_twice(in_acme()).await;
            site.ends_in(seconds(1), &mut pair, "idle acme").await;
        },
    )
    .await;
}

#[test]
fn r23_what_is_no_length_is_no_policy_and_never_means_disabled() {
    for wrong in [days(0), -MS, days(-7), days(36_500) + MS, time::Duration::MAX] {
        for tried in
            [OrgPolicy::try_new(Some(wrong), None), OrgPolicy::try_new(Some(hours(1)), Some(wrong))]
        {
            let error = tried.unwrap_err().to_string();
            assert!(error.contains(&wrong.to_string()), "{error}");
        }
    }
    assert_eq!(OrgPolicy::try_new(None, None), Ok(None));
    for (least, most) in [(days(0), days(1)), (days(-1), days(1)), (days(2), days(1))] {
        let builder =
            Curfew::builder(tower_curfew::store::MemoryStore::new(), crate::support::keyring());
        let error = builder.policy_bounds(least, most).build().unwrap_err().to_string();
        assert!(error.starts_with(&format!("policy_bounds is {least}")), "{error}");
    }
}

#[tokio::test]
async fn r14_the_name_of_an_organization_that_cannot_be_kept_is_refused() {
    on_every_store(async |site| {
        let longest = "x".repeat(512);
        site.set_policy(&longest, absolute(7)).await;
        assert!(site.curfew.policy(&longest).await.unwrap().is_some());
        for name in ["", "a\0b", &"x".repeat(513)] {
            site.store.calls();
            for (call, answer) in [
                ("set_policy", site.curfew.operator("tests").set_policy(name, absolute(7)).await),
                ("clear_policy", site.curfew.operator("tests").clear_policy(name).await),
                ("revoke_org", site.curfew.operator("tests").revoke_org(name).await),
            ] {
                let kind = answer.map_err(|error| error.kind());
                assert_eq!(kind, Err(ErrorKind::InvalidName), "{call} of {name:?}");
            }
            assert_eq!(site.store.calls(), [""; 0]);
        }
    })
    .await;
}

#[tokio::test]
async fn r22_64_policies_are_kept_and_one_more_is_refused_until_a_revocation_or_in_time() {
    for revoked in [true, false] {
        on_every_store(async |site| {
            let mut ada = site.started(in_acme()).await;
            for n in 1..=64 {
                site.set_policy("acme", OrgPolicy::absolute(hours(n + 48))).await;
                site.pass(minutes(1));
            }
            let full = rules(&site, "acme").await;
            assert_eq!(history(&site, "acme").await.len(), 64);
            for refused in [
                site.curfew.operator("tests").set_policy("acme", absolute(9)).await,
                site.curfew.operator("tests").set_policy("acme", OrgPolicy::idle(hours(1))).await,
                site.curfew.operator("tests").clear_policy("acme").await,
            ] {
                let error = refused.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TooManyPolicies);
                assert!(error.to_string().contains("64 times"), "{error}");
                assert_eq!(error.response().status(), 409);
            }
            assert_eq!(rules(&site, "acme").await, full);
            site.set_policy("acme", OrgPolicy::absolute(hours(64 + 48))).await;
            site.set_policy("globex", absolute(1)).await;
            assert!(ada.is_signed_in().await);
            if revoked {
                site.revoke_org("acme").await;
                assert_eq!(history(&site, "acme").await.len(), 1);
                assert_eq!(ada.turned_away_because().await, "revoked acme");
            } else {
                // 28 silent days, 7 of grace, and 1 between clocks.
                site.pass(days(36));
            }
            site.set_policy("acme", absolute(9)).await;
            site.set_policy("acme", absolute(1)).await;
            let mut pair = site.started_twice(in_acme()).await;
            site.ends_in(days(1), &mut pair, "absolute acme").await;
        })
        .await;
    }
}

#[tokio::test]
async fn r22_a_65th_policy_that_only_tightens_is_taken_and_binds() {
    on_every_store(async |site| {
        let mut ada = site.started(in_acme()).await;
        for n in 1..=128 {
            let length = if n <= 64 { hours(48 + n) } else { hours(176 - n) };
            site.set_policy("acme", OrgPolicy::absolute(length)).await;
        }
        assert_eq!(history(&site, "acme").await.len(), 128);
        let full = site.curfew.operator("tests").set_policy("acme", absolute(1)).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::TooManyPolicies);
        site.pass(hours(48) - MS);
        assert!(ada.is_signed_in().await);
        site.pass(MS);
        assert_eq!(ada.turned_away_because().await, "absolute acme");
    })
    .await;
}

#[tokio::test]
async fn r22_of_two_admins_who_save_at_the_same_moment_neither_is_lost() {
    on_every_store_with(
        |builder| builder.timeout(minutes(1)),
        async |site| {
            for (round, org) in ["acme", "globex"].into_iter().enumerate() {
                if round == 1 {
                    site.set_policy(org, absolute(30)).await;
                }
                let mut held = site.store.hold("replace_rules");
                let curfew = site.curfew.clone();
                let slow = tokio::spawn(async move {
                    curfew.operator("tests").set_policy(org, absolute(7)).await
                });
                held.arrived().await;
                site.set_policy(org, absolute(3)).await;
                let before = history(&site, org).await;
                held.release();
                slow.await.unwrap().unwrap();
                let after = history(&site, org).await;
                assert_eq!(after[..before.len()], before);
                assert_eq!(after.len(), before.len() + 1);
                assert_eq!(after.last().unwrap().policy, Some(absolute(7)));
            }
            let new = NewSession::for_user("ada").orgs(["globex"]);
            let mut pair = site.started_twice(new).await;
            site.ends_in(days(7), &mut pair, "absolute globex").await;
        },
    )
    .await;
}

#[tokio::test]
async fn r19_r22_a_revocation_and_a_policy_saved_at_the_same_moment_both_take_effect() {
    on_every_store_with(
        |builder| builder.timeout(minutes(1)),
        async |site| {
            let mut old = site.started(in_acme()).await;
            let mut held = site.store.hold("replace_rules");
            let curfew = site.curfew.clone();
            let revokes =
                tokio::spawn(async move { curfew.operator("tests").revoke_org("acme").await });
            held.arrived().await;
            site.set_policy("acme", absolute(7)).await;
            // Before the revocation, which is not written yet.
            let mut between = site.started(in_acme()).await;
            held.release();
            revokes.await.unwrap().unwrap();
            for browser in [&mut old, &mut between] {
                assert_eq!(browser.turned_away_because().await, "revoked acme");
            }
            let mut pair = site.started_twice(in_acme()).await;
            site.ends_in(days(7), &mut pair, "absolute acme").await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r22_two_admins_who_save_1_000_times_in_parallel_lose_no_policy_and_leave_none_empty() {
    const SAVES: u32 = 10;
    let limits = Limits::idle(days(1));
    let configure = |builder: Builder| builder.limits(limits).timeout(minutes(1));
    on_every_store_with(configure, async |site| {
        let (mut last, mut count) = (None::<PolicyVersion>, 0);
        for round in 0..1_000 / SAVES {
            let start = Arc::new(Barrier::new(2));
            // Each admin has lengths of their own, and sets none twice.
            let lengths = [minutes(10), minutes(60)].map(|base| {
                Vec::from_iter(
                    (round * SAVES..).take(SAVES as usize).map(|n| base + seconds(n.into())),
                )
            });
            let saves = lengths.clone().map(|lengths| {
                let (curfew, start) = (site.curfew.clone(), start.clone());
                tokio::spawn(async move {
                    start.wait().await;
                    for length in lengths {
                        curfew
                            .operator("tests")
                            .set_policy("acme", OrgPolicy::absolute(length))
                            .await
                            .unwrap();
                    }
                })
            });
            for save in saves {
                save.await.unwrap();
            }
            let history = history(&site, "acme").await;
            assert!(
                history.is_sorted_by(|one, next| {
                    one.begins < next.begins && one.number < next.number
                }),
                "round {round}: {history:?}"
            );
            let (before, saved) =
                history.split_at(history.len().saturating_sub(2 * SAVES as usize));
            assert_eq!(before.last(), last.as_ref(), "round {round}");
            for lengths in lengths {
                // All are there, in the order in which they were saved.
                let own = lengths.iter().map(|length| Some(OrgPolicy::absolute(*length)));
                let own = Vec::from_iter(own);
                let kept = saved.iter().map(|version| version.policy);
                let kept = Vec::from_iter(kept.filter(|policy| own.contains(policy)));
                assert_eq!(kept, own, "round {round}");
            }
            last = saved.last().copied();
            count += saved.len();
            // Then those of this round but the last can bind nobody any more.
            site.pass(days(10));
        }
        assert_eq!(count, 2_000);
    })
    .await;
}
