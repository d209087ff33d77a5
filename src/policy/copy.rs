//! The copy that every node holds of all rules.
//!
//! Rules are few and rarely change, so they do not travel with each session that is read: each read
//! only says at which revision the rules stand. A node whose copy is older first fetches what has
//! changed, and then judges. So a change of policy bites at the very next request, and costs each node
//! one call.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::rules::OrgRules;
use crate::encoding::Unreadable;
use crate::session::Revision;

/// Which life of a store has answered. It is another one after a failover, after which changes that
/// were acknowledged may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// The incarnation that a store calls so.
    pub fn of(name: impl AsRef<[u8]>) -> Self {
        let digest = Sha256::digest(name);
        Self(u64::from_be_bytes(*digest.first_chunk().expect("a SHA-256 has 32 bytes")))
    }
}

/// Rules that have changed.
#[derive(Clone, Debug)]
pub struct RulesChanged {
    /// In the order of their last change.
    pub changes: Vec<ChangedRules>,
    /// The revision of all rules that these lead to: that of the last change here if there are more
    /// than were asked for, and otherwise the one at which the store's rules stand.
    pub reaches: Revision,
    /// Which life of the store has answered.
    pub incarnation: Incarnation,
}

/// The rules of one organization as they are now.
#[derive(Clone, Debug)]
pub struct ChangedRules {
    /// The organization; [`OrgRules::EVERYONE`] for the rules for everyone.
    pub org: Arc<str>,
    /// Its rules, if this version can read them.
    pub rules: Result<OrgRules, Unreadable>,
}

/// All rules, as they were at one revision.
#[derive(Debug, Default)]
pub(crate) struct RulesCopy {
    incarnation: Option<Incarnation>,
    revision: Revision,
    everyone: Option<Result<OrgRules, Unreadable>>,
    orgs: HashMap<Arc<str>, Result<OrgRules, Unreadable>>,
}

/// What a copy says that an answer of the store means to it.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filed {
    /// It was taken in. The copy is at the revision that the answer reaches.
    Done,
    /// It comes from another life of the store, or answers another question: what the copy has may
    /// not be there any more.
    Refused,
}

impl RulesCopy {
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// Takes in the answer to the question what has changed since the copy's revision, which was
    /// `asked` then.
    pub(crate) fn file(&mut self, asked: Revision, answer: RulesChanged) -> Filed {
        let same_life = self.incarnation.is_none_or(|known| known == answer.incarnation);
        if asked != self.revision || !same_life || answer.reaches < asked {
            return Filed::Refused;
        }
        for ChangedRules { org, rules } in answer.changes {
            match &*org {
                OrgRules::EVERYONE => self.everyone = Some(rules),
                _ => drop(self.orgs.insert(org, rules)),
            }
        }
        (self.revision, self.incarnation) = (answer.reaches, Some(answer.incarnation));
        Filed::Done
    }
}

/// The rules that requests are judged by: those of a copy, or as they would be after a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    copy: &'a RulesCopy,
    changed: Option<(&'a str, &'a OrgRules)>,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(copy: &'a RulesCopy) -> Self {
        Self { copy, changed: None }
    }

    /// The same with other rules of one organization.
    pub(crate) fn with(self, org: &'a str, rules: &'a OrgRules) -> Self {
        Self { changed: Some((org, rules)), ..self }
    }

    pub(crate) fn everyone(&self) -> Result<&'a OrgRules, Unreadable> {
        self.of(OrgRules::EVERYONE)
    }

    /// The rules of an organization. Where there are none, nothing is demanded.
    pub(crate) fn of(&self, org: &str) -> Result<&'a OrgRules, Unreadable> {
        if let Some((changed, rules)) = self.changed
            && changed == org
        {
            return Ok(rules);
        }
        let known = match org {
            OrgRules::EVERYONE => self.copy.everyone.as_ref(),
            _ => self.copy.orgs.get(org),
        };
        match known {
            Some(Ok(rules)) => Ok(rules),
            Some(Err(unreadable)) => Err(*unreadable),
            None => Ok(&NONE),
        }
    }
}

static NONE: OrgRules = OrgRules::none();
