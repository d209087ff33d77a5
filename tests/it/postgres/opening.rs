//! Connecting: what is created, what is refused, and what is said then.

use tower_curfew::store::Page;
use tower_curfew::store::{PostgresStore, Selector, Store};

use super::support::{Schema, chain, id, record, stored, with, within};

async fn refused(options: tower_curfew::store::PostgresOptions) -> String {
    chain(&within(15, options.connect()).await.unwrap_err())
}

#[tokio::test]
async fn tables_are_created_once_by_nodes_that_start_together() {
    let test = "tables_are_created_once_by_nodes_that_start_together";
    let Some(schema) = Schema::new(test).await else { return };
    let starts: Vec<_> =
        (0..8).map(|_| tokio::spawn(schema.options().connections(2).connect())).collect();
    let mut stores = Vec::new();
    for start in starts {
        stores.push(within(30, start).await.unwrap().unwrap());
    }
    stored(&stores[0], record(1, "ada", &["acme"])).await;
    drop(stores);
    let again = schema.store().await;
    assert!(again.load(id(1)).await.unwrap().is_some(), "what was there stays");
    schema.run(&again.schema_sql()).await;
    assert!(again.load(id(1)).await.unwrap().is_some(), "and when it is run by hand");
    schema.drop().await;
}

#[tokio::test]
async fn tables_may_be_where_the_search_path_leads_and_have_other_names() {
    let test = "tables_may_be_where_the_search_path_leads_and_have_other_names";
    let Some(schema) = Schema::new(test).await else { return };
    schema.run(&format!("CREATE SCHEMA {}", schema.name)).await;
    let url = with(&schema.url, &format!("options=-csearch_path%3D{}", schema.name));
    let store = PostgresStore::options(url).table_prefix("app_").connect().await.unwrap();
    assert!(store.load(id(1)).await.unwrap().is_none());
    let table = format!("{}.app_sessions", schema.name);
    assert_eq!(schema.number(&format!("SELECT count(*) FROM {table}")).await, 0);
    drop(store);
    schema.drop().await;
}

#[tokio::test]
async fn a_role_without_the_right_to_create_tables_will_do() {
    let test = "a_role_without_the_right_to_create_tables_will_do";
    let Some(schema) = Schema::new(test).await else { return };
    let url = schema.role().await;
    let name = &schema.name;
    let options = || PostgresStore::options(&url).schema(name).without_clock_check();
    let text = refused(options()).await;
    assert!(text.contains("let it create tables, or create them yourself"), "{text}");

    schema.run(&options().schema_sql().unwrap()).await;
    schema.run(&format!("GRANT USAGE ON SCHEMA {name} TO {name}")).await;
    let text = refused(options()).await;
    assert!(text.contains("grant it SELECT, INSERT, UPDATE and DELETE"), "{text}");
    schema.run(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {name}")).await;
    let text = refused(options()).await;
    assert!(text.contains("the role may not INSERT on"), "{text}");

    schema
        .run(&format!("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {name}"))
        .await;
    let store = options().connect().await.unwrap();
    stored(&store, record(1, "ada", &["acme"])).await;
    let page = Page { after: None, at_most: 9 };
    assert_eq!(store.list(&Selector::user("ada"), page).await.unwrap().len(), 1);
    drop(store);
    schema.drop().await;
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let Some(schema) = Schema::new("tables_of_a_newer_version_are_refused").await else { return };
    drop(schema.store().await);
    schema.run(&format!("UPDATE {} SET version = 2", schema.table("schema"))).await;
    let text = refused(schema.options()).await;
    assert!(text.contains("its tables have version 2, and this version"), "{text}");
    assert!(text.ends_with("upgrade tower-curfew here as well"), "{text}");
    schema.drop().await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused() {
    let Some(schema) = Schema::new("a_server_that_takes_no_writes_is_refused").await else {
        return;
    };
    drop(schema.store().await);
    let url = schema.role().await;
    let name = &schema.name;
    schema
        .run(&format!(
            "ALTER ROLE {name} SET default_transaction_read_only = on; \
             GRANT USAGE ON SCHEMA {name} TO {name}; \
             GRANT ALL ON ALL TABLES IN SCHEMA {name} TO {name}"
        ))
        .await;
    let options = || PostgresStore::options(&url).schema(name).without_clock_check();
    let text = refused(options()).await;
    assert!(text.contains("it takes no writes"), "{text}");

    // What becomes so later is an error and no panic.
    schema.run(&format!("ALTER ROLE {name} RESET default_transaction_read_only")).await;
    let store = options().connect().await.unwrap();
    schema.run(&format!("REVOKE INSERT, UPDATE ON {} FROM {name}", schema.table("sessions"))).await;
    let error = store.insert(record(1, "ada", &["acme"]), &[], Some(3)).await.unwrap_err();
    assert!(chain(&error).contains("lacks the right to use its tables"), "{}", chain(&error));
    let error = store.touch(super::support::touch(1, 1000, 2000)).await.unwrap_err();
    assert!(chain(&error).contains("lacks the right to use its tables"), "{}", chain(&error));
    assert!(store.org_rules("acme").await.unwrap().is_none(), "the insert was undone");
    drop(store);
    schema.drop().await;
}

#[tokio::test]
async fn what_is_no_name_is_refused_by_name() {
    let options = || PostgresStore::options("postgres://nobody@127.0.0.1:1/nothing");
    let long = "a".repeat(41);
    for name in ["", "1a", "A", "a-b", "a\"b", "a;b", "ä", &long] {
        for options in [options().schema(name), options().table_prefix(name)] {
            let text = options.schema_sql().unwrap_err().to_string();
            assert!(text.contains(&format!("`{name}` is no ")), "{text}");
            assert_eq!(refused(options).await, text);
        }
    }
    let text = refused(options().connections(1)).await;
    assert!(text.contains("`1` connections"), "{text}");
    // A word of SQL is as good as any.
    assert!(options().schema("user").schema_sql().unwrap().contains("\"user\".curfew_sessions"));
    assert!(!format!("{:?}", PostgresStore::options("postgres://a:tea@b/c")).contains("tea"));
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_apart() {
    let text = refused(PostgresStore::options("postgres://ada:tea@127.0.0.1:1/nothing")).await;
    assert!(text.contains("the server cannot be reached"), "{text}");
    let text = refused(PostgresStore::options("server=tea of ada:tea")).await;
    assert!(text.contains("the connection string cannot be read"), "{text}");
    let Some(schema) = Schema::new("what_cannot_be_reached_is_told_apart").await else { return };
    let text = refused(PostgresStore::options(with(&schema.url, "dbname=no_such_one"))).await;
    assert!(text.contains("there is no such database"), "{text}");
    if !cfg!(feature = "postgres-tls") {
        let text = refused(PostgresStore::options(with(&schema.url, "sslmode=require"))).await;
        assert!(text.contains("enable the feature `postgres-tls`"), "{text}");
    }
    let role = schema.role().await;
    schema.run(&format!("ALTER ROLE {} NOLOGIN", schema.name)).await;
    let text = refused(PostgresStore::options(role)).await;
    assert!(text.contains("refuses the role or its password"), "{text}");
    schema.drop().await;
}
