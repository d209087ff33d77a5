use std::sync::Arc;

use super::{
    change_rules, end, ids_listed, insert, load, member, minute, only_winner, race, random_hash,
    record, record_of, rules_of, started, started_in, unique,
};
use crate::session::{Client, Ended, EndsBy, Membership, Record, Selector};
use crate::store::{Facts, OrgRules, Rotate, SetOrgs, Store, Swapped, Touch, Touched};

/// An organisation that is listed already keeps its entry; a new one is stamped with its rules as
/// they are now, and gets first rules if it has none; one that is not listed goes. (R18)
pub async fn set_orgs_stamps_new_entries_and_keeps_old_ones(store: &impl Store) {
    let (kept, left, new, unseen) = (unique("a"), unique("b"), unique("c"), unique("d"));
    let id = insert(store, member(&unique("user"), &[&kept, &left])).await;
    // The session is stamped before this.
    change_rules(store, &kept, OrgRules::with_revocation).await;
    let rules = OrgRules::first(minute(1)).with_revocation();
    assert!(store.put_org_rules(&new, None, rules.clone()).await.unwrap());

    let seen = load(store, id).await;
    let before = seen.record().memberships.clone();
    let change = joining(&seen, &[&kept, &new, &unseen]);
    assert_eq!(store.set_orgs(change).await.unwrap(), Swapped::Done);
    let stamped = |org: &Arc<str>, generation| Membership {
        org: org.clone(),
        generation,
        version: 0,
        joined: minute(5),
    };
    let first = rules_of(store, &unseen).await;
    let expected = [
        before[0].clone(),
        stamped(&new, rules.generation()),
        stamped(&unseen, first.generation()),
    ];
    assert_eq!(record_of(store, id).await.memberships, expected);
    assert_eq!(first, OrgRules::first(minute(5)), "first seen when the session joins");
    assert_eq!(
        rules_of(store, &left).await,
        OrgRules::first(minute(0)),
        "without members it stays"
    );
}

/// Beside the memberships only `ends_by` and `purge_after` change, and to the given values. (R18)
pub async fn set_orgs_changes_nothing_else(store: &impl Store) {
    let org = unique("org");
    let session = started_in(store, &org).await;
    let ends_by = Some(EndsBy { at: minute(9), org: Some(org) });
    let purge_after = minute(99);
    let change = SetOrgs { ends_by: ends_by.clone(), purge_after, ..joining(&session, &[]) };
    assert_eq!(store.set_orgs(change).await.unwrap(), Swapped::Done);
    let memberships = Vec::new();
    let expected = Record { memberships, ends_by, purge_after, ..Record::clone(session.record()) };
    assert_eq!(record_of(store, expected.id).await, expected);
}

/// The session is found under the organisation it joined, and no more under the one it left. (R19)
pub async fn set_orgs_moves_the_session_between_selections(store: &impl Store) {
    let (old, new) = (unique("old"), unique("new"));
    let session = started_in(store, &old).await;
    let id = session.record().id;
    assert_eq!(store.set_orgs(joining(&session, &[&new])).await.unwrap(), Swapped::Done);
    assert_eq!(ids_listed(store, &Selector::org(&old)).await, []);
    assert_eq!(ids_listed(store, &Selector::org(&new)).await, [id]);
    let ended = Ended::revoked(minute(6));
    assert_eq!(store.end(&Selector::org(&old), &ended).await.unwrap(), 0);
    assert_eq!(store.end(&Selector::org(&new), &ended).await.unwrap(), 1);
}

/// Memberships or an `ends_by` that changed since the caller looked: nothing changes. (R18)
pub async fn set_orgs_is_stale_after_another_set_orgs(store: &impl Store) {
    let (org, other) = (unique("org"), unique("other"));
    for label in ["memberships", "ends_by"] {
        let session = started_in(store, &org).await;
        let change = match label {
            "memberships" => joining(&session, &[&org, &other]),
            _ => SetOrgs {
                ends_by: Some(EndsBy { at: minute(9), org: None }),
                ..joining(&session, &[&org])
            },
        };
        assert_eq!(store.set_orgs(change).await.unwrap(), Swapped::Done);
        let before = record_of(store, session.record().id).await;
        let late = joining(&session, &[]);
        assert_eq!(store.set_orgs(late).await.unwrap(), Swapped::Stale, "other {label}");
        assert_eq!(record_of(store, before.id).await, before, "stale, but it wrote ({label})");
    }
}

/// Rules of any of its organisations that changed since the caller looked, by a policy or by a
/// revocation: nothing changes. Rules of an organisation that it joins may change. (R18)
pub async fn set_orgs_is_stale_after_a_change_of_rules(store: &impl Store) {
    let (one, two, new) = (unique("one"), unique("two"), unique("three"));
    let id = insert(store, member(&unique("user"), &[&one, &two])).await;
    started_in(store, &new).await;
    for org in [&one, &two] {
        let seen = load(store, id).await;
        change_rules(store, org, OrgRules::with_revocation).await;
        for orgs in [&[&one, &two, &new][..], &[]] {
            let answer = store.set_orgs(joining(&seen, orgs)).await.unwrap();
            assert_eq!(answer, Swapped::Stale, "the rules are others");
        }
        assert_eq!(record_of(store, id).await, **seen.record(), "stale, but it wrote");
    }
    let seen = load(store, id).await;
    change_rules(store, &new, OrgRules::with_revocation).await;
    let answer = store.set_orgs(joining(&seen, &[&one, &two, &new])).await.unwrap();
    assert_eq!(answer, Swapped::Done, "it did not belong there before");
    let record = record_of(store, id).await;
    let joined = record.memberships.iter().find(|membership| membership.org == new).unwrap();
    let current = rules_of(store, &new).await.generation();
    assert_eq!(joined.generation, current, "and it joins the current one");
}

/// Activity since the caller looked: nothing changes, or the new `purge_after`, which counts from
/// the activity that the caller saw, would be too early. (R5, R18)
pub async fn set_orgs_is_stale_after_activity(store: &impl Store) {
    let session = started(store).await;
    let Record { id, secret_hash, seen: last_seen, .. } = **session.record();
    let (client, purge_after) = (Client::default(), minute(99));
    let touch = Touch { id, secret_hash, seen: minute(4), last_seen, client, purge_after };
    assert_eq!(store.touch(touch).await.unwrap(), Touched::Moved);
    let before = record_of(store, id).await;
    let org = unique("org");
    assert_eq!(store.set_orgs(joining(&session, &[&org])).await.unwrap(), Swapped::Stale);
    assert_eq!(record_of(store, id).await, before, "stale, but it wrote");
    assert!(store.org_rules(&org).await.unwrap().is_none(), "stale, but it made rules");
}

/// A rotation since the caller looked stays, and does not stand in the way. (R11, R18)
pub async fn set_orgs_is_not_stale_after_a_rotation(store: &impl Store) {
    let session = started(store).await;
    let Record { id, secret_hash: old, .. } = **session.record();
    let new = random_hash();
    let rotate = Rotate { id, old, new, authenticated: Some(minute(4)) };
    assert_eq!(store.rotate(rotate).await.unwrap(), Swapped::Done);

    let answer = store.set_orgs(joining(&session, &[&unique("org")])).await.unwrap();
    assert_eq!(answer, Swapped::Done);
    let record = record_of(store, id).await;
    assert_eq!(record.authenticated, minute(4));
    assert!(record.secret_hash == new, "a newer secret was lost");
}

/// Among changes of one record one is done, and the others learn that they are stale. (R18)
pub async fn set_orgs_lets_one_of_several_racers_win(store: &impl Store) {
    let session = started(store).await;
    let orgs: Vec<_> = (0..8).map(|_| unique("org")).collect();
    let racers = orgs.iter().map(|org| store.set_orgs(joining(&session, &[org])));
    let answers: Vec<_> = race(racers).await.into_iter().map(Result::unwrap).collect();
    let winner = only_winner(&answers, &Swapped::Done);
    let memberships = record_of(store, session.record().id).await.memberships;
    assert_eq!(memberships.len(), 1);
    assert_eq!(memberships[0].org, orgs[winner], "the organisation of the winner counts");
}

/// A session that has ended or does not exist joins nothing. (R5)
pub async fn set_orgs_after_the_end_is_gone(store: &impl Store) {
    let org = unique("org");
    let session = started_in(store, &org).await;
    end(store, session.record().id).await;
    let before = record_of(store, session.record().id).await;
    for orgs in [&[][..], &[&org], &[&unique("new")]] {
        assert_eq!(store.set_orgs(joining(&session, orgs)).await.unwrap(), Swapped::Gone);
        assert_eq!(record_of(store, before.id).await, before, "what has ended never changes");
    }
    let unknown = Facts::new(record(&unique("user")), |_| None).unwrap();
    let id = unknown.record().id;
    assert_eq!(store.set_orgs(joining(&unknown, &[])).await.unwrap(), Swapped::Gone);
    assert!(store.load(id).await.unwrap().is_none(), "set_orgs must not write it");
}

/// At minute 5 the session shall belong to these, and nothing else shall change.
fn joining(seen: &Facts, orgs: &[&Arc<str>]) -> SetOrgs {
    let mut orgs: Vec<_> = orgs.iter().map(|org| Arc::clone(org)).collect();
    orgs.sort();
    SetOrgs {
        seen: seen.clone(),
        orgs,
        joined: minute(5),
        ends_by: seen.record().ends_by.clone(),
        purge_after: seen.record().purge_after,
    }
}
