use time::Duration;

use super::{
    end, ids_listed, insert, load, member, minute, race, record, record_of, rules_of, unique,
};
use crate::policy::OrgPolicy;
use crate::session::{Ended, Record, Selector};
use crate::store::{Insert, OrgRules, Store};

/// Each membership carries the generation and the version of its organisation's rules at the time
/// of the write, not those it came with. (R19)
pub async fn insert_stamps_each_membership_with_the_rules_in_force(store: &impl Store) {
    let (acme, globex) = (unique("acme"), unique("globex"));
    let policy = Some(OrgPolicy::absolute(Duration::days(7)));
    let rules = OrgRules::first(minute(-9))
        .with_policy(policy, Some(Duration::days(28)), minute(-8))
        .unwrap()
        .with_revocation();
    assert!(store.put_org_rules(&acme, None, rules.clone()).await.unwrap());
    assert!(store.put_org_rules(&globex, None, OrgRules::first(minute(-7))).await.unwrap());

    let id = insert(store, member(&unique("user"), &[&acme, &globex])).await;
    let record = record_of(store, id).await;
    let [in_acme, in_globex] = &record.memberships[..] else {
        panic!("both memberships are stored: {:?}", record.memberships);
    };
    assert_eq!((&in_acme.org, &in_globex.org), (&acme, &globex));
    assert_eq!((in_acme.generation, in_acme.version), (rules.generation(), 1));
    assert_eq!((in_globex.generation, in_globex.version), (minute(-7).unix_millis(), 0));
    assert_eq!(in_acme.joined, minute(0), "when it joined is for the caller to say");
}

/// An organisation that is seen for the first time gets [`OrgRules::first`] at the time the record
/// was created, and one that has rules keeps them.
pub async fn insert_stores_first_rules_for_an_organisation_without_any(store: &impl Store) {
    let (org, user) = (unique("org"), unique("user"));
    let first = insert(store, member(&user, &[&org])).await;
    assert_eq!(rules_of(store, &org).await, OrgRules::first(minute(0)));

    let later = Record { created: minute(5), ..member(&user, &[&org]) };
    let second = insert(store, later).await;
    assert_eq!(rules_of(store, &org).await, OrgRules::first(minute(0)), "they are there already");
    for id in [first, second] {
        let generation = record_of(store, id).await.memberships[0].generation;
        assert_eq!(generation, minute(0).unix_millis());
    }
}

/// The sessions that it replaces end as revoked at the time the new one was created, whoever they
/// belong to; others stay. (R28)
pub async fn insert_ends_what_it_replaces(store: &impl Store) {
    let (user, other) = (unique("user"), unique("other"));
    let old = insert(store, record(&user)).await;
    let somebody_elses = insert(store, record(&other)).await;
    let stays = insert(store, record(&user)).await;

    let new = Record { created: minute(4), ..record(&user) };
    let id = new.id;
    let answer = store.insert(new, &[old, somebody_elses], None).await.unwrap();
    assert_eq!(answer, Insert::Stored);
    for replaced in [old, somebody_elses] {
        let ended = record_of(store, replaced).await.ended;
        assert_eq!(ended, Some(Ended::revoked(minute(4))), "it is replaced");
    }
    for living in [stays, id] {
        assert_eq!(record_of(store, living).await.ended, None, "nothing replaces it");
    }
    assert_eq!(ids_listed(store, &Selector::user(&user)).await, [id, stays]);
}

/// Replaced sessions that do not exist are passed over, and those that have ended stay as they are.
/// (R5)
pub async fn insert_passes_over_replaced_sessions_that_are_gone(store: &impl Store) {
    let user = unique("user");
    let over = insert(store, record(&user)).await;
    let ended = end(store, over).await;
    let (unknown, new) = (record(&user).id, Record { created: minute(4), ..record(&user) });
    let id = new.id;
    assert_eq!(store.insert(new, &[unknown, over, over], Some(1)).await.unwrap(), Insert::Stored);
    assert_eq!(record_of(store, id).await.ended, None);
    assert_eq!(record_of(store, over).await.ended, Some(ended), "the first end stays");
    assert!(store.load(unknown).await.unwrap().is_none(), "nothing but its own insert creates it");
}

/// An id that exists is an error, and nothing changes: neither the record that has it, living or
/// ended, nor what would have been replaced. (R5)
pub async fn insert_refuses_an_id_that_exists(store: &impl Store) {
    let user = unique("user");
    let stays = insert(store, record(&user)).await;
    for ends in [false, true] {
        let id = insert(store, record(&user)).await;
        if ends {
            end(store, id).await;
        }
        let before = record_of(store, id).await;
        let second = Record { id, ..member(&unique("second"), &[&unique("org")]) };
        let answer = store.insert(second, &[stays], None).await;
        assert!(answer.is_err(), "a second session under one id: {answer:?}");
        assert_eq!(record_of(store, id).await, before, "the first one stays as it is");
        assert_eq!(record_of(store, stays).await.ended, None, "a refusal replaces nothing");
    }
}

/// A user has exactly `cap` sessions that have not ended, and other users do not count. (R29)
pub async fn insert_stores_exactly_as_many_as_the_cap(store: &impl Store) {
    let (user, other) = (unique("user"), unique("other"));
    insert(store, record(&other)).await;
    for _ in 0..3 {
        assert_eq!(store.insert(record(&user), &[], Some(3)).await.unwrap(), Insert::Stored);
    }
    assert_eq!(store.insert(record(&user), &[], Some(3)).await.unwrap(), Insert::Full);
    assert_eq!(store.insert(record(&user), &[], Some(4)).await.unwrap(), Insert::Stored);
    assert_eq!(store.insert(record(&user), &[], None).await.unwrap(), Insert::Stored);
    assert_eq!(ids_listed(store, &Selector::user(&user)).await.len(), 5);
}

/// [`Insert::Full`] stores nothing, ends nothing, and makes no rules. (R29)
pub async fn insert_that_is_full_changes_nothing(store: &impl Store) {
    let (user, org) = (unique("user"), unique("org"));
    let first = insert(store, record(&user)).await;
    let second = insert(store, record(&user)).await;
    let third = member(&user, &[&org]);
    let id = third.id;
    assert_eq!(store.insert(third, &[first], Some(1)).await.unwrap(), Insert::Full);
    assert!(store.load(id).await.unwrap().is_none(), "it is not stored");
    for living in [first, second] {
        assert_eq!(record_of(store, living).await.ended, None, "and replaces nothing");
    }
    assert!(store.org_rules(&org).await.unwrap().is_none(), "and no organisation has seen it");
}

/// What it replaces makes room, named once or twice; what it would replace of somebody else does
/// not. (R28, R29)
pub async fn insert_does_not_count_what_it_replaces(store: &impl Store) {
    let (user, other) = (unique("user"), unique("other"));
    let old = insert(store, record(&user)).await;
    let stays = insert(store, record(&user)).await;
    let somebody_elses = insert(store, record(&other)).await;
    let full = store.insert(record(&user), &[somebody_elses], Some(2)).await.unwrap();
    assert_eq!(full, Insert::Full);
    let full = store.insert(record(&user), &[old, old], Some(1)).await.unwrap();
    assert_eq!(full, Insert::Full);
    let new = Record { created: minute(1), ..record(&user) };
    let id = new.id;
    assert_eq!(store.insert(new, &[old], Some(2)).await.unwrap(), Insert::Stored);
    assert_eq!(ids_listed(store, &Selector::user(&user)).await, [id, stays]);
}

/// Sessions that have ended do not count, deleted or not; those past their limits do, until
/// somebody ends them. (R29)
pub async fn insert_does_not_count_what_has_ended(store: &impl Store) {
    let user = unique("user");
    let first = insert(store, Record { idle: Some(Duration::MILLISECOND), ..record(&user) }).await;
    let later = || Record { created: minute(9), seen: minute(9), ..record(&user) };
    assert_eq!(store.insert(later(), &[], Some(1)).await.unwrap(), Insert::Full);
    end(store, first).await;
    assert_eq!(store.insert(later(), &[], Some(1)).await.unwrap(), Insert::Stored);
}

/// Among parallel sign-ins of one user never one more than `cap` is stored. (R29)
pub async fn insert_holds_the_cap_among_racers(store: &impl Store) {
    let user = unique("user");
    let racers = (0..32).map(|_| store.insert(record(&user), &[], Some(5)));
    let answers: Vec<_> = race(racers).await.into_iter().map(Result::unwrap).collect();
    let stored = answers.iter().filter(|answer| **answer == Insert::Stored).count();
    assert_eq!(stored, 5, "as many as the cap allows");
    assert_eq!(ids_listed(store, &Selector::user(&user)).await.len(), 5, "and no more are there");
}

/// Parallel sign-ins that are the first of an organisation agree about its rules.
pub async fn insert_of_racers_joins_one_generation(store: &impl Store) {
    let org = unique("org");
    let racers = (0..8).map(|i| {
        let record = Record { created: minute(i), ..member(&unique("user"), &[&org]) };
        insert(store, record)
    });
    let ids = race(racers).await;
    let rules = rules_of(store, &org).await;
    for id in ids {
        let facts = load(store, id).await;
        let generation = facts.record().memberships[0].generation;
        assert_eq!(generation, rules.generation(), "it would be dead on arrival");
    }
}
