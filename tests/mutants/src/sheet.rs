//! The mutants of one file, and the edits that put each behind its switch.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::edit::{Edit, Part};

/// What tells a mutant from all others, whatever moves around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) file: String,
    pub(crate) function: String,
    pub(crate) original: String,
    pub(crate) mutated: String,
    /// Which of those that are alike, in the order of the file.
    #[serde(default = "first")]
    pub(crate) nth: usize,
}

fn first() -> usize {
    1
}

/// How a mutant can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Behind a switch, in the one build.
    Switched,
    /// Only by a build of its own: the compiler computes it.
    Constant,
    /// Not at all: the compiler refuses it.
    Uncompilable,
}

#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    pub(crate) number: u32,
    pub(crate) key: Key,
    pub(crate) room: &'static str,
    pub(crate) line: usize,
    pub(crate) state: State,
    /// What makes it without a switch.
    pub(crate) alone: Edit,
}

/// What earlier builds have found out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Builds {
    /// Mutants that the compiler refuses.
    pub(crate) refused: HashSet<Key>,
    /// Functions that have to stay `const`.
    pub(crate) constant: HashSet<String>,
}

/// Another text for a range, and what it is called.
pub(crate) struct Alternative {
    pub(crate) mutated: String,
    pub(crate) parts: Vec<Part>,
}

impl Alternative {
    pub(crate) fn text(mutated: &str) -> Self {
        Self { mutated: mutated.to_owned(), parts: vec![Part::New(mutated.to_owned())] }
    }
}

pub(crate) struct Sheet<'a> {
    pub(crate) text: &'a str,
    pub(crate) edits: Vec<Edit>,
    pub(crate) mutants: Vec<Mutant>,
    /// What is visited now is computed by the compiler, and can have no switch.
    pub(crate) is_constant: bool,
    /// Constants that code names, each with its file.
    pub(crate) used: HashSet<(String, String)>,
    /// Where what is visited now stands: its modules, its type, its function.
    pub(crate) path: Vec<String>,
    /// The code of other files has no mutants.
    pub(crate) room: Option<&'static str>,
    pub(crate) file: &'a str,
    builds: &'a Builds,
    last: u32,
    alike: HashMap<(String, String, String), usize>,
}

impl<'a> Sheet<'a> {
    /// Numbers follow those of the files before.
    pub(crate) fn new(
        room: Option<&'static str>,
        file: &'a str,
        text: &'a str,
        builds: &'a Builds,
        last: u32,
    ) -> Self {
        let (edits, mutants, used, path, alike) = Default::default();
        let is_constant = false;
        Self { text, edits, mutants, is_constant, used, path, room, file, builds, last, alike }
    }

    /// Puts alternatives to a range behind switches.
    pub(crate) fn switch(&mut self, range: Range<usize>, alternatives: Vec<Alternative>) {
        let original = short(&self.text[range.clone()]);
        let mut chosen = Vec::new();
        for Alternative { mutated, parts } in alternatives {
            let edit = Edit { range: range.clone(), parts: parts.clone() };
            chosen.extend(self.mutant(range.start, &original, &mutated, edit).zip(Some(parts)));
        }
        if chosen.is_empty() {
            return;
        }
        let numbers = chosen.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        let mut parts = vec![Part::New(format!("{}(", opening(&numbers)))];
        for (number, alternative) in chosen {
            parts.push(Part::New(format!("if {} {{ {}", is(number), opening(&[number]))));
            parts.extend(alternative);
            parts.push(Part::New(format!("{CLOSING} }} else ")));
        }
        parts.extend([Part::New("{ ".to_owned()), Part::Old(range.clone())]);
        parts.push(Part::New(format!(" }}){CLOSING}")));
        self.edits.push(Edit { range, parts });
    }

    /// One mutant with an edit of its own: what `parts` makes of its switch.
    pub(crate) fn edit(
        &mut self,
        range: Range<usize>,
        original: &str,
        mutated: &str,
        alone: Vec<Part>,
        parts: impl FnOnce(&str) -> Vec<Part>,
    ) {
        let edit = Edit { range: range.clone(), parts: alone };
        if let Some(number) = self.mutant(range.start, original, mutated, edit) {
            let mut around = vec![Part::New(opening(&[number]))];
            around.extend(parts(&is(number)));
            around.push(Part::New(CLOSING.to_owned()));
            self.edits.push(Edit { range, parts: around });
        }
    }

    /// A new mutant; its number, if it gets a switch.
    pub(crate) fn mutant(
        &mut self,
        at: usize,
        original: &str,
        mutated: &str,
        alone: Edit,
    ) -> Option<u32> {
        let room = self.room?;
        let function = self.path.join("::");
        let alike = (function.clone(), original.to_owned(), mutated.to_owned());
        let nth = self.alike.entry(alike).or_default();
        *nth += 1;
        let key = Key {
            file: self.file.to_owned(),
            function,
            original: original.to_owned(),
            mutated: mutated.to_owned(),
            nth: *nth,
        };
        self.last += 1;
        let state = if self.builds.refused.contains(&key) {
            State::Uncompilable
        } else if self.is_constant {
            State::Constant
        } else {
            State::Switched
        };
        let line = self.text[..at].matches('\n').count() + 1;
        self.mutants.push(Mutant { number: self.last, key, room, line, state, alone });
        (state == State::Switched).then_some(self.last)
    }

    /// Whether this function has to stay `const`.
    pub(crate) fn stays_constant(&self) -> bool {
        self.room.is_none() || self.builds.constant.contains(&self.path.join("::"))
    }
}

/// The condition that is true if this mutant is chosen.
pub(crate) fn is(number: u32) -> String {
    format!("crate::mutant::is({number})")
}

/// Errors of the compiler between this and [`CLOSING`] are those of these mutants.
pub(crate) fn opening(numbers: &[u32]) -> String {
    let numbers = numbers.iter().map(u32::to_string).collect::<Vec<_>>();
    format!("/*+{}*/", numbers.join(","))
}

pub(crate) const CLOSING: &str = "/*-*/";

/// On one line, and without what is in the middle of a long text.
pub(crate) fn short(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let signs = words.chars().collect::<Vec<_>>();
    match signs.len() {
        ..=80 => words,
        len => {
            let (begin, end) = (&signs[..44], &signs[len - 32..]);
            let text = |signs: &[char]| signs.iter().collect::<String>();
            format!("{} … {}", text(begin).trim_end(), text(end).trim_start())
        }
    }
}
