//! The statements about the tables.

use tokio_postgres::types::Type;

use super::schema::Names;

/// A statement, and the number under which each connection keeps it prepared.
#[derive(Clone)]
pub(super) struct Sql {
    pub(super) number: usize,
    pub(super) text: String,
    /// The types of its parameters, needed for queries without preparing.
    pub(super) types: &'static [Type],
}

impl Sql {
    fn takes(self, types: &'static [Type]) -> Self {
        Self { types, ..self }
    }
}

const ID: Type = Type::BYTEA;
const BODY: Type = Type::BYTEA;
const IDS: Type = Type::BYTEA_ARRAY;
const NUMBER: Type = Type::INT8;
const NUMBERS: Type = Type::INT8_ARRAY;
const TEXT: Type = Type::TEXT;
const TEXTS: Type = Type::TEXT_ARRAY;
const BODIES: Type = Type::BYTEA_ARRAY;

/// Columns of records, and of their places in lists.
static IMPORTED: [Type; 12] =
    [IDS, NUMBERS, TEXTS, NUMBERS, NUMBERS, NUMBERS, TEXTS, NUMBERS, BODIES, NUMBERS, NUMBERS, IDS];

static INSERTED: [Type; 13] =
    [ID, NUMBER, TEXT, NUMBER, NUMBER, NUMBER, TEXT, NUMBER, BODY, NUMBERS, NUMBER, ID, NUMBER];
static REPLACED: [Type; 8] = [ID, NUMBER, NUMBER, NUMBER, NUMBER, TEXT, NUMBER, BODY];
static RELISTED: [Type; 11] =
    [ID, NUMBER, NUMBER, NUMBER, NUMBER, TEXT, NUMBER, BODY, NUMBER, NUMBERS, NUMBERS];

/// The statements. In a pair, the comment says what the second one is for.
pub(super) struct Statements {
    /// A record and the revision of all rules; the second with the server's time.
    pub(super) load: [Sql; 2],
    /// Records, in the order of their ids, each with the revision of all rules.
    pub(super) load_all: [Sql; 2],
    /// The revision of all rules; the second with the server's time.
    pub(super) head: [Sql; 2],
    pub(super) list: Sql,
    pub(super) rules_since: Sql,
    pub(super) time: Sql,
    pub(super) lock_key: Sql,
    pub(super) insert: Sql,
    pub(super) body: Sql,
    /// The second does not notify: commits that notify wait for one another.
    pub(super) replace: [Sql; 2],
    /// As `replace`, for a session whose keys have changed.
    pub(super) relist: [Sql; 2],
    pub(super) state: Sql,
    /// Changes nothing, but its commit waits for replicas like any other.
    pub(super) confirm: Sql,
    pub(super) lock_head: Sql,
    pub(super) raise_head: Sql,
    pub(super) rules_revision: Sql,
    pub(super) replace_rules: Sql,
    /// Due records that are not locked; the second waits for locked ones.
    pub(super) due: [Sql; 2],
    pub(super) still_due: Sql,
    pub(super) leave: Sql,
    pub(super) delete: Sql,
    pub(super) check_later: Sql,
    pub(super) about: Sql,
    pub(super) scan: Sql,
    pub(super) import: Sql,
    pub(super) others: Sql,
}

impl Statements {
    pub(super) fn new(names: &Names) -> Self {
        let Names { head, sessions, keys, rules, .. } = names;
        let mut number = 0;
        let mut sql = |text: String| {
            number += 1;
            Sql { number: number - 1, text, types: &[] }
        };
        let with_time = |columns: &str, from: &str| {
            ["", ", clock_timestamp()"].map(|time| format!("SELECT {columns}{time} FROM {from}"))
        };
        // With the change, or not at all.
        let tell =
            |table: &str, what: &str| format!("pg_notify('curfew_' || {table}::text, {what})");
        let tells_session = tell("tableoid", "encode(id, 'hex')");
        let tells_rules = tell(&format!("'{sessions}'::regclass::oid"), "''");
        let replace = format!(
            "UPDATE {sessions} SET revision = $3, last_seen = $4, ended_at = $5, \
             ended_reason = $6, purge_after = $7, body = $8, \
             purge_check = least(purge_check, $7) \
             WHERE id = $1 AND revision = $2 AND ended_at IS NULL RETURNING id"
        );
        let replaced = [format!("{replace}, {tells_session}"), replace];
        let due = |lock: &str| {
            format!(
                "SELECT id, body, purge_after FROM {sessions} WHERE purge_check <= $1 \
                 ORDER BY purge_check LIMIT $2 FOR UPDATE{lock}"
            )
        };
        Self {
            // Without a head there is no row, which differs from a missing session.
            load: with_time(&format!("(SELECT body FROM {sessions} WHERE id = $1), rules"), head)
                .map(|text| sql(text).takes(&[ID])),
            // Without joins, the server has no choice among plans: it may not yet know how large
            // the tables are.
            load_all: with_time(
                &format!(
                    "(SELECT body FROM {sessions} AS s WHERE s.id = asked.id), \
                     (SELECT rules FROM {head})"
                ),
                "unnest($1::bytea[]) WITH ORDINALITY AS asked (id, place) ORDER BY asked.place",
            )
            .map(|text| sql(text).takes(&[IDS])),
            head: with_time("rules", head).map(&mut sql),
            list: sql(format!(
                "SELECT k.created, k.session, s.body FROM {keys} AS k \
                 JOIN {sessions} AS s ON s.id = k.session \
                 WHERE k.key = $1 AND (k.created, k.session) < ($2, $3) \
                 ORDER BY k.created DESC, k.session DESC LIMIT $4"
            ))
            .takes(&[NUMBER, NUMBER, ID, NUMBER]),
            rules_since: sql(format!(
                "SELECT h.rules, \
                 (SELECT system_identifier FROM pg_control_system())::text || ' ' || \
                 substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), r.org, r.place, r.body \
                 FROM {head} AS h LEFT JOIN (SELECT org, place, body FROM {rules} \
                 WHERE $1 < place ORDER BY place LIMIT $2) AS r ON true ORDER BY r.place"
            ))
            .takes(&[NUMBER, NUMBER]),
            time: sql("SELECT clock_timestamp()".into()),
            // Stores of one database do not wait for each other.
            lock_key: sql(format!(
                "SELECT pg_advisory_xact_lock(hashint8extended($1, '{keys}'::regclass::oid::int8))"
            ))
            .takes(&[NUMBER]),
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
            ))
            .takes(&INSERTED),
            body: sql(format!("SELECT body FROM {sessions} WHERE id = $1")).takes(&[ID]),
            relist: replaced.clone().map(|replaced| {
                sql(format!(
                    "WITH replaced AS ({replaced}), left_keys AS (DELETE FROM {keys} \
                     WHERE key = ANY ($10::bigint[]) AND created = $9 AND session = $1 \
                     AND EXISTS (SELECT FROM replaced)), \
                     entered_keys AS (INSERT INTO {keys} (key, created, session) \
                     SELECT key, $9, id FROM replaced, unnest($11::bigint[]) AS key \
                     ON CONFLICT DO NOTHING) \
                     SELECT count(*) FROM replaced"
                ))
                .takes(&RELISTED)
            }),
            replace: replaced.map(|replaced| {
                sql(format!("WITH replaced AS ({replaced}) SELECT count(*) FROM replaced"))
                    .takes(&REPLACED)
            }),
            confirm: sql("SELECT pg_logical_emit_message(true, 'tower-curfew', '')".into()),
            state: sql(format!(
                "SELECT revision, ended_at IS NOT NULL FROM {sessions} WHERE id = $1"
            ))
            .takes(&[ID]),
            lock_head: sql(format!("SELECT rules, clock_timestamp() FROM {head} FOR UPDATE")),
            raise_head: sql(format!("UPDATE {head} SET rules = $1 RETURNING {tells_rules}"))
                .takes(&[NUMBER]),
            rules_revision: sql(format!("SELECT revision FROM {rules} WHERE org = $1"))
                .takes(&[TEXT]),
            replace_rules: sql(format!(
                "INSERT INTO {rules} (org, place, revision, body) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (org) DO UPDATE SET place = $2, revision = $3, body = $4"
            ))
            .takes(&[TEXT, NUMBER, NUMBER, BODY]),
            due: [due(" SKIP LOCKED"), due("")].map(|text| sql(text).takes(&[NUMBER, NUMBER])),
            // In order, or the server would read the whole table to find no row.
            still_due: sql(format!(
                "SELECT FROM {sessions} WHERE purge_check <= $1 ORDER BY purge_check LIMIT 1"
            ))
            .takes(&[NUMBER]),
            leave: sql(format!(
                "DELETE FROM {keys} AS k USING unnest($1::bigint[], $2::bigint[], $3::bytea[]) \
                 AS gone (key, created, session) WHERE k.key = gone.key \
                 AND k.created = gone.created AND k.session = gone.session"
            ))
            .takes(&[NUMBERS, NUMBERS, IDS]),
            delete: sql(format!("DELETE FROM {sessions} WHERE id = ANY ($1)")).takes(&[IDS]),
            check_later: sql(format!(
                "UPDATE {sessions} SET purge_check = purge_after WHERE id = ANY ($1)"
            ))
            .takes(&[IDS]),
            // The server's estimate, where counting would take long.
            about: sql(format!(
                "SELECT CASE WHEN reltuples < 1e6 THEN (SELECT count(*) FROM {sessions}) \
                 ELSE reltuples::bigint END FROM pg_class WHERE oid = to_regclass($1)"
            ))
            .takes(&[TEXT]),
            scan: sql(format!(
                "SELECT id, body FROM {sessions} WHERE $1 < id ORDER BY id LIMIT $2"
            ))
            .takes(&[ID, NUMBER]),
            import: sql(format!(
                "WITH filed AS (INSERT INTO {sessions} (id, revision, user_name, created, \
                 last_seen, ended_at, ended_reason, purge_after, purge_check, body) \
                 SELECT id, revision, user_name, created, last_seen, ended_at, ended_reason, \
                 purge_after, purge_after, body FROM unnest($1::bytea[], $2::bigint[], $3::text[], \
                 $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[], $9::bytea[]) \
                 AS given (id, revision, user_name, created, last_seen, ended_at, ended_reason, \
                 purge_after, body) ON CONFLICT (id) DO NOTHING RETURNING id), \
                 listed AS (INSERT INTO {keys} (key, created, session) \
                 SELECT key, created, session \
                 FROM unnest($10::bigint[], $11::bigint[], $12::bytea[]) \
                 AS given (key, created, session) \
                 WHERE EXISTS (SELECT FROM filed WHERE filed.id = given.session) \
                 ON CONFLICT DO NOTHING) \
                 SELECT count(*) FROM filed"
            ))
            .takes(&IMPORTED),
            others: sql(format!(
                "SELECT count(*) FROM unnest($1::bytea[], $2::bigint[]) AS given (id, revision) \
                 JOIN {sessions} AS s ON s.id = given.id WHERE s.revision <> given.revision"
            ))
            .takes(&[IDS, NUMBERS]),
        }
    }
}
