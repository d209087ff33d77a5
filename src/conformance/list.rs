use std::collections::BTreeSet;
use std::sync::Arc;

use super::end::World;
use super::{
    change_rules, end, ids_listed, insert, load, member, minute, record, rules_of, unique,
};
use crate::session::{Record, Selector, SessionId};
use crate::store::{OrgRules, Page, Store};
use crate::token::random_id;

/// Every condition narrows the selection, and what has ended is never in it. (R24)
pub async fn list_shows_exactly_what_the_selector_names(store: &impl Store) {
    let world = World::of(store).await;
    for (label, which, expected) in world.cases() {
        let ids: BTreeSet<_> = ids_listed(store, &which).await.into_iter().collect();
        let named = world.ids().filter(|(name, _)| expected.contains(*name));
        assert_eq!(ids, named.map(|(_, id)| id).collect(), "{label}");
    }
}

/// The newest sign-in comes first, whatever happened since; of the same time, the greater id,
/// compared as bytes.
pub async fn list_is_ordered_newest_first(store: &impl Store) {
    let (user, org) = (unique("user"), unique("org"));
    let expected = five_sessions(store, &user, &org).await;
    for which in [Selector::user(&user), Selector::org(&org)] {
        assert_eq!(ids_listed(store, &which).await, expected, "{which:?}");
    }
}

/// A page has at most so many, and fewer only at the end; the next goes on after it, though the
/// last one on it may have ended by then. What is not in the selection takes no place.
pub async fn list_goes_on_where_the_page_before_ended(store: &impl Store) {
    for by_org in [false, true] {
        let (user, org) = (unique("user"), unique("org"));
        let ids = five_sessions(store, &user, &org).await;
        let which = if by_org { Selector::org(&org) } else { Selector::user(&user) };
        let page = async |which: &Selector, after| {
            let list = store.list(which, Page { after, at_most: 2 }).await.unwrap();
            let last = list.last().map(|facts| (facts.record().created, facts.record().id));
            (list.iter().map(|facts| facts.record().id).collect::<Vec<_>>(), last.or(after))
        };
        let (first, after) = page(&which, None).await;
        assert_eq!(first, ids[..2], "{which:?}");
        end(store, ids[1]).await;
        let (second, after) = page(&which, after).await;
        assert_eq!(second, ids[2..4], "{which:?}");
        let (third, after) = page(&which, after).await;
        assert_eq!(third, ids[4..], "{which:?}");
        assert_eq!(page(&which, after).await.0, [], "{which:?}");

        let narrow = which.except(ids[0]);
        assert_eq!(page(&narrow, None).await.0, ids[2..4], "{narrow:?}");
    }
}

/// Each entry is what `load` finds: the whole record, and the rules as they are now. (R24)
pub async fn list_shows_records_and_rules_as_load_does(store: &impl Store) {
    let (user, org, other) = (unique("user"), unique("org"), unique("other"));
    for orgs in [&[][..], &[&org], &[&org, &other]] {
        insert(store, member(&user, orgs)).await;
    }
    change_rules(store, &org, OrgRules::with_revocation).await;
    for which in [Selector::user(&user), Selector::org(&org)] {
        let list = store.list(&which, Page { after: None, at_most: u32::MAX }).await.unwrap();
        assert!(2 <= list.len(), "{which:?}");
        for listed in list {
            let loaded = load(store, listed.record().id).await;
            assert_eq!(listed.record(), loaded.record());
            assert!(listed.memberships().eq(loaded.memberships()), "the same rules");
        }
    }
}

/// Names of users and organisations are compared byte by byte: no case is folded, no space trimmed,
/// no character composed, and none stands for others.
pub async fn names_are_compared_byte_by_byte(store: &impl Store) {
    let id = random_id();
    let names = ["ada", "Ada", "ada ", " ada", "ad\u{e1}", "ada\u{301}", "ad_", "ad%", "ad*", "ad"];
    let names = names.map(|name| Arc::<str>::from(format!("{id} {name}")));
    for (minutes, name) in (0..).zip(&names) {
        assert!(store.org_rules(name).await.unwrap().is_none(), "{name:?} was not seen before");
        insert(store, Record { created: minute(minutes), ..member(name, &[name]) }).await;
    }
    for (minutes, name) in (0..).zip(&names) {
        assert_eq!(ids_listed(store, &Selector::user(name)).await.len(), 1, "user {name:?}");
        assert_eq!(ids_listed(store, &Selector::org(name)).await.len(), 1, "org {name:?}");
        let rules = rules_of(store, name).await;
        assert_eq!(rules, OrgRules::first(minute(minutes)), "the rules of {name:?}");
    }
}

/// Sessions of a user in an organisation, the newest sign-in first: one alone, three of the same
/// time, one alone. They are stored in another order, and the oldest was seen last.
async fn five_sessions(store: &impl Store, user: &Arc<str>, org: &Arc<str>) -> [SessionId; 5] {
    let with = |first_byte, created, seen| {
        let mut bytes = *random_id().as_bytes();
        bytes[0] = first_byte;
        let (created, seen) = (minute(created), minute(seen));
        Record { id: SessionId::from_bytes(bytes), created, seen, ..member(user, &[org]) }
    };
    let same_time = insert(store, with(0x7f, 5, 5)).await;
    let oldest = insert(store, with(0xff, 1, 9)).await;
    let greatest = insert(store, with(0xf0, 5, 6)).await;
    let newest = insert(store, with(0x00, 8, 8)).await;
    let least = insert(store, with(0x02, 5, 7)).await;
    // What has ended takes no place.
    let over = insert(store, with(0x80, 5, 5)).await;
    end(store, over).await;
    insert(store, record(&unique("somebody else"))).await;
    [newest, greatest, same_time, least, oldest]
}
