//! The store contract as functions, for whoever writes a [`Store`].
//!
//! Each function tries one clause of [`Store`] and panics, with a message, if the store breaks it.
//! [`all`] runs them all:
//!
//! ```
//! use tower_curfew::conformance;
//! use tower_curfew::store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // In a test of yours, with your store.
//! conformance::all(&MemoryStore::new()).await;
//! # }
//! ```
//!
//! Give them a store of their own, never the one in production: they leave records behind, and they
//! purge what is due before the year 2092. It need not be empty, since ids, users and organisations
//! are drawn at random; but run only one of the functions at a time. Their times lie in the next
//! century, so a store that deletes by its own clock, too, passes.
//!
//! Racers are futures that one task polls in turn. That finds a store which reads, waits and then
//! writes. A store that never waits should also be tried from several threads.

#![expect(clippy::unwrap_used, reason = "a store that does not answer has failed the test")]

mod end;
mod insert;
mod list;
mod load;
mod orgs;
mod purge;
mod rules;
mod touch;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use time::Duration;

pub use self::end::*;
pub use self::insert::*;
pub use self::list::*;
pub use self::load::*;
pub use self::orgs::*;
pub use self::purge::*;
pub use self::rules::*;
pub use self::touch::*;
use crate::session::{Client, Ended, Kind, Membership, Record, SecretHash, Selector, SessionId};
use crate::store::{Facts, Insert, OrgRules, Page, Store};
use crate::time::Timestamp;
use crate::token::random_id;

/// Runs every function of this module, one after another.
pub async fn all(store: &impl Store) {
    insert_stamps_each_membership_with_the_rules_in_force(store).await;
    insert_stores_first_rules_for_an_organisation_without_any(store).await;
    insert_ends_what_it_replaces(store).await;
    insert_passes_over_replaced_sessions_that_are_gone(store).await;
    insert_refuses_an_id_that_exists(store).await;
    insert_stores_exactly_as_many_as_the_cap(store).await;
    insert_that_is_full_changes_nothing(store).await;
    insert_does_not_count_what_it_replaces(store).await;
    insert_does_not_count_what_has_ended(store).await;
    insert_holds_the_cap_among_racers(store).await;
    insert_of_racers_joins_one_generation(store).await;

    load_of_an_unknown_session_is_none(store).await;
    load_returns_a_record_as_it_was_stored(store).await;
    load_returns_a_record_of_the_longest_labels(store).await;
    load_shows_the_rules_of_each_membership(store).await;

    touch_records_activity_and_client(store).await;
    touch_never_moves_back(store).await;
    touch_keeps_what_somebody_else_recorded_since(store).await;
    touch_lets_one_of_several_racers_win(store).await;
    touch_never_resurrects(store).await;
    touch_of_an_unknown_session_is_gone(store).await;
    touch_under_an_older_secret_is_gone(store).await;
    rotate_replaces_the_hash_and_nothing_else(store).await;
    rotate_records_that_the_person_proved_who_they_are(store).await;
    rotate_of_an_older_secret_is_stale(store).await;
    rotate_lets_one_of_several_racers_win(store).await;
    rotate_after_the_end_is_gone(store).await;

    set_orgs_stamps_new_entries_and_keeps_old_ones(store).await;
    set_orgs_changes_nothing_else(store).await;
    set_orgs_moves_the_session_between_selections(store).await;
    set_orgs_is_stale_after_another_set_orgs(store).await;
    set_orgs_is_stale_after_a_change_of_rules(store).await;
    set_orgs_is_stale_after_activity(store).await;
    set_orgs_is_not_stale_after_a_rotation(store).await;
    set_orgs_lets_one_of_several_racers_win(store).await;
    set_orgs_after_the_end_is_gone(store).await;

    org_rules_of_an_unknown_organisation_are_none(store).await;
    put_org_rules_compares_and_swaps(store).await;
    put_org_rules_lets_one_of_several_racers_win(store).await;
    put_org_rules_keeps_the_whole_history(store).await;
    put_org_rules_revokes_with_one_write(store).await;

    end_ends_exactly_what_the_selector_names(store).await;
    end_counts_and_nothing_to_end_is_no_error(store).await;
    end_is_final(store).await;
    end_makes_the_record_due(store).await;
    end_keeps_the_reason_and_the_organisation(store).await;
    end_counts_each_session_once_among_racers(store).await;
    end_survives_a_rotation(store).await;
    end_survives_what_is_written_at_the_same_time(store).await;

    list_shows_exactly_what_the_selector_names(store).await;
    list_is_ordered_newest_first(store).await;
    list_goes_on_where_the_page_before_ended(store).await;
    list_shows_records_and_rules_as_load_does(store).await;
    names_are_compared_byte_by_byte(store).await;

    purge_deletes_what_is_due_and_nothing_else(store).await;
    purge_deletes_at_most_so_many(store).await;
    purge_goes_by_the_latest_purge_after(store).await;
    purge_deletes_what_has_ended_though_it_had_no_limit(store).await;
    purge_makes_room_under_the_cap(store).await;
    what_was_purged_is_gone(store).await;
}

// --- what the functions share --------------------------------------------------------------------

/// Minutes of the year 2100: later than any clock shows.
fn minute(minute: i64) -> Timestamp {
    Timestamp::from_unix_millis(4_102_444_800_000) + Duration::minutes(minute)
}

fn unique(what: &str) -> Arc<str> {
    format!("{what} {}", random_id()).into()
}

fn random_hash() -> SecretHash {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(random_id().as_bytes());
    bytes[16..].copy_from_slice(random_id().as_bytes());
    SecretHash::from_bytes(bytes)
}

/// A session that begins at minute 0 and belongs to no organisation.
fn record(user: &Arc<str>) -> Record {
    Record {
        id: random_id(),
        secret_hash: random_hash(),
        user: user.clone(),
        kind: Kind::Browser,
        name: None,
        memberships: Vec::new(),
        created: minute(0),
        authenticated: minute(0),
        seen: minute(0),
        ends_by: None,
        idle: Some(Duration::days(28)),
        client: Client::default(),
        ended: None,
        purge_after: minute(0) + Duration::days(35),
    }
}

/// Such a session that belongs to organisations, with stamps that no store should believe.
fn member(user: &Arc<str>, orgs: &[&Arc<str>]) -> Record {
    let join = |org: &&Arc<str>| Membership {
        org: Arc::clone(org),
        generation: -1,
        version: 99,
        joined: minute(0),
    };
    let mut memberships: Vec<_> = orgs.iter().map(join).collect();
    memberships.sort_by(|a, b| a.org.cmp(&b.org));
    Record { memberships, ..record(user) }
}

async fn insert(store: &impl Store, record: Record) -> SessionId {
    let id = record.id;
    assert_eq!(store.insert(record, &[], None).await.unwrap(), Insert::Stored);
    id
}

/// The facts of a new session of a new user.
async fn started(store: &impl Store) -> Facts {
    let id = insert(store, record(&unique("user"))).await;
    load(store, id).await
}

/// The facts of a new session of a new user, who belongs to this organisation.
async fn started_in(store: &impl Store, org: &Arc<str>) -> Facts {
    let id = insert(store, member(&unique("user"), &[org])).await;
    load(store, id).await
}

async fn load(store: &impl Store, id: SessionId) -> Facts {
    store.load(id).await.unwrap().expect("a session that was stored is found")
}

async fn record_of(store: &impl Store, id: SessionId) -> Record {
    Record::clone(load(store, id).await.record())
}

async fn end(store: &impl Store, id: SessionId) -> Ended {
    let ended = Ended::revoked(minute(3));
    let count = store.end(&Selector::session(id), &ended).await.unwrap();
    assert_eq!(count, 1, "a living session is ended");
    ended
}

async fn ids_listed(store: &impl Store, which: &Selector) -> Vec<SessionId> {
    let page = Page { after: None, at_most: 1000 };
    let list = store.list(which, page).await.unwrap();
    list.iter().map(|facts| facts.record().id).collect()
}

async fn rules_of(store: &impl Store, org: &str) -> OrgRules {
    let rules = store.org_rules(org).await.unwrap();
    OrgRules::clone(&rules.expect("the rules of an organisation that has members are found"))
}

/// Replaces the rules of an organisation that has some.
async fn change_rules(
    store: &impl Store,
    org: &str,
    change: impl FnOnce(&OrgRules) -> OrgRules,
) -> OrgRules {
    let old = rules_of(store, org).await;
    let new = change(&old);
    let done = store.put_org_rules(org, Some(old.revision()), new.clone()).await.unwrap();
    assert!(done, "rules whose revision is the expected one are replaced");
    new
}

/// Lets them all run at once, and collects their answers in order.
async fn race<T>(racers: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut racers: Vec<_> = racers.into_iter().map(|racer| (Box::pin(racer), None)).collect();
    poll_fn(|context| {
        for (racer, answer) in &mut racers {
            if answer.is_none()
                && let Poll::Ready(ready) = racer.as_mut().poll(context)
            {
                *answer = Some(ready);
            }
        }
        if racers.iter().all(|(_, answer)| answer.is_some()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    racers.into_iter().map(|(_, answer)| answer.expect("all are ready")).collect()
}

/// Which one of the answers is the winning one.
#[track_caller]
fn only_winner<T: PartialEq + std::fmt::Debug>(answers: &[T], won: &T) -> usize {
    let winners: Vec<_> = (0..answers.len()).filter(|i| answers[*i] == *won).collect();
    assert_eq!(winners.len(), 1, "one racer wins, the others learn it: {answers:?}");
    winners[0]
}
