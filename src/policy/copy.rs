//! The copy of all rules that every node holds.
//!
//! Rules are few and rarely change, so they are not read with each session. Each read of a session
//! only returns the revision of the rules. A node with an older copy first fetches the changes, and
//! then judges. So a policy change applies to the very next request, and costs each node one call.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::rules::{AllRules, OrgRules, Rules};
use crate::encoding::Unreadable;
use crate::session::Revision;

/// The incarnation of a store that has answered.
///
/// It changes with a failover, after which acknowledged changes may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// Makes the incarnation with a store's name for it.
    pub fn of(name: impl AsRef<[u8]>) -> Self {
        let digest = Sha256::digest(name);
        Self(u64::from_be_bytes(*digest.first_chunk().expect("a SHA-256 has 32 bytes")))
    }
}

/// The rules that have changed since a revision. Exhaustive: stores construct it.
#[derive(Clone, Debug)]
pub struct RulesChanged {
    /// The changes, in the order of their last change.
    pub changes: Vec<ChangedRules>,
    /// The revision of all rules after these changes. If there are more changes than requested, it
    /// is the revision of the last one here; otherwise it is the store's current revision.
    pub reaches: Revision,
    /// The incarnation of the store that has answered.
    pub incarnation: Incarnation,
}

/// The current rules of one organization. Exhaustive: stores construct it.
#[derive(Clone, Debug)]
pub struct ChangedRules {
    /// The organization; [`OrgRules::EVERYONE`] for the rules for everyone.
    pub org: Arc<str>,
    /// Its rules, or an error if this version cannot read them.
    pub rules: Result<OrgRules, Unreadable>,
}

/// All rules, as they were at one revision.
#[derive(Debug, Default)]
pub(crate) struct RulesCopy {
    incarnation: Option<Incarnation>,
    revision: Revision,
    all: AllRules,
}

/// The result of filing an answer of the store in the copy.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filed {
    /// The answer was filed. The copy is at the revision that the answer reaches.
    Done,
    /// The answer comes from another incarnation of the store, or belongs to another question:
    /// rules in the copy may be lost.
    Refused,
}

impl RulesCopy {
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules::new(&self.all)
    }

    /// Files the changes since the copy's revision, which was `asked` when the store was asked.
    pub(crate) fn file(&mut self, asked: Revision, answer: RulesChanged) -> Filed {
        let same_life = self.incarnation.is_none_or(|known| known == answer.incarnation);
        if asked != self.revision || !same_life || answer.reaches < asked {
            return Filed::Refused;
        }
        for ChangedRules { org, rules } in answer.changes {
            match &*org {
                OrgRules::EVERYONE => self.all.everyone = Some(rules),
                _ => drop(self.all.orgs.insert(org, rules)),
            }
        }
        (self.revision, self.incarnation) = (answer.reaches, Some(answer.incarnation));
        Filed::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn revision(count: u64) -> Revision {
        Revision::from_u64(count << 20)
    }

    fn answer(life: &str, reaches: u64, orgs: &[&str]) -> RulesChanged {
        let at = Timestamp::from_unix_millis(reaches as i64);
        let changed = |org: &&str| ChangedRules {
            org: (*org).into(),
            rules: Ok(OrgRules::none().with_revocation(at, 7)),
        };
        let changes = orgs.iter().map(changed).collect();
        RulesChanged { changes, reaches: revision(reaches), incarnation: Incarnation::of(life) }
    }

    fn generation(copy: &RulesCopy, org: &str) -> u64 {
        copy.rules().of(org).unwrap().generation()
    }

    #[test]
    fn trap_53_a_late_answer_to_an_older_question_is_not_filed() {
        let mut copy = RulesCopy::default();
        assert_eq!(copy.file(Revision::NONE, answer("one", 5, &["acme"])), Filed::Done);
        assert_eq!(copy.file(revision(5), answer("one", 9, &["acme", "globex"])), Filed::Done);
        // Asked before the last answer was filed, and delayed since.
        for late in [answer("one", 7, &["acme"]), answer("one", 11, &["acme"])] {
            assert_eq!(copy.file(revision(5), late), Filed::Refused);
            assert_eq!((copy.revision(), generation(&copy, "acme")), (revision(9), 9));
        }
        assert_eq!(copy.file(revision(9), answer("one", 11, &["acme"])), Filed::Done);
        assert_eq!((generation(&copy, "acme"), generation(&copy, "globex")), (11, 9));
    }

    #[test]
    fn trap_53_another_life_of_the_store_and_a_step_back_are_not_filed() {
        let mut copy = RulesCopy::default();
        assert_eq!(copy.file(Revision::NONE, answer("one", 5, &["acme"])), Filed::Done);
        assert_eq!(copy.file(revision(5), answer("other", 9, &["acme"])), Filed::Refused);
        assert_eq!(copy.file(revision(5), answer("one", 4, &[])), Filed::Refused);
        assert_eq!((copy.revision(), generation(&copy, "acme")), (revision(5), 5));
    }

    #[test]
    fn rules_that_cannot_be_read_are_unknown_to_whom_they_bind_and_to_nobody_else() {
        let mut copy = RulesCopy::default();
        let mut changed = answer("one", 5, &["acme", "globex"]);
        changed.changes[0].rules = Err(Unreadable);
        assert_eq!(copy.file(Revision::NONE, changed), Filed::Done);
        assert_eq!(copy.rules().of("acme"), Err(Unreadable));
        assert_eq!(generation(&copy, "globex"), 5);
        assert_eq!(generation(&copy, "initech"), 0);
        assert_eq!(copy.file(revision(5), answer("one", 9, &["acme"])), Filed::Done);
        assert_eq!(generation(&copy, "acme"), 9, "somebody has mended them");
    }
}
