//! What is read, and what cannot be.

use tower_curfew::store::{OrgRules, Page, Selector, Store};

use super::support::{Schema, at, chain, id, record, stored, touch};

/// Never a default, never a panic (R32), and nothing personal in the text (R36).
#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    let Some(schema) = Schema::new("what_cannot_be_read_is_an_error").await else { return };
    let store = schema.store().await;
    let (sessions, orgs) = (schema.table("sessions"), schema.table("orgs"));
    for damage in [
        format!("UPDATE {orgs} SET rules = '1 x'"),
        format!("DELETE FROM {orgs}"),
        format!("UPDATE {sessions} SET kind = 'owl'"),
        format!("UPDATE {sessions} SET address = '192.0.2.300'"),
        format!("UPDATE {sessions} SET secret_hash = '\\x00'"),
        format!("UPDATE {sessions} SET ended_at = 5"),
        format!("UPDATE {sessions} SET ended_reason = 'idle'"),
        format!("UPDATE {sessions} SET ended_at = 5, ended_reason = 'fun'"),
        format!("UPDATE {sessions} SET ends_by_org = 'acme'"),
        format!("UPDATE {sessions} SET versions = '{{-1,0}}'"),
        format!("UPDATE {sessions} SET versions = '{{4294967296,0}}'"),
        format!("UPDATE {sessions} SET joined = '{{1}}'"),
        format!("UPDATE {sessions} SET joined = '{{1,NULL}}'"),
    ] {
        stored(&store, record(1, "ada", &["acme", "globex"])).await;
        schema.run(&damage).await;
        let error = store.load(id(1)).await.expect_err(&damage);
        let text = chain(&error);
        assert!(text.contains("; restore it from a backup: "), "{damage}: {text}");
        for personal in ["ada", "acme", "192.0.2", "owl"] {
            assert!(!text.contains(personal), "{damage}: {text}");
        }
        if !damage.contains("ended_at") {
            let page = Page { after: None, at_most: 9 };
            assert!(store.list(&Selector::user("ada"), page).await.is_err(), "{damage}");
        }
        schema.run(&format!("TRUNCATE {sessions}, {orgs}, {}", schema.table("members"))).await;
    }
    stored(&store, record(1, "ada", &["acme"])).await;
    schema.run(&format!("UPDATE {orgs} SET rules = 'none'")).await;
    assert!(store.org_rules("acme").await.is_err());
    assert!(store.insert(record(2, "ada", &["acme"]), &[], None).await.is_err());
    assert!(store.load(id(2)).await.unwrap().is_none(), "the insert was undone");
    schema.run(&format!("DROP TABLE {orgs}")).await;
    let error = store.put_org_rules("acme", Some(1), OrgRules::first(at(1))).await.unwrap_err();
    assert!(chain(&error).contains("the tables of the session store are missing"));
    schema.drop().await;
}

/// Nor does what the server quotes in its details.
#[tokio::test]
async fn errors_of_the_server_name_nobody() {
    let Some(schema) = Schema::new("errors_of_the_server_name_nobody").await else { return };
    let store = schema.store().await;
    stored(&store, record(1, "ada", &["acme"])).await;
    let error = store.insert(record(1, "ada", &["acme"]), &[], None).await.unwrap_err();
    let text = chain(&error);
    assert!(text.starts_with("the session store holds a record with this id already: "), "{text}");
    assert!(text.contains("(23505)") && !text.contains("\\x"), "{text}");

    schema
        .run(&format!("ALTER TABLE {} ADD CHECK (user_name <> 'bob')", schema.table("sessions")))
        .await;
    let error = store.insert(record(2, "bob", &["acme"]), &[], None).await.unwrap_err();
    assert!(!chain(&error).contains("bob"), "{}", chain(&error));
    let error = store.insert(record(3, "a\0b", &["acme"]), &[], None).await.unwrap_err();
    assert!(chain(&error).contains("holds a zero byte"), "{}", chain(&error));
    assert!(store.touch(touch(1, 1000, 2000)).await.is_ok(), "and it goes on");
    schema.drop().await;
}
