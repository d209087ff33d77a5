//! What is read, and what cannot be.

use tower_curfew::store::{Cap, Inserted, Key, Page, Revision, Store};

use super::support::{
    Schema, active, at, chain, first_rules, id, listed, record, replaced, stored,
};

/// Never a default, never a panic (R32), and nothing personal in the text (R36).
#[tokio::test]
async fn a_record_that_cannot_be_read_is_an_error_and_hides_nobody_else() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    for number in [1, 3] {
        stored(&store, record(number, "ada", &["acme"])).await;
    }
    let damaged = stored(&store, record(2, "ada", &["acme"])).await;
    let (whole, id_of_it) = (damaged.encode(), damaged.id());
    let damage = format!("UPDATE {} SET body = $1 WHERE id = $2", schema.table("sessions"));
    let cases = [
        ("nothing", Vec::new()),
        ("a zero", vec![0]),
        ("a text", b"ada".to_vec()),
        ("no fact", vec![0xbf, 0xff]),
        ("not the end", whole[..whole.len() - 1].to_vec()),
        ("not the beginning", whole[1..].to_vec()),
        ("too much", [&whole[..], &[0]].concat()),
        ("twice", [&whole[..], &whole].concat()),
        (
            "a fact of a later version that must not be passed over",
            [&whole[..whole.len() - 1], b"\x19\x9c\x41\xf5\xff"].concat(),
        ),
    ];
    for (label, body) in cases {
        let id_bytes = &id_of_it.as_bytes()[..];
        assert_eq!(schema.client.execute(&damage, &[&body, &id_bytes]).await.unwrap(), 1);
        let error = store.load(id_of_it).await.expect_err(label);
        let text = chain(&error);
        assert!(text.starts_with(UNREADABLE), "{label}: {text}");
        for personal in ["ada", "acme", "Mozilla"] {
            assert!(!text.trim_start_matches(UNREADABLE).contains(personal), "{label}: {text}");
        }
        for key in [Key::user("ada"), Key::org("acme")] {
            let listed = listed(&store, &key).await;
            let ids: Vec<_> = listed.records.iter().map(|record| record.id()).collect();
            assert_eq!((ids, listed.unreadable), (vec![id(3), id(1)], 1), "{label}");
        }
        let again = store.insert(damaged.clone(), None).await;
        assert!(again.is_err(), "whether it is the same cannot be known: {again:?}");
    }
    schema.drop().await;
}

/// Otherwise it would stay for ever, and so would what is due after it.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_purged_all_the_same() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    for number in 1..=3 {
        stored(&store, record(number, "ada", &["acme"])).await;
    }
    let damage = format!("UPDATE {} SET body = '\\x00' WHERE id = $1", schema.table("sessions"));
    schema.client.execute(&damage, &[&&id(2).as_bytes()[..]]).await.unwrap();
    assert_eq!(store.purge(at(99_000), 10).await.unwrap(), 3);
    assert_eq!(schema.rows("sessions").await, 0);
    // Its places are still there, but nobody finds or counts it.
    let found = listed(&store, &Key::user("ada")).await;
    assert_eq!((found.records.len(), found.unreadable), (0, 0));
    let cap = Some(Cap { at_most: 1, except: None });
    let new = record(4, "ada", &["acme"]);
    assert_eq!(store.insert(new.into(), cap).await.unwrap(), Inserted::Done);
    schema.drop().await;
}

#[tokio::test]
async fn rules_that_cannot_be_read_are_told_and_hide_no_others() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    for org in ["acme", "globex", "initech"] {
        assert!(store.replace_rules(org, first_rules(), at(1)).await.unwrap());
    }
    let rules = schema.table("rules");
    schema.run(&format!("UPDATE {rules} SET body = 'none' WHERE org = 'globex'")).await;
    let changed = store.rules_since(Revision::NONE, 10).await.unwrap().changes;
    let told: Vec<_> = changed.iter().map(|one| (&*one.org, one.rules.is_ok())).collect();
    assert_eq!(told, [("acme", true), ("globex", false), ("initech", true)]);
    schema.drop().await;
}

/// Whoever is signed in must not be told that there is no such session.
#[tokio::test]
async fn without_the_revision_of_all_rules_nothing_is_known() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    stored(&store, record(1, "ada", &["acme"])).await;
    schema.run(&format!("DELETE FROM {}", schema.table("schema"))).await;
    for number in [1, 2] {
        let text = chain(&store.load(id(number)).await.unwrap_err());
        assert!(text.starts_with(UNREADABLE), "{text}");
    }
    let page = Page { after: None, at_most: 9 };
    assert!(store.list(&Key::user("ada"), page).await.is_err());
    assert!(store.rules_since(Revision::NONE, 9).await.is_err());
    assert!(store.replace_rules("acme", first_rules(), at(1)).await.is_err());
    assert_eq!(schema.rows("rules").await, 0);
    schema.drop().await;
}

#[tokio::test]
async fn tables_that_are_missing_are_an_error() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    schema.run(&format!("DROP TABLE {}", schema.table("rules"))).await;
    let missing = "the tables of the session store are missing: ";
    let error = store.replace_rules("acme", first_rules(), at(1)).await.unwrap_err();
    assert!(chain(&error).starts_with(missing), "{}", chain(&error));
    let error = store.rules_since(Revision::NONE, 9).await.unwrap_err();
    assert!(chain(&error).starts_with(missing), "{}", chain(&error));
    schema.run(&format!("DROP TABLE {}", schema.table("session_keys"))).await;
    let error = store.insert(record(1, "ada", &[]).into(), None).await.unwrap_err();
    assert!(chain(&error).starts_with(missing), "{}", chain(&error));
    assert!(store.load(id(1)).await.unwrap().is_none(), "the insert was undone");
    schema.drop().await;
}

/// Nor does what the server quotes in its details.
#[tokio::test]
async fn errors_of_the_server_name_nobody() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let ada = stored(&store, record(1, "ada", &["acme"])).await;
    schema
        .run(&format!("ALTER TABLE {} ADD CHECK (user_name <> 'bob')", schema.table("sessions")))
        .await;
    let error = store.insert(record(2, "bob", &["acme"]).into(), None).await.unwrap_err();
    let text = chain(&error);
    assert!(text.contains("(23514)") && !text.contains("bob") && !text.contains("\\x"), "{text}");
    let error = store.insert(record(3, "a\0b", &["acme"]).into(), None).await.unwrap_err();
    assert!(chain(&error).contains("holds a zero byte"), "{}", chain(&error));
    for number in [2, 3] {
        assert!(store.load(id(number)).await.unwrap().is_none(), "the insert was undone");
    }
    assert_eq!(listed(&store, &Key::org("acme")).await.records.len(), 1);
    replaced(&store, active(&ada, 2000)).await;
    schema.drop().await;
}

const UNREADABLE: &str = "the session store holds something that cannot be read; upgrade \
                          tower-curfew here if a later version has written it, or else restore it \
                          from a backup: ";
