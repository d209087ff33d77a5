use std::sync::Arc;

use time::Duration;

use super::{
    end, ids_listed, insert, member, minute, race, random_hash, record, record_of, started, unique,
};
use crate::session::{Client, EndReason, Ended, Record, Selector, SessionId};
use crate::store::{Facts, Insert, Rotate, SetOrgs, Store, Swapped, Touch};
use crate::time::Timestamp;
use crate::token::random_id;

/// Every condition narrows the selection: what it names ends, and nothing else does. (R25, R26)
pub async fn end_ends_exactly_what_the_selector_names(store: &impl Store) {
    for case in 0..World::of(store).await.cases().len() {
        let world = World::of(store).await;
        let (label, which, expected) = world.cases().swap_remove(case);
        let ended = Ended::revoked(minute(30));
        let count = store.end(&which, &ended).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{label}");
        for (name, id) in world.ids() {
            let found = record_of(store, id).await.ended;
            match name {
                'e' => assert_eq!(found, Some(world.e_ended.clone()), "{label}: e keeps its end"),
                _ if expected.contains(name) => {
                    assert_eq!(found, Some(ended.clone()), "{label}: {name} is named");
                }
                _ => assert_eq!(found, None, "{label}: {name} is not named"),
            }
        }
        assert_eq!(ids_listed(store, &which).await, [], "{label}: what has ended is not listed");
    }
}

/// Says how many it ended. Those that had ended before do not count, and none at all is no error.
/// (R25)
pub async fn end_counts_and_nothing_to_end_is_no_error(store: &impl Store) {
    let user = unique("user");
    let (all, ended) = (Selector::user(&user), Ended::revoked(minute(1)));
    assert_eq!(store.end(&all, &ended).await.unwrap(), 0, "nobody is there");
    for _ in 0..5 {
        insert(store, record(&user)).await;
    }
    let one = insert(store, record(&user)).await;
    end(store, one).await;
    assert_eq!(store.end(&all, &ended).await.unwrap(), 5);
    assert_eq!(store.end(&all, &ended).await.unwrap(), 0, "all have ended");
    assert_eq!(store.end(&Selector::session(random_id()), &ended).await.unwrap(), 0);
}

/// The first end stays, whoever ends it again, at whatever time and for whatever reason. (R5)
pub async fn end_is_final(store: &impl Store) {
    let session = started(store).await;
    let id = session.record().id;
    let first = end(store, id).await;
    for at in [minute(-60), minute(60)] {
        let again = Ended { at, reason: EndReason::Idle, org: Some("acme".into()) };
        for which in [Selector::session(id), Selector::user(&session.record().user)] {
            assert_eq!(store.end(&which, &again).await.unwrap(), 0);
        }
    }
    let purge_after = session.record().purge_after.min(first.purge_after());
    let ended = Some(first);
    let expected = Record { purge_after, ended, ..Record::clone(session.record()) };
    assert_eq!(record_of(store, id).await, expected, "only the first end is written");
}

/// With the end, whoever writes it, the record becomes due by [`Ended::purge_after`], if it was not
/// due before that anyway. (R5, R37)
pub async fn end_makes_the_record_due(store: &impl Store) {
    let ended = Ended::revoked(minute(3));
    let due = ended.purge_after();
    let cases = [
        ("never due", Timestamp::NEVER, due),
        ("due later", due + Duration::MILLISECOND, due),
        ("due at the same time", due, due),
        ("due before", due - Duration::MILLISECOND, due - Duration::MILLISECOND),
    ];
    for (label, purge_after, expected) in cases {
        let user = unique("user");
        let over = insert(store, Record { purge_after, ..record(&user) }).await;
        end(store, over).await;
        assert_eq!(record_of(store, over).await.purge_after, expected, "{label}");

        let replaced = insert(store, Record { purge_after, ..record(&user) }).await;
        let new = Record { created: minute(3), ..record(&user) };
        assert_eq!(store.insert(new, &[replaced], None).await.unwrap(), Insert::Stored);
        let replaced = record_of(store, replaced).await;
        assert_eq!(
            (replaced.ended, replaced.purge_after),
            (Some(ended.clone()), expected),
            "{label}"
        );
    }
}

/// Time, reason and organisation of the end are found again as they were given. (R4)
pub async fn end_keeps_the_reason_and_the_organisation(store: &impl Store) {
    for reason in [EndReason::Absolute, EndReason::Idle, EndReason::Revoked] {
        for org in [None, Some(unique("org"))] {
            let session = started(store).await;
            let ended = Ended { at: minute(2), reason, org };
            let id = session.record().id;
            assert_eq!(store.end(&Selector::session(id), &ended).await.unwrap(), 1);
            assert_eq!(record_of(store, id).await.ended, Some(ended));
        }
    }
}

/// Several who end the same sessions at once end each of them once. (R5)
pub async fn end_counts_each_session_once_among_racers(store: &impl Store) {
    let user = unique("user");
    for _ in 0..5 {
        insert(store, record(&user)).await;
    }
    let which = Selector::user(&user);
    let ends: Vec<_> = (0..8).map(|i| Ended::revoked(minute(i))).collect();
    let answers = race(ends.iter().map(|ended| store.end(&which, ended))).await;
    let count: u64 = answers.into_iter().map(Result::unwrap).sum();
    assert_eq!(count, 5, "each ends once");
}

/// A session that was rotated is the same session: whoever ends the user's sessions ends it, too,
/// and its new secret is no way back. (R5, R26)
pub async fn end_survives_a_rotation(store: &impl Store) {
    let rotate = |record: &Record, new| Rotate {
        id: record.id,
        old: record.secret_hash,
        new,
        authenticated: None,
    };
    let rotated = started(store).await;
    let Record { id, ref user, .. } = **rotated.record();
    let new = random_hash();
    assert_eq!(store.rotate(rotate(rotated.record(), new)).await.unwrap(), Swapped::Done);
    let ended = Ended::revoked(minute(5));
    assert_eq!(store.end(&Selector::user(user), &ended).await.unwrap(), 1);
    let found = record_of(store, id).await;
    assert_eq!(found.ended, Some(ended.clone()));
    assert_eq!(store.rotate(rotate(&found, random_hash())).await.unwrap(), Swapped::Gone);
}

/// A touch, a rotation or a change of organisations at the same time does not undo the end,
/// whichever comes first. (R5)
pub async fn end_survives_what_is_written_at_the_same_time(store: &impl Store) {
    let ended = Ended::revoked(minute(5));
    for writes in ["a touch", "a rotation", "other organisations"] {
        for end_first in [true, false] {
            let session = started(store).await;
            let record = session.record();
            let which = Selector::user(&record.user);
            race([end_first, !end_first].map(async |ends| {
                if ends {
                    assert_eq!(store.end(&which, &ended).await.unwrap(), 1, "beside {writes}");
                } else {
                    write(store, writes, &session).await;
                }
            }))
            .await;
            let found = record_of(store, record.id).await.ended;
            assert_eq!(found, Some(ended.clone()), "beside {writes}");
            assert_eq!(ids_listed(store, &which).await, [], "beside {writes}");
        }
    }
}

/// Any answer is right.
async fn write(store: &impl Store, what: &str, session: &Facts) {
    let Record { id, secret_hash: old, purge_after, .. } = **session.record();
    if what == "a touch" {
        let (seen, last_seen, client) = (minute(4), minute(0), Client::default());
        let touch = Touch { id, secret_hash: old, seen, last_seen, client, purge_after };
        let _moved_or_gone = store.touch(touch).await.unwrap();
    } else if what == "a rotation" {
        let rotate = Rotate { id, old, new: random_hash(), authenticated: None };
        let _done_or_gone = store.rotate(rotate).await.unwrap();
    } else {
        let (seen, orgs, joined) = (session.clone(), vec![unique("org")], minute(4));
        let change = SetOrgs { seen, orgs, joined, ends_by: None, purge_after };
        let _done_or_gone = store.set_orgs(change).await.unwrap();
    }
}

/// Five sessions, `a` to `e`, and what may be said of them.
pub(super) struct World {
    ada: Arc<str>,
    acme: Arc<str>,
    globex: Arc<str>,
    ids: [SessionId; 5],
    e_ended: Ended,
}

impl World {
    /// `a`, `b` and `c` are Ada's, last seen at minutes 10, 15 and 19; `d` is Bob's, seen at minute
    /// 15. Acme has `a`, `b` and `d`, Globex `b`. `e` is like `a` but has ended.
    pub(super) async fn of(store: &impl Store) -> Self {
        let (ada, bob) = (unique("ada"), unique("bob"));
        let (acme, globex) = (unique("acme"), unique("globex"));
        let seen = |at, record| Record { seen: minute(at), ..record };
        let ids = [
            insert(store, seen(10, member(&ada, &[&acme]))).await,
            insert(store, seen(15, member(&ada, &[&acme, &globex]))).await,
            insert(store, seen(19, record(&ada))).await,
            insert(store, seen(15, member(&bob, &[&acme]))).await,
            insert(store, seen(10, member(&ada, &[&acme]))).await,
        ];
        let e_ended = end(store, ids[4]).await;
        Self { ada, acme, globex, ids, e_ended }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = (char, SessionId)> {
        ('a'..).zip(self.ids)
    }

    /// Selectors, and the names of the sessions that they name.
    pub(super) fn cases(&self) -> Vec<(&'static str, Selector, &'static str)> {
        let [a, b, c, d, e] = self.ids;
        let ada = || Selector::user(&self.ada);
        let acme = || Selector::org(&self.acme);
        let one = Selector::session;
        vec![
            ("a user", ada(), "abc"),
            ("one of a user", ada().only(b), "b"),
            ("somebody else's", ada().only(d), ""),
            ("one that has ended", ada().only(e), ""),
            ("all but one", ada().except(a), "bc"),
            ("all but somebody else's", ada().except(d), "abc"),
            ("seen until then", ada().not_seen_after(minute(15)), "ab"),
            ("seen until before then", ada().not_seen_after(minute(14)), "a"),
            ("seen until then, but one", ada().not_seen_after(minute(15)).except(a), "b"),
            ("an unknown user", Selector::user(unique("user")), ""),
            ("an organisation", acme(), "abd"),
            ("another organisation", Selector::org(&self.globex), "b"),
            ("one of an organisation", acme().only(d), "d"),
            ("one outside", acme().only(c), ""),
            ("an organisation but one", acme().except(b), "ad"),
            ("an organisation, seen until then", acme().not_seen_after(minute(10)), "a"),
            ("an unknown organisation", Selector::org(unique("org")), ""),
            ("a user is no organisation", Selector::org(&self.ada), ""),
            ("an organisation is no user", Selector::user(&self.acme), ""),
            ("a session", one(d), "d"),
            ("a session that has ended", one(e), ""),
            ("an unknown session", one(random_id()), ""),
            ("a session but itself", one(a).except(a), ""),
            ("a session but another", one(a).except(b), "a"),
            ("a session, seen until then", one(b).not_seen_after(minute(15)), "b"),
            ("a session, seen later", one(b).not_seen_after(minute(14)), ""),
        ]
    }
}
