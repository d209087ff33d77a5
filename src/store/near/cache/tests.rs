use super::*;
use crate::session::SecretHash;

fn session(number: u8) -> Arc<Record> {
    let (id, secret) = (SessionId::from_bytes([number; 16]), SecretHash::from_bytes([1; 32]));
    Arc::new(Record::begin(id, secret, "ada", Timestamp::from_unix_millis(0), 1))
}

/// Otherwise sessions that share its mark would have to be loaded again, more often the more
/// sessions there are.
#[test]
fn a_change_of_one_session_leaves_what_is_kept_of_others() {
    let cache = Cache::with_marks(Duration::seconds(2), 16, 1);
    cache.caught_up(Duration::seconds(1), None);
    let (one, other) = (session(1), session(2));
    for record in [&one, &other] {
        cache.fill(cache.ticket(record.id()), record);
    }
    cache.changed(one.id());
    assert!(cache.get(one.id(), Duration::seconds(1)).is_none());
    assert!(cache.get(other.id(), Duration::seconds(1)).is_some());
}
