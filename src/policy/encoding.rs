//! Rules as bytes, for stores to keep.

use minicbor::Decoder;
use time::Duration;

use super::org_policy::OrgPolicy;
use super::rules::{OrgRules, PolicyVersion};
use crate::encoding::{Out, Unreadable, Writer, fact, read};
use crate::session::Revision;
use crate::time::{Timestamp, millis};

// Never used for anything else, and never reordered. Times and durations are milliseconds.
const REVISION: u32 = fact(1);
const GENERATION: u32 = fact(2);
const VERSIONS: u32 = fact(3);
const LONGEST_SILENCE: u32 = fact(4);

impl OrgRules {
    /// The rules as bytes, whose meaning stays the same in all versions.
    pub fn encode(&self) -> Vec<u8> {
        let mut facts = Writer::new(&self.carried);
        facts.write(REVISION, |out| out.u64(self.revision.as_u64()));
        facts.write(GENERATION, |out| out.u64(self.generation));
        facts.write(VERSIONS, |out| {
            self.versions.iter().try_fold(
                out.array(self.versions.len() as u64)?,
                |out, PolicyVersion { number, begins, policy }| {
                    let absolute = policy.and_then(|policy| policy.absolute_limit()).map(millis);
                    let idle = policy.and_then(|policy| policy.idle_limit()).map(millis);
                    out.encode((*number, begins.unix_millis(), absolute, idle))
                },
            )
        });
        facts.maybe(LONGEST_SILENCE, self.longest_silence.map(millis), Out::i64);
        facts.finish()
    }

    /// Reads what [`encode`](Self::encode) wrote, in this version or another.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if the bytes are damaged, or hold something that only a later version knows and
    /// that must not be passed over.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut revision = None;
        let mut rules = Self::none();
        let carried = read(bytes, |number, input| {
            match number {
                REVISION => revision = Some(Revision::from_u64(input.u64()?)),
                GENERATION => rules.generation = input.u64()?,
                VERSIONS => rules.versions = versions(input)?,
                LONGEST_SILENCE => rules.longest_silence = Some(silence(input.i64()?)),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let revision = revision.ok_or(Unreadable)?;
        Ok(Self { revision, carried, ..rules })
    }
}

fn versions(input: &mut Decoder<'_>) -> Result<Vec<PolicyVersion>, Unreadable> {
    let mut versions = Vec::<PolicyVersion>::new();
    for version in input.array_iter::<(_, _, Option<i64>, Option<i64>)>()? {
        let (number, begins, absolute, idle) = version?;
        if versions.last().is_some_and(|last| number <= last.number) {
            return Err(Unreadable);
        }
        let limit = |limit: Option<i64>| limit.map(Duration::milliseconds);
        let policy = OrgPolicy::try_new(limit(absolute), limit(idle)).map_err(|_| Unreadable)?;
        let begins = Timestamp::from_unix_millis(begins);
        versions.push(PolicyVersion { number, begins, policy });
    }
    Ok(versions)
}

/// What is for ever has no length.
fn silence(millis: i64) -> Duration {
    if millis == i64::MAX { Duration::MAX } else { Duration::milliseconds(millis) }
}
