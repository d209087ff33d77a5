//! What the server does for a call: which indexes it uses, and which it does not touch.

use std::sync::Arc;

use tower_curfew::store::{
    Cap, Inserted, Key, OrgRules, Page, PostgresStore, Record, Replaced, Revision, Store,
};

use super::road::Road;
use super::support::{
    Schema, active, at, began, connect, ended, eventually, first_rules, id, memberships, nonce,
    record, replaced, stored,
};

/// Activity writes to the row and to no index (R37).
#[tokio::test]
async fn activity_changes_no_index() {
    let Some(schema) = Schema::new().await else { return };
    let store = schema.store().await;
    let mut sessions = Vec::new();
    for number in 0..50 {
        sessions.push(stored(&store, record(number, "ada", &["acme"])).await);
    }
    let (rounds, mut expected) = (20, 0);
    for round in 1..=rounds {
        for last in &mut sessions {
            *last = replaced(&store, active(last, 1000 + round)).await;
            expected += 1;
        }
    }
    assert_eq!(schema.rows("session_keys").await, 100);
    drop(store);
    is_counted(&schema, "n_tup_upd", "sessions", expected).await;
    let hot = counted(&schema, "n_tup_hot_upd", "sessions").await;
    // With an index on any of its columns it would be none. Not all of them find room in their page
    // while other tests keep old versions alive.
    assert!(expected / 10 <= hot, "{hot} of {expected} were HOT");
    for change in ["n_tup_upd", "n_tup_del"] {
        assert_eq!(counted(&schema, change, "session_keys").await, 0, "{change}");
    }
    schema.drop().await;
}

/// Cost follows the person's own sessions, or the page, or what has changed, never a table.
#[tokio::test]
async fn no_call_reads_a_table_from_end_to_end() {
    let Some(schema) = Schema::new().await else { return };
    let crowd = Crowd::moves_in(&schema).await;
    let store = schema.options().connections(2).connect().await.unwrap();
    let scans = async || {
        let mut sum = 0;
        for table in TABLES {
            sum += counted(&schema, "seq_scan", table).await;
        }
        sum
    };
    let before = scans().await;
    // Often enough that the server plans once for all.
    for round in 0..ROUNDS {
        crowd.does_everything(&store, round).await;
    }
    drop(store);
    is_counted(&schema, "n_tup_ins", "sessions", i64::from(SESSIONS + ROUNDS)).await;
    assert_eq!(scans().await, before);
    schema.drop().await;
}

/// Also where the server plans it once for all parameters.
#[tokio::test]
async fn each_statement_has_its_index() {
    let Some(schema) = Schema::new().await else { return };
    let crowd = Crowd::moves_in(&schema).await;
    let road = Road::to(&schema).await;
    let store = road.options(&schema).connections(2).connect().await.unwrap();
    crowd.does_everything(&store, 0).await;
    let name = &schema.name;
    schema
        .run(&format!("SET search_path TO {name}; SET plan_cache_mode = force_generic_plan"))
        .await;
    let (record, purge) = ("curfew_sessions_pkey", "curfew_sessions_to_purge");
    let (key, rules, place) =
        ("curfew_session_keys_pkey", "curfew_rules_pkey", "curfew_rules_place_key");
    let mut expected = vec![
        // Without the server's time, and with it.
        ("SELECT (SELECT body FROM curfew_sessions WHERE id", vec![record]),
        ("SELECT (SELECT body FROM curfew_sessions WHERE id", vec![record]),
        ("SELECT (SELECT body FROM curfew_sessions AS s", vec![record]),
        ("SELECT (SELECT body FROM curfew_sessions AS s", vec![record]),
        ("SELECT k.created, k.session, s.body FROM", vec![key, record]),
        ("SELECT h.rules, ", vec![place]),
        ("SELECT pg_advisory_xact_lock", vec![]),
        ("UPDATE curfew_schema SET rules", vec![]),
        ("WITH filed AS (INSERT INTO curfew_sessions", vec![key, record]),
        ("SELECT body FROM curfew_sessions WHERE id", vec![record]),
        // What is told, and what is quiet.
        ("WITH replaced AS (UPDATE curfew_sessions", vec![record]),
        ("WITH replaced AS (UPDATE curfew_sessions", vec![record]),
        ("WITH replaced AS (UPDATE curfew_sessions", vec![key, record]),
        ("WITH replaced AS (UPDATE curfew_sessions", vec![key, record]),
        ("SELECT revision, ended_at IS NOT NULL FROM", vec![record]),
        ("SELECT revision FROM curfew_rules WHERE org", vec![rules]),
        ("INSERT INTO curfew_rules", vec![rules]),
        ("SELECT id, body, purge_after FROM", vec![purge]),
        ("SELECT FROM curfew_sessions WHERE purge_check", vec![purge]),
        ("DELETE FROM curfew_session_keys", vec![key]),
        ("DELETE FROM curfew_sessions", vec![record]),
        ("UPDATE curfew_sessions SET purge_check", vec![record]),
    ];
    for statement in road.statements() {
        let statement = statement.replace(&format!("\"{name}\"."), "");
        if !TABLES.iter().any(|table| statement.contains(&format!("curfew_{table}"))) {
            continue;
        }
        let plan = plan(&schema, &statement).await;
        let used = |index: &&str| plan.contains(*index);
        let used: Vec<_> = [key, rules, place, record, purge].into_iter().filter(used).collect();
        let found =
            |(begins, indexes): &(&str, _)| statement.starts_with(begins) && *indexes == used;
        let known = expected.iter().position(found);
        let known = known.unwrap_or_else(|| panic!("unexpected: {statement}\n{plan}"));
        expected.swap_remove(known);
        for table in TABLES {
            let scan = format!("Seq Scan on curfew_{table}");
            assert!(!plan.contains(&scan), "{statement}\n{plan}");
        }
    }
    assert!(expected.is_empty(), "these were not asked: {expected:?}");
    schema.drop().await;
}

/// The plan of a statement with any parameters.
async fn plan(schema: &Schema, statement: &str) -> String {
    schema.run(&format!("PREPARE it AS {statement}")).await;
    let count = "SELECT cardinality(parameter_types)::bigint FROM pg_prepared_statements \
                 WHERE name = 'it'";
    let nulls = vec!["NULL"; schema.number(count).await as usize].join(", ");
    let nulls = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE it{nulls}");
    let rows = schema.client.query(&explain, &[]).await.unwrap();
    schema.run("DEALLOCATE it").await;
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

const TABLES: [&str; 3] = ["sessions", "session_keys", "rules"];

const SESSIONS: u32 = 30_000;
const ORGS: u32 = 10_000;
const ROUNDS: u32 = 20;

/// Many people with six sessions each, all in one organization; and many organizations with rules.
struct Crowd {
    stands: Revision,
}

impl Crowd {
    async fn moves_in(schema: &Schema) -> Self {
        drop(schema.store().await);
        // In a connection of its own: when it is gone, all that it did is counted.
        let client = connect(&schema.url).await;
        let sessions: Vec<_> = (0..SESSIONS).map(one_of_many).collect();
        let text = |of: fn(&Record) -> Vec<u8>| sessions.iter().map(of).collect::<Vec<_>>();
        let (ids, bodies) = (text(|one| one.id().as_bytes().to_vec()), text(Record::encode));
        let number = |of: fn(&Record) -> i64| sessions.iter().map(of).collect::<Vec<_>>();
        let revisions = number(|one| one.revision().as_u64() as i64);
        let created = number(|one| one.created().unix_millis());
        let purge_after = number(|one| one.purge_after().unix_millis());
        let users: Vec<_> = sessions.iter().map(|one| &**one.user()).collect();
        let insert = format!(
            "INSERT INTO {} (id, body, revision, created, last_seen, purge_after, purge_check, \
             user_name) SELECT i, b, r, c, c, p, p, u \
             FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], \
             $6::text[]) AS t (i, b, r, c, p, u)",
            schema.table("sessions")
        );
        let params: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
            &[&ids, &bodies, &revisions, &created, &purge_after, &users];
        client.execute(&insert, params).await.unwrap();
        for place in 0..2 {
            let keys = sessions.iter().map(|one| one.keys()[place].digest() as i64);
            let insert = format!(
                "INSERT INTO {} (key, created, session) \
                 SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])",
                schema.table("session_keys")
            );
            client.execute(&insert, &[&keys.collect::<Vec<_>>(), &created, &ids]).await.unwrap();
        }
        let revision = |rules: &OrgRules| rules.revision().as_u64() as i64;
        let rules: Vec<_> = (0..ORGS).map(|_| first_rules()).collect();
        let orgs: Vec<_> = (0..ORGS).map(|number| format!("org {number}")).collect();
        let revisions: Vec<_> = rules.iter().map(revision).collect();
        let bodies: Vec<_> = rules.iter().map(OrgRules::encode).collect();
        let insert = format!(
            "INSERT INTO {} (org, place, revision, body) SELECT o, n << 20, r, b \
             FROM unnest($1::text[], $2::bigint[], $3::bytea[]) WITH ORDINALITY AS t (o, r, b, n)",
            schema.table("rules")
        );
        client.execute(&insert, &[&orgs, &revisions, &bodies]).await.unwrap();
        let raise = format!("UPDATE {} SET rules = {ORGS}::bigint << 20", schema.table("schema"));
        client.batch_execute(&raise).await.unwrap();
        for table in TABLES {
            client.batch_execute(&format!("ANALYZE {}", schema.table(table))).await.unwrap();
        }
        drop(client);
        is_counted(schema, "n_tup_ins", "sessions", SESSIONS.into()).await;
        is_counted(schema, "n_tup_ins", "session_keys", (2 * SESSIONS).into()).await;
        is_counted(schema, "n_tup_ins", "rules", ORGS.into()).await;
        Self { stands: Revision::from_u64(u64::from(ORGS) << 20) }
    }

    /// Every call that there is, with every outcome. Others come and go in each round.
    async fn does_everything(&self, store: &PostgresStore, round: u32) {
        let user = format!("user {}", round + 100);
        let own = (round + 100) * 6;
        let first = store.load(id(own)).await.unwrap().unwrap().record;
        assert!(store.load(id(SESSIONS + 500)).await.unwrap().is_none());

        let page = |after| Page { after, at_most: 100 };
        let listed = store.list(&Key::user(&user), page(None)).await.unwrap();
        assert_eq!(listed.records.len(), 6);
        let listed = store.list(&Key::org("acme"), page(None)).await.unwrap();
        assert_eq!((listed.records.len(), listed.next.is_some()), (100, true));
        let next = store.list(&Key::org("acme"), page(listed.next)).await.unwrap();
        assert!(next.records[0].created() < listed.records[99].created());

        let second = replaced(store, active(&first, 70_000)).await;
        let moved = second.next(nonce()).with_memberships(memberships(&["acme", "globex"]));
        let third = replaced(store, Arc::new(moved)).await;
        assert_eq!(store.replace(ended(&first)).await.unwrap(), Replaced::Stale);
        let quiet = replaced(store, Arc::new(third.next(nonce()).as_quiet())).await;
        replaced(store, Arc::new(Record::clone(&ended(&quiet)).as_quiet())).await;

        let cap = |at_most| Some(Cap { at_most, except: Some(id(own + 1)) });
        let new = Arc::new(record(SESSIONS + round, &user, &["acme"]));
        assert_eq!(store.insert(new.clone(), cap(4)).await.unwrap(), Inserted::Full);
        assert_eq!(store.insert(new.clone(), cap(5)).await.unwrap(), Inserted::Done);
        assert_eq!(store.insert(new, cap(5)).await.unwrap(), Inserted::Done, "again");

        let org = format!("new {round}");
        assert!(store.replace_rules(&org, first_rules(), at(1)).await.unwrap());
        let changed = store.rules_since(self.stands, 1000).await.unwrap().changes;
        assert_eq!(changed.len(), round as usize + 1);

        // Of three that are due one has been used since it was said to be due.
        let used = store.load(id(2 * round)).await.unwrap().unwrap().record;
        let later = used.next(nonce()).with_purge_after(at(5_000_000));
        replaced(store, Arc::new(later)).await;
        let due = at(1_000_000 + i64::from(2 * round + 1));
        assert_eq!(store.purge(due, 100).await.unwrap(), 2);
    }
}

fn one_of_many(number: u32) -> Record {
    let created = at(i64::from(number));
    began(number, &format!("user {}", number / 6), created)
        .with_purge_after(at(1_000_000 + i64::from(number)))
        .with_memberships(memberships(&["acme"]))
}

/// What the server has counted of a table.
async fn counted(schema: &Schema, what: &str, table: &str) -> i64 {
    let name = &schema.name;
    schema
        .number(&format!(
            "SELECT {what} FROM pg_stat_user_tables \
             WHERE schemaname = '{name}' AND relname = 'curfew_{table}'"
        ))
        .await
}

/// Waits until so much is counted, which it is once the connections are gone.
async fn is_counted(schema: &Schema, what: &str, table: &str, expected: i64) {
    let mut last = 0;
    eventually("the server's counts", async || {
        last = counted(schema, what, table).await;
        last == expected
    })
    .await;
}
