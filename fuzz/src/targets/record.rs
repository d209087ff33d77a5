//! The record of a session, as a store keeps it.

use axum::body::Body;
use axum::http::{Request, header};
use time::Duration;
use tower_curfew::store::{MemoryStore, Record};
use tower_curfew::{ClientDetails, Ended, Presence, Selector, SessionKind};

use crate::site::{KEY, NAME, Secret, Site, hash, insert, now, token, wait};

pub(crate) const SIDES: &[&str] = &["unreadable", "live", "over", "ended", "gone"];

const SECRET: Secret = [1; 16];

/// A record that can be read is written as it was, and is judged by what it says: as alive or not,
/// and never with an error. Its end is final.
pub(crate) fn target(data: &[u8]) -> &'static str {
    let Ok(record) = Record::decode(data) else { return "unreadable" };
    is_written_as_it_was(&record);
    forgets_its_client(&record);
    let side = side(&record);
    judged(record.with_secret(hash(SECRET)), side);
    side
}

fn is_written_as_it_was(record: &Record) {
    let bytes = record.encode();
    let again = Record::decode(&bytes).expect("what was just written can be read");
    assert_eq!(again, *record);
    assert_eq!(again.encode(), bytes);
    assert!(record.revision().as_u64() < 1 << 63, "stores keep it as a signed number");
    let next = record.next(u32::MAX);
    assert!(record.revision() < next.revision(), "a later revision is higher");

    assert!(record.memberships().is_sorted_by(|one, other| one.org < other.org));
    let keys = record.keys();
    let own = record.memberships().len() + 1;
    assert!(keys[..own].iter().all(|key| record.is_under(key)), "it is found under its keys");
    assert_ne!(record.display().to_string(), "");
}

fn forgets_its_client(record: &Record) {
    let ended = record.next(7).with_end(Ended::revoked(now()));
    if ended.revision().as_u64() >= 1 << 63 {
        return; // after two billion changes
    }
    let kept = Record::decode(&ended.encode()).expect("what was just written can be read");
    assert!(kept.has_ended());
    assert_eq!(kept.ended(), record.ended().or(Some(&Ended::revoked(now()))), "it is final");
    if !record.has_ended() {
        assert_eq!((kept.name(), kept.client()), (None, ClientDetails::default()));
    }
}

/// The plainest judge, for a site without policies whose limit is 28 days without activity.
fn side(record: &Record) -> &'static str {
    let idle = record.idle().map_or(IDLE, |idle| idle.min(IDLE));
    let by_deadline = record.fixed_deadline().is_some_and(|deadline| deadline.at <= now());
    match () {
        () if record.purge_after() <= now() => "gone",
        () if record.has_ended() => "ended",
        () if by_deadline || record.last_seen() + idle <= now() => "over",
        () => "live",
    }
}

const IDLE: Duration = Duration::days(28);

fn judged(record: Record, side: &str) {
    let (id, user) = (record.id(), record.user().clone());
    let store = MemoryStore::new();
    insert(&store, record.clone());
    let site = Site::new(store);
    let by_bearer = record.kind() == SessionKind::Token;
    let (name, value) = if by_bearer {
        (header::AUTHORIZATION, format!("Bearer curfew_{}", token(KEY, "bearer", id, SECRET)))
    } else {
        (header::COOKIE, format!("{NAME}={}", token(KEY, "cookie", id, SECRET)))
    };
    let presence = || {
        let request = Request::get("/").header(name.clone(), &value).body(Body::empty());
        site.seen(request.expect("tokens are of visible ASCII")).0.presence
    };
    match presence() {
        Presence::Live(session) => {
            assert_eq!((side, session.id()), ("live", id));
            assert_eq!(session.user(), &*user);
        }
        Presence::Ended(ended) if record.has_ended() => {
            assert_eq!((side, Some(&ended)), ("ended", record.ended()));
        }
        Presence::Ended(_) => assert_eq!(side, "over"),
        Presence::Anonymous => assert_eq!(side, "gone"),
    }
    let revoked = wait(site.curfew.operator("fuzz").revoke(Selector::session(id)));
    let ended = revoked.expect("any session can be revoked");
    assert_eq!(ended, u64::from(side == "live"));
    assert!(presence().session().is_none(), "it was revoked");
}
