//! A [`Selector`] as SQL, with the conditions that it has and no others, so that an index serves.

use std::fmt::Write as _;

use tokio_postgres::types::ToSql;

use super::super::{Ended, Page, Selector};
use super::schema::Names;
use super::statements::facts;
use super::values::Hidden;

/// A statement and what stands for its numbers.
pub(super) struct Selection<'a> {
    pub(super) sql: String,
    values: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
}

/// One page of the matching sessions, in the order of lists.
pub(super) fn page<'a>(names: &Names, which: &'a Selector, page: Page) -> Selection<'a> {
    let Names { sessions, members, .. } = names;
    let facts = facts(names);
    let (mut selection, [created, id]) = match by_members(which) {
        // They may be very many, so they are read in their order.
        Some(org) => {
            let sql = format!(
                "SELECT {facts} FROM {members} AS k JOIN {sessions} AS s ON s.id = k.session \
                 WHERE k.org = "
            );
            let mut selection = Selection { sql, values: Vec::new() };
            selection.value(org);
            (selection, ["k.created", "k.session"])
        }
        None => {
            let sql = format!("SELECT {facts} FROM {sessions} AS s WHERE TRUE");
            (Selection { sql, values: Vec::new() }, ["s.created", "s.id"])
        }
    };
    selection.narrow(which);
    if let Some((time, last)) = page.after {
        let _ = write!(selection.sql, " AND ({created}, {id}) < (");
        selection.value(time.unix_millis());
        selection.sql.push_str(", ");
        selection.value(last.as_bytes().to_vec());
        selection.sql.push(')');
    }
    // Written out, so that the server plans for as few as they are.
    let at_most = page.at_most;
    let _ = write!(selection.sql, " ORDER BY {created} DESC, {id} DESC LIMIT {at_most}");
    selection
}

/// Ends the matching sessions. They are locked in an order that is the same for all.
pub(super) fn end<'a>(names: &Names, which: &'a Selector, ended: &'a Ended) -> Selection<'a> {
    let Names { sessions, members, .. } = names;
    let sql = format!("WITH which AS (SELECT s.id FROM {sessions} AS s WHERE TRUE");
    let mut selection = Selection { sql, values: Vec::new() };
    if let Some(org) = by_members(which) {
        let _ = write!(selection.sql, " AND s.id IN (SELECT session FROM {members} WHERE org = ");
        selection.value(org);
        selection.sql.push(')');
        // What has just left may still be found there.
        selection.in_org(org);
    }
    selection.narrow(which);
    let _ = write!(
        selection.sql,
        " ORDER BY s.id FOR UPDATE OF s) UPDATE {sessions} AS s SET ended_at = "
    );
    selection.value(ended.at.unix_millis());
    selection.sql.push_str(", ended_reason = ");
    selection.value(ended.reason.as_str());
    selection.sql.push_str(", ended_org = ");
    selection.value(ended.org.as_deref());
    for column in ["purge_after", "purge_check"] {
        let _ = write!(selection.sql, ", {column} = least(s.{column}, ");
        selection.value(ended.purge_after().unix_millis());
        selection.sql.push(')');
    }
    selection.sql.push_str(" FROM which WHERE s.id = which.id");
    selection
}

/// The organisation, if the sessions are to be found by it: no other condition leaves fewer.
fn by_members(which: &Selector) -> Option<&str> {
    let few = which.by_user().is_some() || which.by_session().is_some();
    which.by_org().filter(|_| !few).map(|org| &**org)
}

impl<'a> Selection<'a> {
    pub(super) fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }

    /// Writes the number that stands for a value.
    fn value(&mut self, value: impl ToSql + Sync + Send + 'a) {
        self.values.push(Box::new(Hidden(value)));
        let _ = write!(self.sql, "${}", self.values.len());
    }

    fn and(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'a) {
        let _ = write!(self.sql, " AND {condition} ");
        self.value(value);
    }

    fn in_org(&mut self, org: &'a str) {
        self.sql.push_str(" AND ");
        self.value(org);
        self.sql.push_str(" = ANY (s.orgs)");
    }

    /// Adds the conditions by which the sessions are not found already.
    fn narrow(&mut self, which: &'a Selector) {
        self.sql.push_str(" AND s.ended_at IS NULL");
        if let Some(org) = which.by_org()
            && by_members(which).is_none()
        {
            self.in_org(org);
        }
        if let Some(user) = which.by_user() {
            self.and("s.user_name =", &**user);
        }
        if let Some(id) = which.by_session() {
            self.and("s.id =", id.as_bytes().to_vec());
        }
        if let Some(id) = which.left_out() {
            self.and("s.id <>", id.as_bytes().to_vec());
        }
        if let Some(seen) = which.by_last_seen() {
            self.and("s.seen <=", seen.unix_millis());
        }
    }
}
