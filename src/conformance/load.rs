use std::sync::Arc;

use time::Duration;

use super::{
    change_rules, ids_listed, insert, load, member, minute, record, record_of, rules_of, unique,
};
use crate::session::{Client, EndsBy, Kind, MAX_LABEL, Membership, Record, Selector, SessionId};
use crate::store::{OrgRules, Store};
use crate::time::Timestamp;
use crate::token::random_id;

/// An id that was never stored is `None`, not an error.
pub async fn load_of_an_unknown_session_is_none(store: &impl Store) {
    assert!(store.load(random_id()).await.unwrap().is_none());
}

/// Every field is found again as it was stored: each kind, both families of addresses, none and
/// some, whole milliseconds, times before 1970, ids of all bytes.
pub async fn load_returns_a_record_as_it_was_stored(store: &impl Store) {
    let user = unique("user");
    let full = Record {
        id: first_byte(0xff),
        kind: Kind::BrowserUntilClosed,
        name: Some("laptop".into()),
        created: minute(0) + Duration::milliseconds(1),
        authenticated: minute(0) + Duration::milliseconds(2),
        seen: minute(0) + Duration::milliseconds(999),
        ends_by: Some(EndsBy { at: minute(7), org: Some("acme".into()) }),
        idle: Some(Duration::milliseconds(1)),
        client: Client {
            agent: Some("Mozilla/5.0 (\"quoted\", 'twice'; \\ %s \t)".into()),
            device: Some("Firefox on \"Linux\" \u{1f980}".into()),
            address: Some("192.0.2.1".parse().unwrap()),
            location: Some("Zürich, 日本, 🦀".into()),
        },
        purge_after: minute(8) + Duration::milliseconds(1),
        ..record(&user)
    };
    let extreme = Record {
        id: first_byte(0),
        kind: Kind::Token,
        name: Some("it's a \u{1f980}\r\n\u{7f}".into()),
        created: Timestamp::from_unix_millis(-1),
        authenticated: Timestamp::from_unix_millis(0),
        seen: Timestamp::from_unix_millis(-86_400_000),
        ends_by: Some(EndsBy { at: Timestamp::NEVER, org: None }),
        idle: Some(Duration::days(36_500)),
        client: Client {
            address: Some("2001:db8::ff00:42:8329".parse().unwrap()),
            ..Client::default()
        },
        purge_after: Timestamp::NEVER,
        ..record(&user)
    };
    let odd = Client {
        agent: Some("".into()),
        device: Some("".into()),
        address: Some("::ffff:192.0.2.1".parse().unwrap()),
        location: None,
    };
    let bare = Record { id: first_byte(0x80), idle: None, client: odd, ..record(&user) };
    for stored in [full, extreme, bare] {
        let id = insert(store, stored.clone()).await;
        assert_eq!(record_of(store, id).await, stored);
        let hash = record_of(store, id).await.secret_hash;
        assert!(hash == stored.secret_hash, "the hash does not print; it differs");
    }
}

/// Labels may be as long as [`MAX_LABEL`], of any characters, and are neither cut nor normalised.
/// (R37)
pub async fn load_returns_a_record_of_the_longest_labels(store: &impl Store) {
    let (user, org) = (longest_label(), longest_label());
    let long = || Some(longest_label());
    let client = Client { agent: long(), device: long(), address: None, location: long() };
    let ends_by = Some(EndsBy { at: minute(7), org: Some(org.clone()) });
    let stored = Record { name: long(), client, ends_by, ..member(&user, &[&org]) };

    let found = record_of(store, insert(store, stored.clone()).await).await;
    let generation = rules_of(store, &org).await.generation();
    let stamped = Membership { org, generation, version: 0, joined: minute(0) };
    assert_eq!(found, Record { memberships: vec![stamped], ..stored });
    assert_eq!(ids_listed(store, &Selector::user(&user)).await, [found.id]);
}

/// Each membership comes with the rules of its organisation as they are now, in the order of the
/// record.
pub async fn load_shows_the_rules_of_each_membership(store: &impl Store) {
    let (acme, globex) = (unique("acme"), unique("globex"));
    let id = insert(store, member(&unique("user"), &[&acme, &globex])).await;
    change_rules(store, &globex, OrgRules::with_revocation).await;

    let facts = load(store, id).await;
    let shown: Vec<_> =
        facts.memberships().map(|(m, rules)| (&m.org, rules.generation())).collect();
    let first = minute(0).unix_millis();
    assert_eq!(shown, [(&acme, first), (&globex, first + 1)]);
    for (membership, rules) in facts.memberships() {
        assert_eq!(**rules, rules_of(store, &membership.org).await);
        assert_eq!(membership.generation, first, "the stamp stays");
    }
}

fn first_byte(byte: u8) -> SessionId {
    let mut bytes = *random_id().as_bytes();
    bytes[0] = byte;
    SessionId::from_bytes(bytes)
}

fn longest_label() -> Arc<str> {
    let mut label = random_id().to_string();
    while label.len() + 4 <= MAX_LABEL {
        label.push('🦀');
    }
    label.push('é');
    assert_eq!(label.len(), MAX_LABEL);
    label.into()
}
