//! The policies of organizations, and each node's copy of them.

mod copy;
mod encoding;
mod org_policy;
mod rules;

pub use self::copy::{ChangedRules, Incarnation, RulesChanged};
pub(crate) use self::copy::{Filed, RulesCopy};
pub use self::org_policy::OrgPolicy;
#[cfg(feature = "redis")]
pub(crate) use self::rules::RANDOM_BITS;
pub(crate) use self::rules::{HistoryFull, Rules, raised_at};
pub use self::rules::{OrgRules, PolicyVersion};
