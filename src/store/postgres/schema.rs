//! The tables.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::error::refused;
use super::hosts::Hosts;
use super::open_failure::OpenFailure;
use super::server::Facts;
use crate::clock::{Clock as _, ServerClock, SystemClock};
use crate::store::open_error::OpenError;

/// The tables' names, as written in statements.
pub(super) struct Names {
    /// Quoted, since it may be an SQL keyword.
    schema: Option<String>,
    prefix: String,
    pub(super) head: String,
    pub(super) sessions: String,
    pub(super) keys: String,
    pub(super) rules: String,
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

/// Makes sure that the server can keep the store, and creates missing tables.
pub(super) async fn prepare(
    hosts: &Arc<Hosts>,
    names: &Names,
    checks: Checks,
) -> Result<(), OpenError> {
    let opened = hosts.open(&Arc::new(Notify::new())).await?;
    checks.pass(&opened.facts)?;
    let prepared = prepare_with(&opened.client, names).await;
    // Closed before the others are opened.
    opened.close().await;
    prepared
}

/// The requirements for the server.
#[derive(Clone, Copy)]
pub(super) struct Checks {
    pub(super) clock: bool,
    /// The number of replicas.
    pub(super) acknowledged_by: u32,
}

impl Checks {
    pub(super) fn pass(self, facts: &Facts) -> Result<(), OpenError> {
        if self.clock && ServerClock::is_apart(facts.time, SystemClock.now()) {
            return Err(refused(
                "the clocks of this machine and of the server differ by more than a minute; set \
                 both right, by NTP for example",
            ));
        }
        if facts.acknowledged_by < self.acknowledged_by {
            return Err(OpenFailure::TooFewReplicas.into());
        }
        Ok(())
    }
}

/// Statements are not prepared, since the peer may be a pooler.
pub(super) async fn prepare_with(client: &Client, names: &Names) -> Result<(), OpenError> {
    let encoding: String = client.query_typed_one("SHOW server_encoding", &[]).await?.get(0);
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
    rights(client, names).await?;
    columns(client, names).await
}

/// `None` if the tables are missing.
async fn format_of(client: &Client, names: &Names) -> Result<Option<i32>, OpenError> {
    match client.query_typed_opt(&format!("SELECT version FROM {}", names.head), &[]).await {
        Ok(row) => Ok(row.map(|row| row.get(0))),
        Err(error) => match error.code() {
            Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => Ok(None),
            _ => Err(error.into()),
        },
    }
}

/// Missing rights cause an error now rather than at the first sign-in.
async fn rights(client: &Client, names: &Names) -> Result<(), OpenError> {
    let all = ["SELECT", "INSERT", "UPDATE", "DELETE"];
    let sql = "SELECT has_table_privilege($1, $2)";
    for (table, needed) in [
        (&names.head, &["SELECT", "UPDATE"][..]),
        (&names.sessions, &all),
        (&names.keys, &all),
        (&names.rules, &all[..3]),
    ] {
        for right in needed {
            let row =
                client.query_typed_one(sql, &[(table, Type::TEXT), (right, Type::TEXT)]).await?;
            if !row.get::<_, bool>(0) {
                let advice = format!("the role may not {right} on {table}; grant it that right");
                return Err(refused(advice));
            }
        }
    }
    Ok(())
}

/// A table may have been made by hand, or incompletely.
async fn columns(client: &Client, names: &Names) -> Result<(), OpenError> {
    for (table, columns) in [
        (&names.head, "one, version, rules"),
        (
            &names.sessions,
            "created, last_seen, ended_at, revision, purge_after, purge_check, id, user_name, \
             ended_reason, body",
        ),
        (&names.keys, "key, created, session"),
        (&names.rules, "org, place, revision, body"),
    ] {
        client.batch_execute(&format!("SELECT {columns} FROM {table} LIMIT 0")).await?;
    }
    Ok(())
}

/// The format of the tables. Another format is refused.
const FORMAT: i32 = 2;

/// Creates missing tables. It may run any number of times and concurrently: as one message it is
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

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::{Checks, Facts, SystemClock};
    use crate::clock::Clock as _;
    use crate::store::postgres::server::Server;

    #[test]
    fn a_server_whose_clock_is_apart_is_refused_unless_that_is_not_to_be_checked() {
        let passes = |clock, off| {
            let server = Server { system: 7, timeline: 1, started: 1 };
            let time = SystemClock.now() + off;
            let facts = Facts { server, backend: None, time, acknowledged_by: 0 };
            Checks { clock, acknowledged_by: 0 }.pass(&facts).map_err(|error| error.to_string())
        };
        for off in [Duration::minutes(2), Duration::minutes(-2)] {
            let text = passes(true, off).unwrap_err();
            assert!(text.contains("the clocks of this machine and of the server differ"), "{text}");
            assert_eq!(passes(false, off), Ok(()));
        }
        for off in [Duration::seconds(30), Duration::seconds(-30)] {
            assert_eq!(passes(true, off), Ok(()));
        }
    }
}
