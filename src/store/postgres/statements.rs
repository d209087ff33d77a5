//! The statements that are always the same.

use super::schema::Names;

pub(super) struct Statements {
    pub(super) names: Names,
    pub(super) load: String,
    pub(super) lock_record: String,
    pub(super) touch: String,
    pub(super) rotate: String,
    pub(super) living_hash: String,
    pub(super) insert: String,
    pub(super) join: String,
    pub(super) leave: String,
    pub(super) set_orgs: String,
    pub(super) count_others: String,
    pub(super) rules: String,
    pub(super) first_rules: String,
    pub(super) put_first_rules: String,
    pub(super) put_rules: String,
    pub(super) due: [String; 2],
    pub(super) still_due: String,
    pub(super) forget_members: String,
    pub(super) delete: String,
    pub(super) check_later: String,
}

/// What is read of a session, without the rules.
pub(super) const COLUMNS: &str = "s.id, s.secret_hash, s.user_name, s.kind, s.name, s.created, \
    s.authenticated, s.seen, s.ends_by, s.ends_by_org, s.idle, s.agent, s.device, s.address, \
    s.location, s.ended_at, s.ended_reason, s.ended_org, s.purge_after, s.orgs, s.generations, \
    s.versions, s.joined";

/// The same with the rules, in the order of the organisations, and with the time.
pub(super) fn facts(Names { orgs, .. }: &Names) -> String {
    // To take an array apart costs more than to look at its only element.
    format!(
        "{COLUMNS}, CASE cardinality(s.orgs) WHEN 0 THEN NULL \
         WHEN 1 THEN ARRAY[(SELECT o.rules FROM {orgs} AS o WHERE o.org = s.orgs[1])] \
         ELSE ARRAY(SELECT (SELECT o.rules FROM {orgs} AS o WHERE o.org = u.org) \
         FROM unnest(s.orgs) AS u (org)) END, clock_timestamp()"
    )
}

/// Locks the user, so that nobody else counts the sessions at the same time.
pub(super) const LOCK_USER: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended($1, 4207849484203632))";

/// Locks organisations against a change of their rules, in an order that is the same for all.
pub(super) const LOCK_ORGS: &str = "SELECT pg_advisory_xact_lock_shared(k.key) FROM (SELECT \
    DISTINCT hashtextextended(org, 4207849484203633) AS key FROM unnest($1::text[]) AS u (org) \
    ORDER BY 1) AS k";

/// Locks an organisation for a change of its rules.
pub(super) const LOCK_ORG: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended($1, 4207849484203633))";

pub(super) const CLOCK: &str = "SELECT clock_timestamp()";

impl Statements {
    pub(super) fn new(names: Names) -> Self {
        let Names { sessions, members, orgs, .. } = &names;
        let due = |passes_over: &str| {
            format!(
                "SELECT id, created, orgs, purge_after FROM {sessions} WHERE purge_check <= $1 \
                 ORDER BY purge_check LIMIT $2 FOR UPDATE {passes_over}"
            )
        };
        Self {
            load: format!("SELECT {} FROM {sessions} AS s WHERE s.id = $1", facts(&names)),
            lock_record: format!(
                "SELECT {COLUMNS} FROM {sessions} AS s WHERE s.id = $1 FOR UPDATE"
            ),
            touch: format!(
                "UPDATE {sessions} SET seen = $2, agent = $4, device = $5, address = $6, \
                 location = $7, purge_after = $8, purge_check = least(purge_check, $8) \
                 WHERE id = $1 AND ended_at IS NULL AND secret_hash = $9 AND seen <= $3 \
                 AND seen < $2"
            ),
            rotate: format!(
                "UPDATE {sessions} SET secret_hash = $3, \
                 authenticated = coalesce($4, authenticated) \
                 WHERE id = $1 AND ended_at IS NULL AND secret_hash = $2"
            ),
            living_hash: format!(
                "SELECT secret_hash FROM {sessions} WHERE id = $1 AND ended_at IS NULL"
            ),
            insert: format!(
                "INSERT INTO {sessions} (id, secret_hash, user_name, kind, name, created, \
                 authenticated, seen, ends_by, ends_by_org, idle, agent, device, address, \
                 location, ended_at, ended_reason, ended_org, purge_after, purge_check, orgs, \
                 generations, versions, joined) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
                 $11, $12, $13, $14, $15, $16, $17, $18, $19, $19, $20, $21, $22, $23)"
            ),
            join: format!(
                "INSERT INTO {members} (org, created, session) \
                 SELECT u.org, $2, $3 FROM unnest($1::text[]) AS u (org)"
            ),
            leave: format!(
                "DELETE FROM {members} WHERE org = ANY ($1) AND created = $2 AND session = $3"
            ),
            set_orgs: format!(
                "UPDATE {sessions} SET orgs = $2, generations = $3, versions = $4, joined = $5, \
                 ends_by = $6, ends_by_org = $7, purge_after = $8, \
                 purge_check = least(purge_check, $8) WHERE id = $1"
            ),
            count_others: format!(
                "SELECT count(*) FROM {sessions} \
                 WHERE user_name = $1 AND ended_at IS NULL AND id <> ALL ($2)"
            ),
            rules: format!("SELECT org, rules FROM {orgs} WHERE org = ANY ($1)"),
            first_rules: format!(
                "INSERT INTO {orgs} (org, revision, rules) \
                 SELECT u.org, $2, $3 FROM unnest($1::text[]) AS u (org) ON CONFLICT DO NOTHING"
            ),
            put_first_rules: format!(
                "INSERT INTO {orgs} (org, revision, rules) VALUES ($1, $2, $3) \
                 ON CONFLICT DO NOTHING"
            ),
            put_rules: format!(
                "UPDATE {orgs} SET revision = $2, rules = $3 WHERE org = $1 AND revision = $4"
            ),
            due: [due("SKIP LOCKED"), due("")],
            // The order makes the server use the index.
            still_due: format!(
                "SELECT purge_check FROM {sessions} WHERE purge_check <= $1 \
                 ORDER BY purge_check LIMIT 1"
            ),
            forget_members: format!(
                "DELETE FROM {members} AS m USING unnest($1::text[], $2::bigint[], $3::bytea[]) \
                 AS u (org, created, session) WHERE m.org = u.org AND m.created = u.created \
                 AND m.session = u.session"
            ),
            delete: format!("DELETE FROM {sessions} WHERE id = ANY ($1)"),
            check_later: format!(
                "UPDATE {sessions} SET purge_check = purge_after WHERE id = ANY ($1)"
            ),
            names,
        }
    }
}
