//! The table of the rooms, and each mutant that needs a test or a reason.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::ledger::Equivalent;
use crate::rooms::ROOMS;
use crate::sheet::{Key, Mutant, State};
use crate::trial::Outcome;

/// A mutant with what came of it; `None` if it was not tried.
pub(crate) type Tried<'a> = (&'a Mutant, Option<Outcome>);

#[derive(Default)]
struct Row {
    mutants: usize,
    found: usize,
    timed_out: usize,
    equivalent: usize,
    open: usize,
    untried: usize,
    constant: usize,
    uncompilable: usize,
}

pub(crate) struct Report {
    pub(crate) text: String,
    pub(crate) is_complete: bool,
}

/// All of it. `is_whole` says that all rooms were looked at, so that what is listed must be there.
pub(crate) fn report(tried: &[Tried<'_>], listed: &[Equivalent], is_whole: bool) -> Report {
    let listed: HashMap<Key, &Equivalent> =
        listed.iter().map(|equivalent| (equivalent.key(), equivalent)).collect();
    let mut complaints = String::new();
    let mut text = "room      mutants  found  timed out  equivalent  open  not tried | constant  \
                    not compilable\n"
        .to_owned();
    for (name, _) in ROOMS {
        let of_room = tried.iter().filter(|(mutant, _)| mutant.room == name);
        let mut row = Row::default();
        for (mutant, outcome) in of_room {
            row.count(mutant, outcome.as_ref(), listed.get(&mutant.key).copied(), &mut complaints);
        }
        if row.mutants + row.constant + row.uncompilable > 0 {
            text += &row.line(name);
        }
    }
    for (key, equivalent) in listed.iter().filter(|_| is_whole) {
        if !tried.iter().any(|(mutant, _)| mutant.key == *key && mutant.room == equivalent.room) {
            complain(&mut complaints, "listed, and no mutant of that room any more", key, 0);
        }
    }
    let is_complete = complaints.is_empty();
    Report { text: text + &complaints, is_complete }
}

impl Row {
    fn count(
        &mut self,
        mutant: &Mutant,
        outcome: Option<&Outcome>,
        listed: Option<&Equivalent>,
        complaints: &mut String,
    ) {
        match mutant.state {
            State::Constant if outcome.is_none() => return self.constant += 1,
            State::Switched | State::Constant => self.mutants += 1,
            State::Uncompilable => return self.uncompilable += 1,
        }
        let mut complain = |what: &str| complain(complaints, what, &mutant.key, mutant.line);
        match (outcome, listed) {
            (None, _) => self.untried += 1,
            (Some(Outcome::Open { .. }), Some(_)) => self.equivalent += 1,
            (Some(Outcome::Open { passed, of }), None) => {
                self.open += 1;
                complain(&match of {
                    0 => "open, no test reaches it".to_owned(),
                    _ => format!("open, {passed} of {of} tests that reach it have passed"),
                });
            }
            (Some(found), listed) => {
                let timed_out = matches!(found, Outcome::TimedOut(_));
                *(if timed_out { &mut self.timed_out } else { &mut self.found }) += 1;
                if listed.is_some_and(|listed| !listed.depends_on_machine) {
                    let by = found.by().unwrap_or_default();
                    complain(&format!("listed, and `{by}` finds it"));
                }
            }
        }
    }

    fn line(&self, name: &str) -> String {
        let Self { mutants, found, timed_out, equivalent, open, .. } = self;
        let Self { untried, constant, uncompilable, .. } = self;
        format!(
            "{name:<8} {mutants:>8} {found:>6} {timed_out:>10} {equivalent:>11} {open:>5} \
             {untried:>10} | {constant:>8} {uncompilable:>15}\n"
        )
    }
}

fn complain(complaints: &mut String, what: &str, key: &Key, line: usize) {
    let Key { file, function, original, mutated, nth } = key;
    let _ = write!(
        complaints,
        "\n{what}:\n  {file}:{line} {function}, number {nth} of its kind\n  - {original}\n  + {mutated}\n"
    );
}
