//! The tables.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::connect_error::ConnectError;
use super::keeper::Connector;

/// The tables' names, as they stand in statements.
pub(super) struct Names {
    /// Quoted, since it may be a word of SQL.
    schema: Option<String>,
    prefix: String,
    pub(super) version: String,
    pub(super) sessions: String,
    pub(super) members: String,
    pub(super) orgs: String,
}

impl Names {
    pub(super) fn new(schema: Option<&str>, prefix: &str) -> Self {
        let schema = schema.map(|schema| format!("\"{schema}\""));
        let table = |name: &str| match &schema {
            Some(schema) => format!("{schema}.{prefix}{name}"),
            None => format!("{prefix}{name}"),
        };
        Self {
            version: table("schema"),
            sessions: table("sessions"),
            members: table("members"),
            orgs: table("orgs"),
            prefix: prefix.to_owned(),
            schema,
        }
    }
}

/// Sees to it that the server can keep the store: with its tables, created if they are missing.
pub(super) async fn prepare(connector: &Connector, names: &Names) -> Result<(), ConnectError> {
    let (client, pump) = connector.open().await?;
    let pump = tokio::spawn(pump);
    let prepared = prepare_with(&client, names).await;
    // It is closed before the others are opened.
    drop(client);
    let _ = pump.await;
    prepared
}

async fn prepare_with(client: &Client, names: &Names) -> Result<(), ConnectError> {
    let encoding: String = client.query_one("SHOW server_encoding", &[]).await?.get(0);
    if encoding != "UTF8" {
        let advice = format!("the database has the encoding `{encoding}`; create one with UTF8");
        return Err(ConnectError::new(advice));
    }
    let version = match version(client, names).await? {
        Some(version) => version,
        None => {
            client.batch_execute(&sql(names)).await?;
            version_after(client, names).await?
        }
    };
    if version != VERSION {
        let advice = format!(
            "its tables have version {version}, and this version of tower-curfew knows only \
             {VERSION}; upgrade tower-curfew here as well"
        );
        return Err(ConnectError::new(advice));
    }
    rights(client, names).await
}

/// `None` if the tables are missing.
async fn version(client: &Client, names: &Names) -> Result<Option<i32>, ConnectError> {
    match client.query_opt(&format!("SELECT version FROM {}", names.version), &[]).await {
        Ok(row) => Ok(row.map(|row| row.get(0))),
        Err(error) => match error.code() {
            Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => Ok(None),
            _ => Err(error.into()),
        },
    }
}

async fn version_after(client: &Client, names: &Names) -> Result<i32, ConnectError> {
    let missing = || ConnectError::new("its tables cannot be created; see `schema_sql`");
    version(client, names).await?.ok_or_else(missing)
}

/// What is missing shows now rather than at the first sign-in.
async fn rights(client: &Client, names: &Names) -> Result<(), ConnectError> {
    for table in [&names.sessions, &names.members, &names.orgs] {
        for right in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
            let row =
                client.query_one("SELECT has_table_privilege($1, $2)", &[table, &right]).await?;
            if !row.get::<_, bool>(0) {
                let advice = format!("the role may not {right} on {table}; grant it that right");
                return Err(ConnectError::new(advice));
            }
        }
    }
    Ok(())
}

pub(super) const VERSION: i32 = 1;

/// Creates what is missing, as often as it is run and by however many at once: as one message it is
/// one transaction, and the lock holds until its end.
pub(super) fn sql(names: &Names) -> String {
    let Names { schema, prefix, version, sessions, members, orgs } = names;
    let create_schema = match schema {
        Some(schema) => format!("CREATE SCHEMA IF NOT EXISTS {schema};\n\n"),
        None => String::new(),
    };
    format!(
        r#"-- Sessions, as tower-curfew keeps them. Times and durations are milliseconds.

BEGIN;

SELECT pg_advisory_xact_lock(4207849484203631);

{create_schema}CREATE TABLE IF NOT EXISTS {version} (
    one integer PRIMARY KEY CHECK (one = 1),
    version integer NOT NULL
);

-- A request writes to few columns, and none of them has an index: so no index grows, and the room of
-- the old version is used again. This is why `purge_check` is apart from `purge_after`: it is never
-- later, and only what it finds is looked at.
CREATE TABLE IF NOT EXISTS {sessions} (
    id bytea PRIMARY KEY,
    secret_hash bytea NOT NULL,
    user_name text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    name text,
    created bigint NOT NULL,
    authenticated bigint NOT NULL,
    seen bigint NOT NULL,
    ends_by bigint,
    ends_by_org text,
    idle bigint,
    agent text,
    device text,
    address text,
    location text,
    ended_at bigint,
    ended_reason text,
    ended_org text,
    purge_after bigint NOT NULL,
    purge_check bigint NOT NULL,
    -- The memberships, side by side and sorted by organisation.
    orgs text[] COLLATE "C" NOT NULL,
    generations bigint[] NOT NULL,
    versions bigint[] NOT NULL,
    joined bigint[] NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX IF NOT EXISTS {prefix}sessions_of_user ON {sessions} (user_name, created, id)
    WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS {prefix}sessions_to_purge ON {sessions} (purge_check);

-- Finds the sessions of an organisation, in the order of lists.
CREATE TABLE IF NOT EXISTS {members} (
    org text COLLATE "C" NOT NULL,
    created bigint NOT NULL,
    session bytea NOT NULL,
    PRIMARY KEY (org, created, session)
);

CREATE TABLE IF NOT EXISTS {orgs} (
    org text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL,
    rules text NOT NULL
);

INSERT INTO {version} (one, version) VALUES (1, {VERSION}) ON CONFLICT DO NOTHING;

COMMIT;
"#
    )
}
