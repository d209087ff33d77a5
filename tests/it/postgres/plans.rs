//! What the server does for a call: which indexes it uses, and which it does not touch.

use tower_curfew::store::{Ended, Insert, Kind, Page, Selector, Store, Touched};

use super::support::{Schema, at, id, record, stored, touch};

/// A touch writes to the row and to no index (R37).
#[tokio::test]
async fn a_touch_changes_no_index() {
    let Some(schema) = Schema::new("a_touch_changes_no_index").await else { return };
    let store = schema.store().await;
    for number in 0..50 {
        stored(&store, record(number, "ada", &["acme"])).await;
    }
    let count = async |column: &str| {
        let name = &schema.name;
        schema
            .number(&format!(
                "SELECT {column} FROM pg_stat_user_tables \
                 WHERE schemaname = '{name}' AND relname = 'curfew_sessions'"
            ))
            .await
    };
    let mut expected = 0;
    for round in 1..=20 {
        for number in 0..50 {
            let touch = touch(number, 1000 * round, 1000 * (round + 1));
            assert_eq!(store.touch(touch).await.unwrap(), Touched::Moved);
            expected += 1;
        }
    }
    // The server's connections tell their counts when they have nothing else to do.
    drop(store);
    let mut updates = 0;
    for _ in 0..100 {
        updates = count("n_tup_upd").await;
        if expected <= updates {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(updates, expected);
    let hot = count("n_tup_hot_upd").await;
    // With an index on any of its columns it would be none. Not all of them find room in their page
    // while other tests keep old versions alive.
    assert!(expected / 10 <= hot, "{hot} of {expected} were HOT");
    schema.drop().await;
}

/// Cost follows the person's own sessions, or the page, never the table.
#[tokio::test]
async fn each_statement_has_its_index() {
    let Some(schema) = Schema::new("each_statement_has_its_index").await else { return };
    let store = schema.store().await;
    let sessions = schema.table("sessions");
    // One of them in the ordinary way, and 60,000 after its image, all in one organisation.
    stored(&store, record(0, "nobody", &["acme"])).await;
    let others = [
        "secret_hash",
        "kind",
        "name",
        "authenticated",
        "seen",
        "ends_by",
        "ends_by_org",
        "idle",
        "agent",
        "device",
        "address",
        "location",
        "ended_at",
        "ended_reason",
        "ended_org",
        "orgs",
        "generations",
        "versions",
        "joined",
    ]
    .join(", ");
    schema
        .run(&format!(
            "INSERT INTO {sessions} (id, user_name, created, purge_after, purge_check, {others}) \
             SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'user ' || n / 6, n, \
             100000 + n, 100000 + n, {others} FROM {sessions}, generate_series(1, 60000) AS n; \
             INSERT INTO {members} (org, created, session) \
             SELECT 'acme', created, id FROM {sessions} WHERE user_name <> 'nobody'; \
             ANALYZE {sessions}; ANALYZE {members}",
            members = schema.table("members")
        ))
        .await;
    // The server counts what it did no sooner than at the next command after a second.
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    scanned(&schema).await;
    let before = scanned(&schema).await;
    // Often enough that the server plans once for all.
    for round in 0..20 {
        assert!(store.load(id(round)).await.unwrap().is_some() == (round == 0));
        let user = Selector::user(format!("user {round}"));
        let page = |after| Page { after, at_most: 100 };
        assert!(!store.list(&user, page(None)).await.unwrap().is_empty());
        for which in [Selector::org("acme"), Selector::org("acme").not_seen_after(at(5000))] {
            let listed = store.list(&which, page(None)).await.unwrap();
            let last = listed.last().unwrap().record();
            assert_eq!((listed.len(), last.created), (100, at(60_000 - 99)));
            let next = store.list(&which, page(Some((last.created, last.id)))).await.unwrap();
            assert_eq!(next[0].record().created, at(60_000 - 100));
            assert_eq!(next[0].record().kind, Kind::Browser);
        }
        // The first time the one that was stored above, and then one after its image and Eve's.
        let due = store.purge(at(100_000 + i64::from(round)), 100).await.unwrap();
        assert_eq!(due, if round == 0 { 1 } else { 2 });
        let ended = Ended::revoked(at(9));
        assert!(0 < store.end(&user.except(id(0)), &ended).await.unwrap());
        let none = Selector::user("user 9").only(id(round));
        assert_eq!(store.end(&none, &ended).await.unwrap(), 0);
        assert_eq!(store.touch(touch(round, 1, 2)).await.unwrap(), Touched::Gone);
        let eve = record(1000 + round, "eve", &["acme"]);
        assert_eq!(store.insert(eve, &[id(7)], Some(100)).await.unwrap(), Insert::Stored);
    }
    drop(store);
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(scanned(&schema).await, before, "a table was read from end to end");

    let plan = async |statement: &str| {
        let rows = schema.client.query(&format!("EXPLAIN {statement}"), &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
    };
    for (statement, index) in [
        (format!("SELECT * FROM {sessions} WHERE id = '\\x00'"), "curfew_sessions_pkey"),
        (
            format!(
                "SELECT * FROM {sessions} WHERE user_name = 'ada' AND ended_at IS NULL ORDER BY created DESC, id DESC LIMIT 100"
            ),
            "curfew_sessions_of_user",
        ),
        (
            format!(
                "SELECT * FROM {sessions} WHERE purge_check <= 100300 ORDER BY purge_check LIMIT 100 FOR UPDATE"
            ),
            "curfew_sessions_to_purge",
        ),
    ] {
        let plan = plan(&statement).await;
        assert!(plan.contains(index) && !plan.contains("Sort"), "{plan}");
    }
    schema.drop().await;
}

/// How often the tables were read from end to end.
async fn scanned(schema: &Schema) -> i64 {
    let name = &schema.name;
    schema
        .number(&format!(
            "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE schemaname = '{name}' \
             AND relname IN ('curfew_sessions', 'curfew_members')"
        ))
        .await
}
