//! The store contract as tests, for authors of a [`Store`].
//!
//! [`store_tests!`](crate::store_tests) makes one test for each clause of the contract:
//!
//! ```no_run
//! use tower_curfew::store::MemoryStore;
//!
//! async fn open() -> MemoryStore {
//!     MemoryStore::new()
//! }
//!
//! tower_curfew::store_tests!(my_store, open().await);
//! ```
//!
//! This makes a module `my_store` with nearly fifty tests. Each test opens its own store, and runs
//! on four threads. They may share a server, since ids, users and organizations are random. Do not
//! run them on a server in production: they leave records behind, and they purge records that are
//! due before the year 2092. Their times lie in the next century, so a store that also deletes by
//! its own clock passes. A store that compares clocks must have that check switched off.
//!
//! A store on another machine can lose its connections, and a store with a separate index can have
//! entries without a record. If this applies to yours, implement [`Sabotage`] for it, and write
//! `store_tests!(my_store, open().await, sabotaged)` to add tests of these cases.

#![expect(clippy::unwrap_used, reason = "a store that does not answer has failed the test")]

mod insert;
mod list;
mod load;
mod moving;
mod purge;
mod replace;
mod rules;
mod sabotage;
mod watch;

use std::future::Future;
use std::sync::Arc;

use time::Duration;
use tokio::task::JoinSet;

// Only the macro calls the clauses; its docs list them.
pub use self::sabotage::Sabotage;
#[doc(hidden)]
pub use self::sabotage::{
    an_entry_whose_record_is_lost_hides_nothing_and_counts_no_more,
    cut_connections_come_back_and_repeat_nothing_wrongly,
};
#[doc(hidden)]
pub use self::{insert::*, list::*, load::*, moving::*, purge::*, replace::*, rules::*, watch::*};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::policy::OrgRules;
use crate::session::{Ended, Key, Membership, Record, Revision, SecretHash, SessionId, Stamp};
use crate::store::{ChangedRules, Inserted, Loaded, Page, Replaced, Store};
use crate::token::{nonce, random_id};

/// Makes a module with one test for each clause of the store contract, see
/// [`conformance`](crate::conformance).
///
/// Its arguments are the name of the module and an expression for the store, which may await, and
/// may `return` to skip the test.
///
#[doc = include_str!("clauses.md")]
#[macro_export]
macro_rules! store_tests {
    ($name:ident, $open:expr $(,)?) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $crate::store_tests! { @contract $open }
        }
    };
    ($name:ident, $open:expr, sabotaged $(,)?) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            $crate::store_tests! { @contract $open }
            $crate::store_tests! { @tests $open,
                cut_connections_come_back_and_repeat_nothing_wrongly
                an_entry_whose_record_is_lost_hides_nothing_and_counts_no_more
            }
        }
    };
    (@contract $open:expr) => {
        $crate::store_tests! { @tests $open,
            insert_files_a_record_as_it_is
            insert_keeps_labels_of_any_kind_and_length
            insert_lists_a_record_under_each_of_its_keys
            insert_again_is_the_same_insert
            insert_refuses_an_id_that_is_somebody_elses
            insert_files_exactly_as_many_as_the_cap
            insert_that_is_full_changes_nothing
            insert_does_not_count_the_one_whose_place_it_takes
            insert_does_not_count_what_has_ended
            insert_holds_the_cap_among_racers
            load_of_an_unknown_session_is_none
            load_now_says_nothing_else_than_load
            load_of_many_at_once_finds_each_its_own
            load_says_at_which_revision_the_rules_stand
            replace_keeps_what_the_caller_set
            replace_again_is_the_same_replace
            replace_of_an_older_revision_is_stale
            replace_of_an_unknown_session_is_gone
            replace_after_the_end_is_gone
            replace_lets_one_of_several_racers_win
            replace_never_undoes_an_end
            replace_moves_a_session_between_keys
            replace_carries_what_this_version_does_not_know
            list_shows_what_is_under_a_key_and_nothing_else
            list_is_ordered_newest_first
            list_goes_on_where_the_page_before_ended
            list_shows_records_as_load_does
            list_compares_names_byte_by_byte
            list_shows_whoever_is_there_all_the_time
            rules_of_nobody_are_none
            rules_are_compared_and_swapped
            rules_replaced_again_are_the_same_replacement
            rules_let_one_of_several_racers_win
            rules_keep_what_the_caller_set
            rules_carry_what_this_version_does_not_know
            rules_since_tells_changes_in_their_order
            rules_since_tells_how_far_it_reaches
            rules_become_visible_in_order
            rules_touch_no_session
            purge_deletes_what_is_due_and_nothing_else
            purge_deletes_at_most_so_many
            purge_goes_by_the_latest_purge_after
            purge_makes_room_under_the_cap
            purge_leaves_nothing_behind
            scan_finds_every_record_as_it_is
            scan_leaves_out_none_that_is_there_throughout
            import_files_records_as_they_are
            import_again_files_what_is_missing
            import_refuses_another_state_of_a_session
            watch_tells_each_change
            watch_tells_changes_of_rules
            watch_tells_changes_before_the_heartbeats_after_them
        }
    };
    (@tests $open:expr, $($clause:ident)*) => {
        $(
            #[test]
            fn $clause() {
                $crate::conformance::run(async {
                    $crate::conformance::$clause(::std::sync::Arc::new($open)).await
                });
            }
        )*
    };
}

/// Runs one test on four threads.
#[doc(hidden)]
pub fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.unwrap().block_on(test);
}

// --- helpers of the tests ------------------------------------------------------------------------

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

/// A session that begins at minute 0 and belongs to no organization.
fn record(user: &Arc<str>) -> Record {
    began_at(minute(0), random_id(), user)
}

fn began_at(created: Timestamp, id: SessionId, user: &Arc<str>) -> Record {
    Record::begin(id, random_hash(), user.clone(), created, nonce())
        .with_limits(Limits::idle(Duration::days(28)))
        .with_purge_after(created + Duration::days(35))
}

/// Memberships of organizations, with stamps that a store must keep.
fn memberships(orgs: &[&Arc<str>]) -> Vec<Membership> {
    let join = |(number, org): (u64, &&Arc<str>)| Membership {
        org: Arc::clone(org),
        stamp: Stamp { generation: number, version: 4_102_444_800_000 + number, known: number },
        joined: minute(0),
    };
    (1..).zip(orgs).map(join).collect()
}

/// The same, as a member of organizations.
fn member(user: &Arc<str>, orgs: &[&Arc<str>]) -> Record {
    record(user).with_memberships(memberships(orgs))
}

async fn insert(store: &impl Store, record: Record) -> Arc<Record> {
    let record = Arc::new(record);
    assert_eq!(store.insert(record.clone(), None).await.unwrap(), Inserted::Done);
    record
}

async fn load(store: &impl Store, id: SessionId) -> Loaded {
    store.load(id).await.unwrap().expect("a session that was filed is found")
}

/// The next record of a session, with activity at some minute.
fn active(record: &Record, at: i64) -> Record {
    record.next(nonce()).with_activity(minute(at))
}

fn ended(record: &Record) -> Record {
    record.next(nonce()).with_end(Ended::revoked(minute(3)))
}

/// Replaces a record that is there.
async fn replace(store: &impl Store, next: Record) -> Arc<Record> {
    let next = Arc::new(next);
    assert_eq!(store.replace(next.clone()).await.unwrap(), Replaced::Done);
    next
}

/// Asserts that a record is stored with all its facts, as they were set.
#[track_caller]
fn assert_same(found: &Record, set: &Record, label: &str) {
    assert_eq!(found.id(), set.id(), "{label}");
    assert_eq!(found.revision(), set.revision(), "{label}");
    assert_eq!(found.encode(), set.encode(), "{label}: {found:?} is not {set:?}");
}

async fn ids_listed(store: &impl Store, key: &Key) -> Vec<SessionId> {
    let listed = store.list(key, Page { after: None, at_most: 1000 }).await.unwrap();
    assert_eq!((listed.unreadable, listed.next), (0, None));
    listed.records.iter().map(|record| record.id()).collect()
}

/// The rules of an organization, if they have changed after a revision.
async fn rules_of(store: &impl Store, org: &str, after: Revision) -> Option<OrgRules> {
    let changed = store.rules_since(after, u32::MAX).await.unwrap().changes;
    let found = changed.into_iter().find(|ChangedRules { org: changed, .. }| **changed == *org);
    found.map(|found| found.rules.unwrap())
}

async fn replace_rules(store: &impl Store, org: &str, rules: &OrgRules) -> bool {
    store.replace_rules(org, rules.clone(), minute(1)).await.unwrap()
}

/// The revision of all rules.
async fn stands(store: &impl Store) -> Revision {
    let mut revision = Revision::NONE;
    loop {
        let changed = store.rules_since(revision, 1000).await.unwrap();
        revision = changed.reaches;
        if changed.changes.len() < 1000 {
            return revision;
        }
    }
}

/// Runs all of them at once, on several threads, and collects their answers in order.
async fn race<T: Send + 'static>(
    racers: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut running = JoinSet::new();
    for (place, racer) in racers.into_iter().enumerate() {
        running.spawn(async move { (place, racer.await) });
    }
    let mut answers = running.join_all().await;
    answers.sort_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// The bytes of facts with one more, which is unknown to every version.
fn with_unknown_fact(facts: &[u8]) -> Vec<u8> {
    let (end, rest) = facts.split_last().expect("facts are a map in CBOR");
    assert_eq!(*end, 0xff, "facts are a map in CBOR");
    // Fact 16000, which is neither essential nor personal: the text `later`.
    [rest, b"\x19\xfa\x00\x65later\xff"].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn the_docs_of_the_macro_list_what_it_makes() {
        let (_, calls) = include_str!("mod.rs").split_once("macro_rules! store_tests").unwrap();
        let (calls, _) = calls.split_once("(@tests $open:expr").unwrap();
        let made = calls.lines().map(str::trim).filter(|line| {
            line.contains('_') && line.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        });
        let listed = include_str!("clauses.md")
            .lines()
            .filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`'));
        assert_eq!(listed.collect::<HashSet<_>>(), made.collect::<HashSet<_>>());
    }
}
