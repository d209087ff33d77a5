//! A [`Selector`] as SQL, with the conditions that it has and no others, so that an index serves.

use std::fmt::Write as _;

use rusqlite::types::Value;

use super::super::{Ended, Page, Selector, SessionId};

/// A statement and what stands for its question marks.
pub(super) struct Selection {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// One page of the matching sessions, in the order of lists.
pub(super) fn page(which: &Selector, page: Page) -> Selection {
    let (mut selection, [created, id]) = match members(which) {
        // They may be very many, so they are read in their order.
        Some(org) => (
            Selection::new(
                "SELECT s.* FROM curfew_members AS k \
                 CROSS JOIN curfew_sessions AS s ON s.id = k.session WHERE k.org = ?",
                [text(org)],
            ),
            ["k.created", "k.session"],
        ),
        None => (
            Selection::new("SELECT s.* FROM curfew_sessions AS s WHERE TRUE", []),
            ["s.created", "s.id"],
        ),
    };
    selection.narrow(which);
    if let Some((time, last)) = page.after {
        let after = format!("({created}, {id}) < (?, ?)");
        selection.and(&after, [time.unix_millis().into(), blob(last)]);
    }
    let _ = write!(selection.sql, " ORDER BY {created} DESC, {id} DESC LIMIT ?");
    selection.values.push(page.at_most.into());
    selection
}

/// Ends the matching sessions.
pub(super) fn end(which: &Selector, ended: &Ended) -> Selection {
    let mut selection = Selection::new(
        "UPDATE curfew_sessions AS s SET ended_at = ?, ended_reason = ?, ended_org = ?, \
         purge_after = min(purge_after, ?) WHERE TRUE",
        [
            ended.at.unix_millis().into(),
            text(ended.reason.as_str()),
            ended.org.as_deref().map_or(Value::Null, text),
            ended.purge_after().unix_millis().into(),
        ],
    );
    if let Some(org) = members(which) {
        selection.and("s.id IN (SELECT session FROM curfew_members WHERE org = ?)", [text(org)]);
    }
    selection.narrow(which);
    selection
}

/// The organisation, if the sessions are to be found by it: no other condition leaves fewer.
fn members(which: &Selector) -> Option<&str> {
    let few = which.by_user().is_some() || which.by_session().is_some();
    which.by_org().filter(|_| !few).map(|org| &**org)
}

impl Selection {
    fn new<const N: usize>(sql: &str, values: [Value; N]) -> Self {
        Self { sql: sql.to_owned(), values: values.into() }
    }

    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        let _ = write!(self.sql, " AND {condition}");
        self.values.extend(values);
    }

    /// Adds the conditions by which the sessions are not found already.
    fn narrow(&mut self, which: &Selector) {
        self.and("s.ended_at IS NULL", []);
        if let Some(org) = which.by_org()
            && members(which).is_none()
        {
            self.and(
                "EXISTS (SELECT 1 FROM curfew_members WHERE session = s.id AND org = ?)",
                [text(org)],
            );
        }
        if let Some(user) = which.by_user() {
            self.and("s.user = ?", [text(user)]);
        }
        if let Some(id) = which.by_session() {
            self.and("s.id = ?", [blob(id)]);
        }
        if let Some(id) = which.left_out() {
            self.and("s.id <> ?", [blob(id)]);
        }
        if let Some(seen) = which.by_last_seen() {
            self.and("s.seen <= ?", [seen.unix_millis().into()]);
        }
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn blob(id: SessionId) -> Value {
    Value::Blob(id.as_bytes().to_vec())
}
