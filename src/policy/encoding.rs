//! The encoding of rules as bytes, for stores.

use minicbor::Decoder;
use time::Duration;

use super::org_policy::OrgPolicy;
use super::rules::{OrgRules, PolicyVersion};
use crate::clock::{Timestamp, millis};
use crate::encoding::{Out, Unreadable, Writer, count, counted, fact, read};
use crate::session::Revision;

// Numbers are never reused and never reordered. Times and durations are milliseconds.
const REVISION: u32 = fact(1);
const GENERATION: u32 = fact(2);
const VERSIONS: u32 = fact(3);
const LONGEST_SILENCE: u32 = fact(4);

impl OrgRules {
    /// Encodes the rules as bytes, whose meaning stays the same in all versions.
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

    /// Decodes the bytes of [`encode`](Self::encode), written by this version or another.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if the bytes are damaged, or contain an essential fact that only a later
    /// version knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut revision = None;
        let mut rules = Self::none();
        let carried = read(bytes, |number, input| {
            match number {
                REVISION => revision = Some(Revision::from_u64(count(input)?)),
                GENERATION => rules.generation = count(input)?,
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
        let number = counted(number)?;
        let policy = OrgPolicy::try_new(limit(absolute), limit(idle)).map_err(|_| Unreadable)?;
        let begins = Timestamp::from_unix_millis(begins);
        versions.push(PolicyVersion { number, begins, policy });
    }
    Ok(versions)
}

/// `i64::MAX` stands for a duration without end.
fn silence(millis: i64) -> Duration {
    if millis == i64::MAX { Duration::MAX } else { Duration::milliseconds(millis) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by a second implementation. Stores keep such bytes: their meaning never changes.
    const GOLDEN: &str = "bf041b0000000300000009081b0000018bcfe568000c83841b0000018bcfe568001b0000018bcfe5\
             68001a240c8400f6841b0000018bcfe568011b0000018bcfe56801f61a000dbba0841b0000018bcf\
             e568021b0000018bcfe56802f6f6101a90321000ff";

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000 + millis)
    }

    fn rules() -> OrgRules {
        let version = |number: u64, policy| PolicyVersion {
            number: at(0).unix_millis() as u64 + number,
            begins: at(number as i64),
            policy,
        };
        OrgRules {
            revision: Revision::from_u64(3 << 32 | 9),
            generation: at(0).unix_millis() as u64,
            versions: vec![
                version(0, Some(OrgPolicy::absolute(Duration::days(7)))),
                version(1, Some(OrgPolicy::idle(Duration::minutes(15)))),
                version(2, None),
            ],
            longest_silence: Some(Duration::days(28)),
            ..OrgRules::none()
        }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    #[test]
    fn rules_are_written_as_ever_and_read_back_whole() {
        assert_eq!(rules().encode(), bytes(GOLDEN));
        assert_eq!(OrgRules::decode(&bytes(GOLDEN)), Ok(rules()));
        let for_ever = OrgRules { longest_silence: Some(Duration::MAX), ..rules() };
        assert_eq!(OrgRules::decode(&for_ever.encode()), Ok(for_ever));
    }

    /// A revocation would otherwise wrap around, and end no session.
    #[test]
    fn r32_a_number_without_a_next_one_is_not_read() {
        let largest = b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff";
        let facts = bytes(GOLDEN);
        let versions = facts.iter().position(|&byte| byte == 0x84).unwrap();
        for (number, at) in [("revision", 2), ("generation", 12), ("version", versions + 1)] {
            assert_eq!(facts[at], largest[0], "{number}");
            let damaged = [&facts[..at], largest, &facts[at + largest.len()..]].concat();
            assert_eq!(OrgRules::decode(&damaged), Err(Unreadable), "{number}");
        }
    }

    #[test]
    fn what_is_damaged_or_must_not_be_passed_over_is_not_read() {
        let facts = bytes(GOLDEN);
        for length in 0..facts.len() {
            assert_eq!(OrgRules::decode(&facts[..length]), Err(Unreadable), "{length} bytes");
        }
        let (end, rest) = facts.split_last().unwrap();
        let later = |fact: &[u8]| OrgRules::decode(&[rest, fact, &[*end]].concat());
        // Number 16001 is essential, 16000 is not.
        assert_eq!(later(b"\x19\x3e\x81\x01"), Err(Unreadable));
        let carried = later(b"\x19\x3e\x80\x65later").unwrap().with_revocation(at(3), 7);
        assert!(carried.encode().windows(5).any(|part| part == b"later"));
    }

    #[test]
    fn versions_are_read_only_in_the_order_of_their_numbers() {
        let [first, second, third] = [0, 1, 2].map(|at| rules().versions[at]);
        for versions in [vec![second, first], vec![first, first], vec![first, third, second]] {
            let rules = OrgRules { versions, ..rules() };
            assert_eq!(OrgRules::decode(&rules.encode()), Err(Unreadable), "{rules:?}");
        }
    }
}
