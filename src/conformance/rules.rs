use time::Duration;

use super::{change_rules, insert, load, member, minute, only_winner, race, rules_of, unique};
use crate::policy::OrgPolicy;
use crate::store::{OrgRules, Store};

/// An organisation that was never seen has no rules, and asking makes none.
pub async fn org_rules_of_an_unknown_organisation_are_none(store: &impl Store) {
    let org = unique("org");
    for _ in 0..2 {
        assert!(store.org_rules(&org).await.unwrap().is_none());
    }
}

/// Rules are replaced if their revision is the expected one, or made if none are expected;
/// otherwise they stay as they are. (R22)
pub async fn put_org_rules_compares_and_swaps(store: &impl Store) {
    let org = unique("org");
    let first = OrgRules::first(minute(1));
    let put = async |expected, rules: &OrgRules| {
        store.put_org_rules(&org, expected, rules.clone()).await.unwrap()
    };
    assert!(!put(Some(first.revision()), &first).await, "there are none to replace");
    assert!(store.org_rules(&org).await.unwrap().is_none(), "refused, but it wrote");

    assert!(put(None, &first).await, "none are there, as expected");
    let second = first.with_revocation();
    assert!(!put(None, &second).await, "some are there");
    assert!(!put(Some(second.revision()), &second).await, "but of an older revision");
    assert_eq!(rules_of(store, &org).await, first, "refused, but it wrote");

    assert!(put(Some(first.revision()), &second).await, "they are the expected ones");
    assert!(!put(Some(first.revision()), &first).await, "there are newer ones by now");
    assert_eq!(rules_of(store, &org).await, second);
}

/// Among writers who saw the same rules, or none, one wins, and nothing of the others is there.
/// (R22)
pub async fn put_org_rules_lets_one_of_several_racers_win(store: &impl Store) {
    let org = unique("org");
    let mut expected = None;
    for seen in [OrgRules::first(minute(0)), OrgRules::first(minute(0)).with_revocation()] {
        let policy = |days| Some(OrgPolicy::absolute(Duration::days(days)));
        let change =
            |days| seen.with_policy(policy(days), Some(Duration::days(28)), minute(1)).unwrap();
        let changes: Vec<_> = (1..9).map(change).collect();
        let racers = changes.iter().map(|rules| store.put_org_rules(&org, expected, rules.clone()));
        let answers: Vec<_> = race(racers).await.into_iter().map(Result::unwrap).collect();
        let winner = only_winner(&answers, &true);
        assert_eq!(rules_of(store, &org).await, changes[winner], "the rules of the winner count");
        expected = Some(changes[winner].revision());
    }
}

/// A history of 64 versions is found again as it was written: limits of each kind, both and none,
/// from a millisecond to 36,500 days. (R22)
pub async fn put_org_rules_keeps_the_whole_history(store: &impl Store) {
    let org = unique("org");
    let longest = Duration::days(36_500);
    let policies = [
        Some(OrgPolicy::absolute(Duration::MILLISECOND).and_idle(longest)),
        None,
        Some(OrgPolicy::idle(Duration::minutes(15))),
        Some(OrgPolicy::absolute(longest)),
    ];
    let mut rules = OrgRules::first(minute(0)).with_revocation();
    for (i, policy) in (0..).zip(policies.into_iter().cycle().take(64)) {
        rules = rules.with_policy(policy, None, minute(i)).unwrap();
    }
    assert!(store.put_org_rules(&org, None, rules.clone()).await.unwrap());
    assert_eq!(rules_of(store, &org).await, rules);
    let facts = load(store, insert(store, member(&unique("user"), &[&org])).await).await;
    assert!(facts.memberships().all(|(_, shown)| **shown == rules), "load shows all of it, too");
    assert_eq!(facts.record().memberships[0].version, 64);
}

/// Revoking all sessions of an organisation is this one write: no record changes, and the next load
/// of any of them shows the new generation. Who signs in after it is stamped with that. (R19)
pub async fn put_org_rules_revokes_with_one_write(store: &impl Store) {
    let (org, user) = (unique("org"), unique("user"));
    let mut before = Vec::new();
    for _ in 0..3 {
        before.push(load(store, insert(store, member(&user, &[&org])).await).await);
    }
    let revoked = change_rules(store, &org, OrgRules::with_revocation).await;
    for session in before {
        let after = load(store, session.record().id).await;
        assert_eq!(after.record(), session.record(), "no session is touched");
        let shown: Vec<_> = after.memberships().map(|(_, rules)| rules.generation()).collect();
        assert_eq!(shown, [revoked.generation()], "the next load knows");
    }
    let later = load(store, insert(store, member(&user, &[&org])).await).await;
    assert_eq!(later.record().memberships[0].generation, revoked.generation());
}
