//! Reading a log.

use std::collections::HashMap;
use std::fmt;

use serde::de::DeserializeOwned;

use crate::{Entry, Header, Outcome};

/// A log that makes sense by itself.
#[derive(Clone, Debug)]
pub struct Log {
    header: Header,
    entries: Vec<Entry>,
}

/// Which line of a log cannot be read, why, and what to do about it.
#[derive(Debug)]
pub struct LogError {
    line: usize,
    problem: String,
}

impl Log {
    /// Takes entries as they are. The first one counts as line 2.
    ///
    /// # Errors
    ///
    /// If an entry contradicts itself, or two start the same session.
    pub fn new(header: Header, entries: Vec<Entry>) -> Result<Self, LogError> {
        let mut started = HashMap::new();
        for (line, entry) in (2..).zip(&entries) {
            let error = |problem| Err(LogError { line, problem });
            if let Err(problem) = makes_sense(entry) {
                return error(problem);
            }
            if let Outcome::Started { session } = &entry.outcome
                && let Some(before) = started.insert(session, line)
            {
                return error(format!(
                    "session {session:?} was started in line {before} already; \
                     give each session a name of its own"
                ));
            }
        }
        Ok(Self { header, entries })
    }

    /// Reads the text of a log.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or if a line is not what it should be.
    pub fn read(text: &str) -> Result<Self, LogError> {
        let mut lines = (1..).zip(text.lines());
        let (line, first) = lines.next().unwrap_or((1, ""));
        let header = parsed(line, first, "a header: see the documentation of `Header`")?;
        let entry = |(line, text)| {
            let help = "a call: see the documentation of `Entry`. If the line was cut off, write it \
                        anew, as one whose outcome is unknown";
            parsed(line, text, help)
        };
        Self::new(header, lines.map(entry).collect::<Result<_, _>>()?)
    }

    /// What holds for all of it.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The calls, from line 2 on.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

fn parsed<T: DeserializeOwned>(line: usize, text: &str, help: &str) -> Result<T, LogError> {
    let problem = |error| format!("{error}; this line should be {help}");
    serde_json::from_str(text).map_err(|error| LogError { line, problem: problem(error) })
}

fn makes_sense(entry: &Entry) -> Result<(), String> {
    let Entry { call, began, ended, outcome, .. } = entry;
    if !call.allows(outcome) {
        return Err(format!(
            "{outcome:?} is no answer to a `{}`; correct the outcome",
            call.name()
        ));
    }
    match ended {
        None if *outcome == Outcome::Unknown => Ok(()),
        None => Err("an answer came at some time; set `ended`, or the outcome to unknown".into()),
        Some(ended) if ended < began => Err(format!(
            "it ended at {ended} and began at {began}; take both times from one clock that does not \
             step back"
        )),
        Some(_) => Ok(()),
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for LogError {}
