//! The tables, and the statements about them.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::error::refused;
use super::keeper::Connector;
use crate::store::open_error::OpenError;

/// The tables' names, as they stand in statements.
pub(super) struct Names {
    /// Quoted, since it may be a word of SQL.
    schema: Option<String>,
    prefix: String,
    head: String,
    pub(super) sessions: String,
    keys: String,
    rules: String,
}

impl Names {
    pub(super) fn new(schema: Option<&str>, prefix: &str) -> Self {
        let schema = schema.map(|schema| format!("\"{schema}\""));
        let table = |name: &str| match &schema {
            Some(schema) => format!("{schema}.{prefix}{name}"),
            None => format!("{prefix}{name}"),
        };
        Self {
            head: table("schema"),
            sessions: table("sessions"),
            keys: table("session_keys"),
            rules: table("rules"),
            prefix: prefix.to_owned(),
            schema,
        }
    }
}

/// A statement, and the number under which each connection keeps it prepared.
#[derive(Clone)]
pub(super) struct Sql {
    pub(super) number: usize,
    pub(super) text: String,
}

/// The statements. Each that has two has the second one for a purpose that it names.
pub(super) struct Statements {
    /// A record and the revision of all rules; the second with the server's time.
    pub(super) load: [Sql; 2],
    /// The revision of all rules; the second with the server's time.
    pub(super) head: [Sql; 2],
    pub(super) list: Sql,
    pub(super) rules_since: Sql,
    pub(super) time: Sql,
    pub(super) lock_key: Sql,
    pub(super) insert: Sql,
    pub(super) body: Sql,
    pub(super) replace: Sql,
    /// As `replace`, for a session that is to be listed elsewhere.
    pub(super) relist: Sql,
    pub(super) state: Sql,
    pub(super) lock_head: Sql,
    pub(super) raise_head: Sql,
    pub(super) rules_revision: Sql,
    pub(super) replace_rules: Sql,
    /// What is due and not locked; the second waits for what is.
    pub(super) due: [Sql; 2],
    pub(super) still_due: Sql,
    pub(super) leave: Sql,
    pub(super) delete: Sql,
    pub(super) check_later: Sql,
}

impl Statements {
    pub(super) fn new(names: &Names) -> Self {
        let Names { head, sessions, keys, rules, .. } = names;
        let mut number = 0;
        let mut sql = |text: String| {
            number += 1;
            Sql { number: number - 1, text }
        };
        let with_time = |columns: &str, from: &str| {
            ["", ", clock_timestamp()"].map(|time| format!("SELECT {columns}{time} FROM {from}"))
        };
        let replace = format!(
            "UPDATE {sessions} SET revision = $3, last_seen = $4, ended_at = $5, \
             ended_reason = $6, purge_after = $7, body = $8, \
             purge_check = least(purge_check, $7) \
             WHERE id = $1 AND revision = $2 AND ended_at IS NULL RETURNING id"
        );
        let due = |lock: &str| {
            format!(
                "SELECT id, body, purge_after FROM {sessions} WHERE purge_check <= $1 \
                 ORDER BY purge_check LIMIT $2 FOR UPDATE{lock}"
            )
        };
        Self {
            // Without a head there is no row, which is not the same as no session.
            load: with_time(&format!("(SELECT body FROM {sessions} WHERE id = $1), rules"), head)
                .map(&mut sql),
            head: with_time("rules", head).map(&mut sql),
            list: sql(format!(
                "SELECT k.created, k.session, s.body FROM {keys} AS k \
                 JOIN {sessions} AS s ON s.id = k.session \
                 WHERE k.key = $1 AND (k.created, k.session) < ($2, $3) \
                 ORDER BY k.created DESC, k.session DESC LIMIT $4"
            )),
            rules_since: sql(format!(
                "SELECT h.rules, \
                 (SELECT system_identifier FROM pg_control_system())::text || ' ' || \
                 substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), r.org, r.place, r.body \
                 FROM {head} AS h LEFT JOIN (SELECT org, place, body FROM {rules} \
                 WHERE $1 < place ORDER BY place LIMIT $2) AS r ON true ORDER BY r.place"
            )),
            time: sql("SELECT clock_timestamp()".into()),
            lock_key: sql("SELECT pg_advisory_xact_lock($1)".into()),
            insert: sql(format!(
                "WITH filed AS (INSERT INTO {sessions} (id, revision, user_name, created, \
                 last_seen, ended_at, ended_reason, purge_after, purge_check, body) \
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $8, $9 WHERE $13 = {} \
                 OR (SELECT count(*) FROM {keys} AS k JOIN {sessions} AS s ON s.id = k.session \
                 WHERE k.key = $11 AND k.session IS DISTINCT FROM $12) < $13 \
                 ON CONFLICT (id) DO NOTHING RETURNING id), \
                 listed AS (INSERT INTO {keys} (key, created, session) \
                 SELECT key, $4, id FROM filed, unnest($10::bigint[]) AS key \
                 ON CONFLICT DO NOTHING) \
                 SELECT count(*) FROM filed",
                i64::MAX
            )),
            body: sql(format!("SELECT body FROM {sessions} WHERE id = $1")),
            relist: sql(format!(
                "WITH replaced AS ({replace}), left_keys AS (DELETE FROM {keys} \
                 WHERE key = ANY ($10::bigint[]) AND created = $9 AND session = $1 \
                 AND EXISTS (SELECT FROM replaced)), \
                 entered_keys AS (INSERT INTO {keys} (key, created, session) \
                 SELECT key, $9, id FROM replaced, unnest($11::bigint[]) AS key \
                 ON CONFLICT DO NOTHING) \
                 SELECT count(*) FROM replaced"
            )),
            replace: sql(format!("WITH replaced AS ({replace}) SELECT count(*) FROM replaced")),
            state: sql(format!(
                "SELECT revision, ended_at IS NOT NULL FROM {sessions} WHERE id = $1"
            )),
            lock_head: sql(format!("SELECT rules, clock_timestamp() FROM {head} FOR UPDATE")),
            raise_head: sql(format!("UPDATE {head} SET rules = $1")),
            rules_revision: sql(format!("SELECT revision FROM {rules} WHERE org = $1")),
            replace_rules: sql(format!(
                "INSERT INTO {rules} (org, place, revision, body) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (org) DO UPDATE SET place = $2, revision = $3, body = $4"
            )),
            due: [due(" SKIP LOCKED"), due("")].map(&mut sql),
            // In order, or the server would read the whole table to find none.
            still_due: sql(format!(
                "SELECT FROM {sessions} WHERE purge_check <= $1 ORDER BY purge_check LIMIT 1"
            )),
            leave: sql(format!(
                "DELETE FROM {keys} AS k USING unnest($1::bigint[], $2::bigint[], $3::bytea[]) \
                 AS gone (key, created, session) WHERE k.key = gone.key \
                 AND k.created = gone.created AND k.session = gone.session"
            )),
            delete: sql(format!("DELETE FROM {sessions} WHERE id = ANY ($1)")),
            check_later: sql(format!(
                "UPDATE {sessions} SET purge_check = purge_after WHERE id = ANY ($1)"
            )),
        }
    }
}

/// Sees to it that the server can keep the store: with its tables, created if they are missing.
pub(super) async fn prepare(connector: &Connector, names: &Names) -> Result<(), OpenError> {
    let (client, pump) = connector.open().await?;
    let pump = tokio::spawn(pump);
    let prepared = prepare_with(&client, names).await;
    // It is closed before the others are opened.
    drop(client);
    let _ = pump.await;
    prepared
}

async fn prepare_with(client: &Client, names: &Names) -> Result<(), OpenError> {
    let encoding: String = client.query_one("SHOW server_encoding", &[]).await?.get(0);
    if encoding != "UTF8" {
        let advice = format!("the database has the encoding `{encoding}`; create one with UTF8");
        return Err(refused(advice));
    }
    let format = match format_of(client, names).await? {
        Some(format) => format,
        None => {
            client.batch_execute(&sql(names)).await?;
            let missing = || refused("its tables cannot be created; see `schema_sql`");
            format_of(client, names).await?.ok_or_else(missing)?
        }
    };
    if FORMAT < format {
        let advice = format!(
            "its tables have format {format}, and this version of tower-curfew knows only \
             {FORMAT}; upgrade tower-curfew here as well"
        );
        return Err(refused(advice));
    }
    if format < FORMAT {
        let advice = format!(
            "its tables have format {format}, that of a version before the first release; give \
             another schema or table prefix, or drop them, which signs everybody out"
        );
        return Err(refused(advice));
    }
    rights(client, names).await
}

/// `None` if the tables are missing.
async fn format_of(client: &Client, names: &Names) -> Result<Option<i32>, OpenError> {
    match client.query_opt(&format!("SELECT version FROM {}", names.head), &[]).await {
        Ok(row) => Ok(row.map(|row| row.get(0))),
        Err(error) => match error.code() {
            Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => Ok(None),
            _ => Err(error.into()),
        },
    }
}

/// What is missing shows now rather than at the first sign-in.
async fn rights(client: &Client, names: &Names) -> Result<(), OpenError> {
    let all = ["SELECT", "INSERT", "UPDATE", "DELETE"];
    for (table, needed) in [
        (&names.head, &["SELECT", "UPDATE"][..]),
        (&names.sessions, &all),
        (&names.keys, &all),
        (&names.rules, &all[..3]),
    ] {
        for right in needed {
            let row =
                client.query_one("SELECT has_table_privilege($1, $2)", &[table, right]).await?;
            if !row.get::<_, bool>(0) {
                let advice = format!("the role may not {right} on {table}; grant it that right");
                return Err(refused(advice));
            }
        }
    }
    Ok(())
}

/// The format of the tables. Another one is refused.
const FORMAT: i32 = 2;

/// Creates what is missing, as often as it is run and by however many at once: as one message it is
/// one transaction, and the lock holds until its end.
pub(super) fn sql(names: &Names) -> String {
    let Names { schema, prefix, head, sessions, keys, rules } = names;
    let create_schema = match schema {
        Some(schema) => format!("CREATE SCHEMA IF NOT EXISTS {schema};\n\n"),
        None => String::new(),
    };
    format!(
        r#"-- Sessions, as tower-curfew keeps them. Times are milliseconds.

BEGIN;

SELECT pg_advisory_xact_lock(4207849484203631);

{create_schema}-- `rules` is the revision of all rules.
CREATE TABLE IF NOT EXISTS {head} (
    one integer PRIMARY KEY CHECK (one = 1),
    version integer NOT NULL,
    rules bigint NOT NULL
);

-- What a record says is in its body; the other columns are for people who look at the table, except for
-- those by which it is found, swapped and purged. A request writes to few columns, and none of them has
-- an index: so no index grows, and the room of the old version is used again. This is why `purge_check`
-- is apart from `purge_after`: it is never later, and only what it finds is looked at.
CREATE TABLE IF NOT EXISTS {sessions} (
    created bigint NOT NULL,
    last_seen bigint NOT NULL,
    ended_at bigint,
    revision bigint NOT NULL,
    purge_after bigint NOT NULL,
    purge_check bigint NOT NULL,
    id bytea PRIMARY KEY,
    user_name text COLLATE "C" NOT NULL,
    ended_reason text,
    body bytea NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX IF NOT EXISTS {prefix}sessions_to_purge ON {sessions} (purge_check);

-- Where sessions that have not ended are listed, in the order of lists.
CREATE TABLE IF NOT EXISTS {keys} (
    key bigint NOT NULL,
    created bigint NOT NULL,
    session bytea NOT NULL,
    PRIMARY KEY (key, created, session)
);

-- `place` is the revision of all rules that the last change of these made.
CREATE TABLE IF NOT EXISTS {rules} (
    org text COLLATE "C" PRIMARY KEY,
    place bigint NOT NULL UNIQUE,
    revision bigint NOT NULL,
    body bytea NOT NULL
);

INSERT INTO {head} (one, version, rules) VALUES (1, {FORMAT}, 0) ON CONFLICT DO NOTHING;

COMMIT;
"#
    )
}
