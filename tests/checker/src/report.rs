//! What came out.

use std::collections::BTreeMap;
use std::fmt;

/// What a log holds, and what must not be in it.
#[derive(Clone, Debug)]
pub struct Report {
    /// How much was judged.
    pub counts: Counts,
    /// What broke a rule, in the order of the last line of each proof.
    pub violations: Vec<Violation>,
}

/// How much there is of what in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls by the name of their kind.
    pub calls: BTreeMap<&'static str, usize>,
    /// Sign-ins that were answered with a session.
    pub sign_ins: usize,
    /// Ends by a call that was answered with `done`.
    pub ends: usize,
    /// Calls that may or may not have taken effect.
    pub unsure: usize,
    /// The longest time that an answer took, in microseconds.
    pub longest_answer: i64,
}

/// A rule that was broken. Each is told once for each session, and for caps once for each user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub kind: Kind,
    /// What happened, in a sentence.
    pub what: String,
    /// The lines of the log that prove it. Line 1 is the header.
    pub lines: Vec<usize>,
}

/// The rules that a log can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A session was seen alive by a call that began after an answer had said that it is over, or
    /// that what ends it is done. Such an answer is final, also where clocks disagree.
    EndedLives,
    /// A session whose sign-in was acknowledged was unknown to the store.
    AcknowledgedIsLost,
    /// A session was told to be over for a reason that cannot have struck by then.
    CutEarly,
    /// A session was seen alive by a request that began after its latest possible end.
    OutlivesALimit,
    /// More sessions of a user than the cap allows were alive at one moment.
    OverTheCap,
    /// A list left out a session that lived throughout, held one that had reached its limit before, or
    /// one of another user.
    ListIsNotTheLiving,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndedLives => "ended lives",
            Self::AcknowledgedIsLost => "acknowledged is lost",
            Self::CutEarly => "cut early",
            Self::OutlivesALimit => "outlives a limit",
            Self::OverTheCap => "over the cap",
            Self::ListIsNotTheLiving => "list is not the living",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.what)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>9}  calls", self.calls.values().sum::<usize>())?;
        for (name, count) in &self.calls {
            writeln!(f, "{count:>9}    {name}")?;
        }
        writeln!(f, "{:>9}  acknowledged sign-ins", self.sign_ins)?;
        writeln!(f, "{:>9}  acknowledged ends", self.ends)?;
        writeln!(f, "{:>9}  unknown outcomes", self.unsure)?;
        writeln!(f, "{:>9}  µs at most until an answer", self.longest_answer)
    }
}
