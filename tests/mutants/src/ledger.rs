//! What is kept between runs: what the builds and the tests have said, and the list of equivalents.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::sheet::{Builds, Key};
use crate::trial::Outcome;

/// The outcomes so far, which a run goes on from.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) builds: Builds,
    outcomes: Vec<(Key, Kept)>,
    #[serde(skip)]
    by_key: HashMap<Key, Kept>,
    #[serde(skip)]
    file: PathBuf,
}

/// An outcome, and the sources that it was of.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    fingerprint: u64,
    outcome: Outcome,
}

impl Results {
    /// Those in a file; none if there is no such file.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let mut results = match fs::read_to_string(file) {
            Ok(text) => serde_json::from_str::<Self>(&text)
                .with_context(|| format!("{} holds something else: remove it", file.display()))?,
            Err(_) => Self::default(),
        };
        results.file = file.to_owned();
        results.by_key = results.outcomes.drain(..).collect();
        Ok(results)
    }

    pub(crate) fn write(&mut self) -> anyhow::Result<()> {
        self.outcomes = self.by_key.iter().map(|(key, kept)| (key.clone(), kept.clone())).collect();
        self.outcomes.sort_by(|(one, _), (other, _)| one.cmp(other));
        fs::write(&self.file, serde_json::to_string(self)?)?;
        self.outcomes.clear();
        Ok(())
    }

    pub(crate) fn note(&mut self, key: &Key, fingerprint: u64, outcome: Outcome) {
        self.by_key.insert(key.clone(), Kept { fingerprint, outcome });
    }

    /// The outcome of these sources.
    pub(crate) fn outcome(&self, key: &Key, fingerprint: u64) -> Option<&Outcome> {
        let kept = self.by_key.get(key).filter(|kept| kept.fingerprint == fingerprint)?;
        Some(&kept.outcome)
    }

    /// The last outcome of any sources.
    pub(crate) fn last(&self, key: &Key) -> Option<&Outcome> {
        self.by_key.get(key).map(|kept| &kept.outcome)
    }
}

/// A mutant that no test can tell from the original.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Equivalent {
    pub(crate) room: String,
    file: String,
    function: String,
    original: String,
    mutated: String,
    nth: Option<usize>,
    /// On some machines a test finds it.
    #[serde(default)]
    pub(crate) depends_on_machine: bool,
    reason: String,
}

impl Equivalent {
    pub(crate) fn key(&self) -> Key {
        Key {
            file: self.file.clone(),
            function: self.function.clone(),
            original: self.original.clone(),
            mutated: self.mutated.clone(),
            nth: self.nth.unwrap_or(1),
        }
    }
}

#[derive(Deserialize)]
struct Equivalents {
    #[serde(default)]
    mutant: Vec<Equivalent>,
}

/// The list in a file.
pub(crate) fn equivalents(file: &Path) -> anyhow::Result<Vec<Equivalent>> {
    let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    let list = toml::from_str::<Equivalents>(&text)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    for equivalent in &list.mutant {
        let key = equivalent.key();
        ensure!(!equivalent.reason.trim().is_empty(), "nobody says why it is equivalent: {key:?}");
    }
    Ok(list.mutant)
}
