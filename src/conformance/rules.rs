use std::collections::HashMap;
use std::sync::Arc;

use time::Duration;

use super::{
    assert_same, insert, load, member, minute, race, replace_rules, rules_of, stands, unique,
    with_unknown_fact,
};
use crate::policy::{OrgPolicy, OrgRules};
use crate::session::Revision;
use crate::store::Store;
use crate::token::nonce;

fn revoked(rules: &OrgRules) -> OrgRules {
    rules.with_revocation(minute(1), nonce())
}

/// An organization without a policy has no rules, and membership does not create any.
pub async fn rules_of_nobody_are_none<S: Store>(store: Arc<S>) {
    let org = unique("org");
    let before = stands(&*store).await;
    insert(&*store, member(&unique("user"), &[&org])).await;
    assert!(rules_of(&*store, &org, before).await.is_none());
    assert!(rules_of(&*store, &org, Revision::NONE).await.is_none());
}

/// Rules are replaced if they have the revision that the new ones name; otherwise they stay, and so
/// does the revision of all rules. (R22)
pub async fn rules_are_compared_and_swapped<S: Store>(store: Arc<S>) {
    let org = unique("org");
    let before = stands(&*store).await;
    let first = revoked(&OrgRules::none());
    let second = revoked(&first);
    assert!(!replace_rules(&*store, &org, &second).await, "there are none to replace");
    assert!(rules_of(&*store, &org, before).await.is_none(), "refused, but it wrote");
    assert!(replace_rules(&*store, &org, &first).await, "none are there, as expected");
    assert!(!replace_rules(&*store, &org, &revoked(&OrgRules::none())).await, "some are there");
    let stood = stands(&*store).await;
    assert!(!replace_rules(&*store, &org, &revoked(&second)).await, "of another revision");
    assert_eq!(rules_of(&*store, &org, before).await.unwrap().encode(), first.encode());
    assert!(rules_of(&*store, &org, stood).await.is_none(), "refused, but told as a change");
    assert!(replace_rules(&*store, &org, &second).await, "they are the expected ones");
    assert!(!replace_rules(&*store, &org, &revoked(&first)).await, "there are newer ones by now");
    assert_eq!(rules_of(&*store, &org, before).await.unwrap().encode(), second.encode());
}

/// A caller that did not get the answer repeats the call, and it is the same change. (Trap 54)
pub async fn rules_replaced_again_are_the_same_replacement<S: Store>(store: Arc<S>) {
    let org = unique("org");
    let before = stands(&*store).await;
    let first = revoked(&OrgRules::none());
    for rules in [&first, &revoked(&first)] {
        for _ in 0..3 {
            assert!(replace_rules(&*store, &org, rules).await);
        }
        assert_eq!(rules_of(&*store, &org, before).await.unwrap().encode(), rules.encode());
    }
    assert!(!replace_rules(&*store, &org, &first).await, "others have replaced them since");
}

/// Among writers that read the same rules, or none, one wins, and nothing of the others is stored.
/// (R22)
pub async fn rules_let_one_of_several_racers_win<S: Store>(store: Arc<S>) {
    let org = unique("org");
    let before = stands(&*store).await;
    let mut rules = OrgRules::none();
    for _ in 0..5 {
        let changes: Vec<_> = (0..16).map(|_| revoked(&rules)).collect();
        let racers = changes.iter().map(|change| {
            let (store, org, change) = (store.clone(), org.clone(), change.clone());
            async move { replace_rules(&*store, &org, &change).await }
        });
        let won = race(racers).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        let winner = &changes[won.iter().position(|won| *won).unwrap()];
        rules = rules_of(&*store, &org, before).await.unwrap();
        assert_eq!(rules.encode(), winner.encode());
    }
}

/// A long history, and every limit to the millisecond.
pub async fn rules_keep_what_the_caller_set<S: Store>(store: Arc<S>) {
    let (org, before) = (unique("org"), stands(&*store).await);
    let mut rules = OrgRules::none().with_longest_silence(Duration::MAX, nonce());
    assert!(replace_rules(&*store, &org, &rules).await);
    for number in 1..=64 {
        let policy = match number % 4 {
            0 => None,
            1 => Some(OrgPolicy::absolute(Duration::milliseconds(number))),
            2 => Some(OrgPolicy::idle(Duration::days(36_500 - number))),
            _ => Some(OrgPolicy::absolute(Duration::HOUR).and_idle(Duration::minutes(number))),
        };
        let at = minute(number) + Duration::milliseconds(number);
        rules = rules.with_policy(policy, Duration::MAX, at, nonce()).unwrap();
        assert!(replace_rules(&*store, &org, &rules).await);
    }
    let found = rules_of(&*store, &org, before).await.unwrap();
    assert_eq!((found.versions(), found.revision()), (rules.versions(), rules.revision()));
    assert_eq!(found.encode(), rules.encode());
}

/// A fact that a later version of this crate has written, and that this one does not know, survives
/// a change by this version.
pub async fn rules_carry_what_this_version_does_not_know<S: Store>(store: Arc<S>) {
    let org = unique("org");
    let before = stands(&*store).await;
    // Rules that were read do not know their previous revision; but there was none.
    let first = revoked(&OrgRules::none());
    assert!(replace_rules(&*store, &org, &first).await);
    let later = OrgRules::decode(&with_unknown_fact(&revoked(&first).encode())).unwrap();
    let later = later.in_place_of(first.revision());
    assert!(replace_rules(&*store, &org, &later).await);
    let found = rules_of(&*store, &org, before).await.unwrap();
    let changed = found.with_policy(None, Duration::MAX, minute(5), nonce()).unwrap();
    assert!(replace_rules(&*store, &org, &changed).await);
    let found = rules_of(&*store, &org, before).await.unwrap().encode();
    assert!(found.windows(5).any(|bytes| bytes == b"later"), "it is lost");
}

/// Each organization is reported once, with its current rules, in the order of the last changes.
pub async fn rules_since_tells_changes_in_their_order<S: Store>(store: Arc<S>) {
    let [a, b, c] = [unique("a"), unique("b"), unique("c")];
    let before = stands(&*store).await;
    let mut rules = HashMap::new();
    for org in [&a, &b, &c, &a, &b, &a] {
        let last = rules.entry(org.clone()).or_insert(OrgRules::none());
        *last = revoked(last);
        assert!(replace_rules(&*store, org, last).await);
    }
    let changed = store.rules_since(before, 1000).await.unwrap();
    let ours: Vec<_> =
        changed.changes.iter().filter(|changed| rules.contains_key(&changed.org)).collect();
    let order: Vec<_> = ours.iter().map(|changed| &changed.org).collect();
    assert_eq!(order, [&c, &b, &a]);
    for changed in ours {
        let found = changed.rules.as_ref().unwrap();
        assert_eq!(found.encode(), rules[&changed.org].encode());
    }
}

/// A page that is cut off reaches as far as its last change; the last page reaches the current
/// revision. A reader that continues from there misses nothing, and reads nothing twice. (Trap 53)
pub async fn rules_since_tells_how_far_it_reaches<S: Store>(store: Arc<S>) {
    let before = stands(&*store).await;
    let orgs: Vec<_> = (0..5).map(|_| unique("org")).collect();
    for org in &orgs {
        assert!(replace_rules(&*store, org, &revoked(&OrgRules::none())).await);
    }
    // Other tests may share the store, and change rules in the meantime.
    let stood = stands(&*store).await;
    let whole = store.rules_since(before, 1000).await.unwrap();
    let stands_now = stands(&*store).await;
    assert!(stood <= whole.reaches && whole.reaches <= stands_now, "{stood:?}, {whole:?}");
    for at_most in [1, 2, 3, 5] {
        let (mut reached, mut told) = (before, Vec::new());
        while told.len() < orgs.len() {
            let page = store.rules_since(reached, at_most).await.unwrap();
            assert!(page.changes.len() <= at_most as usize);
            assert!(reached < page.reaches, "it goes on");
            assert_eq!(page.incarnation, whole.incarnation, "it is the same store all the time");
            reached = page.reaches;
            told.extend(page.changes.into_iter().map(|c| c.org).filter(|org| orgs.contains(org)));
        }
        assert_eq!(told, orgs, "by {at_most}");
        let rest = store.rules_since(reached, 1000).await.unwrap().changes;
        assert!(rest.iter().all(|changed| !orgs.contains(&changed.org)), "nothing twice");
    }
    let stands = stands(&*store).await;
    let nothing = store.rules_since(stands, 1000).await.unwrap();
    assert!(stands <= nothing.reaches, "where nothing has changed it reaches as far as they stand");
}

/// A reader that keeps asking for changes, while others save, sees all of them in the end. (Trap
/// 56)
pub async fn rules_become_visible_in_order<S: Store>(store: Arc<S>) {
    let before = stands(&*store).await;
    // Each is changed once, so that a missed change does not show up later.
    let orgs: Vec<_> = (0..160).map(|_| unique("org")).collect();
    let saves = orgs.chunks(20).map(|orgs| {
        let (store, orgs) = (store.clone(), orgs.to_vec());
        async move {
            let mut saved = Vec::new();
            for org in orgs {
                let rules = revoked(&OrgRules::none());
                assert!(replace_rules(&*store, &org, &rules).await);
                saved.push((org, rules));
            }
            saved
        }
    });
    let follows = (0..4).map(|at| {
        let (store, orgs) = (store.clone(), orgs.clone());
        async move {
            let (mut reached, mut heard) = (before, HashMap::new());
            loop {
                let page = store.rules_since(reached, 1 + at).await.unwrap();
                assert!(reached <= page.reaches, "it goes on");
                reached = page.reaches;
                for changed in page.changes.into_iter().filter(|c| orgs.contains(&c.org)) {
                    let again = heard.insert(changed.org, changed.rules.unwrap());
                    assert!(again.is_none(), "each change is told once");
                }
                if heard.len() == orgs.len() {
                    return heard;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let heard = async {
        let limit = std::time::Duration::from_secs(60);
        tokio::time::timeout(limit, race(follows)).await.expect("they hear of every change")
    };
    let (saved, heard) = tokio::join!(race(saves), heard);
    for heard in heard {
        for (org, rules) in saved.iter().flatten() {
            assert_eq!(heard[org].encode(), rules.encode());
        }
    }
}

/// A change of an organization's rules writes none of its sessions, regardless of their number.
/// (R14, R19)
pub async fn rules_touch_no_session<S: Store>(store: Arc<S>) {
    let org = unique("org");
    let session = insert(&*store, member(&unique("user"), &[&org])).await;
    assert!(replace_rules(&*store, &org, &revoked(&OrgRules::none())).await);
    assert_same(&load(&*store, session.id()).await.record, &session, "nothing has changed");
}
