//! Connecting: what is created, what is refused, and what is said then.

use tower_curfew::store::{Key, PostgresOptions, PostgresStore, Revision, Store};

use super::support::{
    Schema, active, at, chain, first_rules, id, in_time, listed, record, replaced, stored, with,
};

async fn refused(options: PostgresOptions) -> String {
    chain(&in_time(options.connect()).await.unwrap_err())
}

#[tokio::test]
async fn tables_are_created_once_by_nodes_that_start_together() {
    let Some(schema) = Schema::new().await else { return };
    let options = || schema.options().connections(2);
    let starts: Vec<_> = (0..8).map(|_| tokio::spawn(options().connect())).collect();
    let mut stores = Vec::new();
    for start in starts {
        let mut started = in_time(start).await.unwrap();
        // Where the machine is too busy for so many at once. Whoever sees to the node starts it again.
        while started.as_ref().is_err_and(|error| error.to_string().contains("in time")) {
            started = in_time(options().connect()).await;
        }
        stores.push(started.unwrap());
    }
    stored(&stores[0], record(1, "ada", &["acme"])).await;
    assert!(stores[1].replace_rules("acme", first_rules(), at(1)).await.unwrap());
    let stood = stores[2].rules_since(Revision::NONE, 9).await.unwrap().reaches;
    drop(stores);
    let again = schema.store().await;
    let loaded = again.load(id(1)).await.unwrap().expect("what was there stays");
    assert_eq!(loaded.rules, stood, "and so does the revision of all rules");
    schema.run(&schema.options().schema_sql().unwrap()).await;
    let loaded = again.load(id(1)).await.unwrap().expect("also when it is run by hand");
    assert_eq!(loaded.rules, stood);
    schema.drop().await;
}

#[tokio::test]
async fn tables_may_be_where_the_search_path_leads_and_have_other_names() {
    let Some(schema) = Schema::new().await else { return };
    schema.run(&format!("CREATE SCHEMA {}", schema.name)).await;
    let url = with(&schema.url, &format!("options=-csearch_path%3D{}", schema.name));
    let options = || PostgresStore::options(&url).without_clock_check();
    let stores = [
        options().prefix("app_").connect().await.unwrap(),
        options().prefix("other_").connect().await.unwrap(),
    ];
    stored(&stores[0], record(1, "ada", &[])).await;
    assert!(stores[1].load(id(1)).await.unwrap().is_none(), "each has tables of its own");
    let table = format!("{}.app_sessions", schema.name);
    assert_eq!(schema.number(&format!("SELECT count(*) FROM {table}")).await, 1);
    drop(stores);
    schema.drop().await;
}

#[tokio::test]
async fn a_role_without_the_right_to_create_tables_will_do() {
    let Some(schema) = Schema::new().await else { return };
    let url = schema.role().await;
    let (name, options) = (&schema.name, || schema.options_at(&url));
    let text = refused(options()).await;
    assert!(text.contains("let it create tables, or create them yourself"), "{text}");

    schema.run(&options().schema_sql().unwrap()).await;
    schema.run(&format!("GRANT USAGE ON SCHEMA {name} TO {name}")).await;
    let text = refused(options()).await;
    assert!(text.contains("grant it SELECT, INSERT, UPDATE and DELETE"), "{text}");
    let rights = [
        ("SELECT", ["schema", "sessions", "session_keys", "rules"].as_slice()),
        ("UPDATE", &["schema"]),
        ("INSERT", &["sessions"]),
        ("UPDATE", &["sessions"]),
        ("DELETE", &["sessions"]),
        ("INSERT, UPDATE, DELETE", &["session_keys"]),
        ("INSERT", &["rules"]),
        ("UPDATE", &["rules"]),
    ];
    for (place, (right, tables)) in rights.into_iter().enumerate() {
        if place != 0 {
            let text = refused(options()).await;
            let first = right.split(',').next().unwrap();
            let missing = format!("the role may not {first} on \"{name}\".curfew_{}", tables[0]);
            assert!(text.contains(&missing), "{text}");
        }
        for table in tables {
            schema.run(&format!("GRANT {right} ON {} TO {name}", schema.table(table))).await;
        }
    }
    let store = options().connect().await.unwrap();
    let ada = stored(&store, record(1, "ada", &["acme"])).await;
    assert_eq!(listed(&store, &Key::user("ada")).await.records.len(), 1);
    replaced(&store, active(&ada, 2000)).await;
    assert!(store.replace_rules("acme", first_rules(), at(1)).await.unwrap());
    assert_eq!(store.rules_since(Revision::NONE, 9).await.unwrap().changes.len(), 1);
    assert_eq!(store.purge(at(i64::MAX - 1), 9).await.unwrap(), 1);
    drop(store);
    schema.drop().await;
}

#[tokio::test]
async fn tables_of_another_format_are_refused() {
    let Some(schema) = Schema::new().await else { return };
    drop(schema.store().await);
    let set = async |format: i32| {
        let head = schema.table("schema");
        schema.run(&format!("UPDATE {head} SET version = {format}")).await;
    };
    set(3).await;
    let text = refused(schema.options()).await;
    assert!(text.contains("its tables have format 3, and this version"), "{text}");
    assert!(text.ends_with("upgrade tower-curfew here as well"), "{text}");
    set(1).await;
    let text = refused(schema.options()).await;
    assert!(text.contains("its tables have format 1, that of a version before"), "{text}");
    assert!(text.ends_with("or drop them, which signs everybody out"), "{text}");
    let beside = schema.options().prefix("new_").connect().await.unwrap();
    assert!(beside.load(id(1)).await.unwrap().is_none(), "as it advises");
    drop(beside);
    set(2).await;
    drop(schema.store().await);
    schema.drop().await;
}

/// As the version before the first release left them, with nothing else of the same name.
#[tokio::test]
async fn tables_of_an_older_version_are_left_as_they_are() {
    let Some(schema) = Schema::new().await else { return };
    let (name, head) = (&schema.name, schema.table("schema"));
    schema
        .run(&format!(
            "CREATE SCHEMA {name}; \
             CREATE TABLE {head} (one integer PRIMARY KEY CHECK (one = 1), version integer NOT NULL); \
             INSERT INTO {head} VALUES (1, 1)"
        ))
        .await;
    let text = refused(schema.options()).await;
    assert!(text.contains("its tables have format 1"), "{text}");
    let tables = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{name}'");
    assert_eq!(schema.number(&tables).await, 1);
    schema.drop().await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused() {
    let Some(schema) = Schema::new().await else { return };
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
    let text = refused(schema.options_at(&url)).await;
    assert!(text.contains("it takes no writes"), "{text}");

    // What becomes so later is an error and no panic.
    schema.run(&format!("ALTER ROLE {name} RESET default_transaction_read_only")).await;
    let store = schema.options_at(&url).connect().await.unwrap();
    let ada = stored(&store, record(1, "ada", &["acme"])).await;
    let keys = schema.table("session_keys");
    schema.run(&format!("REVOKE INSERT ON {keys} FROM {name}")).await;
    let lacks = "the role of the session store lacks the right to use its tables: ";
    let error = store.insert(record(2, "bob", &["acme"]).into(), None).await.unwrap_err();
    assert!(chain(&error).starts_with(lacks), "{}", chain(&error));
    assert!(store.load(id(2)).await.unwrap().is_none(), "the insert was undone");
    schema.run(&format!("REVOKE UPDATE ON {} FROM {name}", schema.table("sessions"))).await;
    let error = store.replace(active(&ada, 2000)).await.unwrap_err();
    assert!(chain(&error).starts_with(lacks), "{}", chain(&error));
    assert!(store.load(id(1)).await.unwrap().is_some(), "what is there can still be read");
    drop(store);
    schema.drop().await;
}

#[tokio::test]
async fn what_is_no_name_is_refused_by_name() {
    let options = || PostgresStore::options("postgres://nobody@127.0.0.1:1/nothing");
    let long = "a".repeat(41);
    for name in ["", "1a", "A", "a-b", "a\"b", "a;b", "ä", &long] {
        for options in [options().schema(name), options().prefix(name)] {
            let text = options.schema_sql().unwrap_err().to_string();
            assert!(text.contains(&format!("`{name}` is no ")), "{text}");
            assert_eq!(refused(options).await, text);
        }
    }
    for number in [0, 1, 1001] {
        let text = refused(options().connections(number)).await;
        assert!(text.contains(&format!("`{number}` connections")), "{text}");
    }
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
    assert!(!text.contains("tea"), "{text}");
    let Some(schema) = Schema::new().await else { return };
    let text = refused(PostgresStore::options(with(&schema.url, "dbname=no_such_one"))).await;
    assert!(text.contains("there is no such database"), "{text}");
    let nowhere = with(&schema.url, &format!("options=-csearch_path%3D{}", schema.name));
    let text = refused(PostgresStore::options(nowhere)).await;
    assert!(text.contains("there is no such schema, or none in the search path"), "{text}");
    if !cfg!(feature = "postgres-tls") {
        let text = refused(PostgresStore::options(with(&schema.url, "sslmode=require"))).await;
        assert!(text.contains("enable the feature `postgres-tls`"), "{text}");
    }
    schema.drop().await;
}

#[tokio::test]
async fn a_server_without_room_for_all_connections_is_refused() {
    let Some(schema) = Schema::new().await else { return };
    drop(schema.store().await);
    let (role, name) = (schema.role().await, &schema.name);
    schema
        .run(&format!(
            "ALTER ROLE {name} CONNECTION LIMIT 3; GRANT USAGE ON SCHEMA {name} TO {name}; \
             GRANT ALL ON ALL TABLES IN SCHEMA {name} TO {name}"
        ))
        .await;
    let text = refused(schema.options_at(&role).connections(4)).await;
    assert!(text.contains("it does not get all of its connections"), "{text}");
    assert!(text.contains("(53300)"), "{text}");
    schema.drop().await;
}
