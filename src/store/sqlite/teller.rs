//! Reports changes of the writer thread, and of other processes.
//!
//! Each reported commit raises a number in the file. If that number is higher than this process has
//! made it, other processes have made changes.

use std::sync::Arc;

use rusqlite::Connection;

use super::read::head;
use crate::clock::Stopwatch;
use crate::session::{Revision, SessionId};
use crate::store::watch::{Change, Heartbeat, Watchers};

/// The report of a change once it is committed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    Nothing,
    Session(SessionId),
    Rules,
}

/// Reports changes to watchers. It belongs to the writer thread.
pub(super) struct Teller {
    watchers: Arc<Watchers>,
    /// The number in the file at the last look.
    seen: i64,
}

impl Teller {
    pub(super) fn new(watchers: Arc<Watchers>) -> Self {
        Self { watchers, seen: 0 }
    }

    /// Raises the number within the transaction, if there is a change to report.
    pub(super) fn count(
        &self,
        file: &Connection,
        mut tells: impl Iterator<Item = Tells>,
    ) -> rusqlite::Result<Option<i64>> {
        if tells.all(|tells| tells == Tells::Nothing) {
            return Ok(None);
        }
        let mut raise = file.prepare_cached(RAISE)?;
        raise.query_row([], |row| row.get(0)).map(Some)
    }

    /// Reports changes once they are committed.
    pub(super) fn tell(
        &mut self,
        file: &Connection,
        counted: Option<i64>,
        tells: impl Iterator<Item = Tells>,
    ) {
        let Some(counted) = counted else { return };
        self.look_back(counted - 1);
        self.seen = counted;
        let mut rules_changed = false;
        for tells in tells {
            match tells {
                Tells::Nothing => {}
                Tells::Session(id) => self.watchers.tell(Change::Session(id)),
                Tells::Rules => rules_changed = true,
            }
        }
        if rules_changed {
            let asked = Stopwatch::start();
            // If this cannot be read, the next heartbeat reports it.
            if let Ok(rules) = head(file) {
                let heartbeat = Heartbeat { asked, rules, clock: None };
                self.watchers.tell(Change::Heartbeat(heartbeat));
            }
        }
    }

    /// Reports changes of other processes, if there are any, and reads the revision of all rules.
    pub(super) fn look(&mut self, file: &Connection) -> rusqlite::Result<Revision> {
        let mut number = file.prepare_cached("SELECT changes FROM curfew_schema")?;
        self.look_back(number.query_row([], |row| row.get(0))?);
        head(file)
    }

    fn look_back(&mut self, number: i64) {
        if number != self.seen {
            self.watchers.tell(Change::Any);
            self.seen = number;
        }
    }
}

pub(super) const RAISE: &str = "UPDATE curfew_schema SET changes = changes + 1 RETURNING changes";
