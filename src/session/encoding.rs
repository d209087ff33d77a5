//! The encoding of a record as bytes, for stores.

use std::net::IpAddr;
use std::num::NonZeroI64;
use std::sync::Arc;

use minicbor::Decoder;

use super::client::SessionKind;
use super::ended::{EndReason, Ended};
use super::id::{SecretHash, SessionId};
use super::key::Key;
use super::labels::Labels;
use super::record::{Link, Membership, Rare, Record, Stamp};
use super::revision::Revision;
use super::schedule::FixedDeadline;
use super::steps::unless_default;
use crate::clock::Timestamp;
use crate::encoding::{Out, Unreadable, Writer, count, fact, personal, read};

// Numbers are never reused and never reordered. Times are milliseconds.
const ID: u32 = fact(1);
const REVISION: u32 = fact(2);
const SECRET_HASH: u32 = fact(3);
const USER: u32 = fact(4);
const KIND: u32 = fact(5);
const CREATED: u32 = fact(6);
const AUTHENTICATED: u32 = fact(7);
const SEEN: u32 = fact(8);
const PURGE_AFTER: u32 = fact(9);
const IDLE: u32 = fact(10);
const ENDS_BY: u32 = fact(11);
const EVERYONE: u32 = fact(12);
const MEMBERSHIPS: u32 = fact(13);
const LINKS: u32 = fact(14);
/// Keys other than the user, the organizations and the links. No version writes such keys yet. A
/// later version that does writes them here, and older versions preserve them.
const KEYS: u32 = fact(15);
const ENDED: u32 = fact(16);
const NAME: u32 = personal(17);
const LABELS: u32 = personal(18);
const ADDRESS: u32 = personal(19);
const METHODS: u32 = fact(20);

impl Record {
    /// Encodes the record as bytes, whose meaning stays the same in all versions.
    pub fn encode(&self) -> Vec<u8> {
        let nothing = Rare::default();
        let Rare { name, links, methods, keys, carried, previous_keys: _ } =
            self.rare.as_deref().unwrap_or(&nothing);
        let changed = |at: Timestamp| (at != self.created).then(|| at.unix_millis());
        let some = |list: bool| list.then_some(());

        let mut facts = Writer::new(carried);
        facts.write(ID, |out| out.bytes(self.id.as_bytes()));
        facts.write(REVISION, |out| out.u64(self.revision.as_u64()));
        facts.write(SECRET_HASH, |out| out.bytes(self.secret_hash.as_bytes()));
        facts.write(USER, |out| out.str(&self.user));
        facts.write(KIND, |out| out.u8(kind_number(self.kind)));
        facts.write(CREATED, |out| out.i64(self.created.unix_millis()));
        facts.maybe(AUTHENTICATED, changed(self.authenticated), Out::i64);
        facts.maybe(SEEN, changed(self.seen), Out::i64);
        facts.write(PURGE_AFTER, |out| out.i64(self.purge_after.unix_millis()));
        facts.maybe(IDLE, self.idle, |out, idle| out.i64(idle.get()));
        facts.maybe(ENDS_BY, self.fixed_deadline(), |out, FixedDeadline { at, org }| {
            out.encode((at.unix_millis(), org.as_deref()))
        });
        facts.maybe(EVERYONE, self.everyone.as_deref(), |out, stamp| {
            out.encode((stamp.generation, stamp.version, stamp.known))
        });
        facts.maybe(MEMBERSHIPS, some(!self.memberships.is_empty()), |out, ()| {
            self.memberships.iter().try_fold(
                out.array(self.memberships.len() as u64)?,
                |out, Membership { org, stamp, joined }| {
                    let Stamp { generation, version, known } = *stamp;
                    out.encode((&**org, generation, version, known, joined.unix_millis()))
                },
            )
        });
        facts.maybe(LINKS, some(!links.is_empty()), |out, ()| {
            let links = links.iter().map(|link| (&*link.kind, &*link.value));
            out.encode(Vec::from_iter(links))
        });
        facts.maybe(KEYS, some(!keys.is_empty()), |out, ()| {
            out.encode(Vec::from_iter(keys.iter().map(Key::as_str)))
        });
        facts.maybe(ENDED, self.ended(), |out, Ended { at, reason, org }| {
            out.encode((at.unix_millis(), reason_number(*reason), org.as_deref()))
        });
        facts.maybe(NAME, name.as_deref(), Out::str);
        facts.maybe(LABELS, self.labels.as_ref(), |out, labels| {
            out.writer_mut().extend_from_slice(labels.bytes());
            Ok(out)
        });
        facts.maybe(ADDRESS, self.address, |out, address| match address {
            IpAddr::V4(v4) => out.bytes(&v4.octets()),
            IpAddr::V6(v6) => out.bytes(&v6.octets()),
        });
        facts.maybe(METHODS, some(!methods.is_empty()), |out, ()| {
            out.encode(Vec::from_iter(methods.iter().map(|method| &**method)))
        });
        facts.finish()
    }

    /// Decodes the bytes of [`encode`](Self::encode), written by this version or another.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if the bytes are damaged, or contain an essential fact that only a later
    /// version knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut found = Found::default();
        let carried = read(bytes, |number, input| found.take(number, input))?;
        found.rare.carried = carried;
        found.record().ok_or(Unreadable)
    }
}

/// The facts found so far; some may be missing.
#[derive(Default)]
struct Found {
    id: Option<SessionId>,
    revision: Option<Revision>,
    secret_hash: Option<SecretHash>,
    user: Option<Arc<str>>,
    kind: Option<SessionKind>,
    created: Option<Timestamp>,
    authenticated: Option<Timestamp>,
    seen: Option<Timestamp>,
    purge_after: Option<Timestamp>,
    idle: Option<NonZeroI64>,
    fixed_deadline: Option<Box<FixedDeadline>>,
    everyone: Stamp,
    memberships: Box<[Membership]>,
    address: Option<IpAddr>,
    labels: Option<Labels>,
    ended: Option<Box<Ended>>,
    rare: Rare,
}

impl Found {
    fn take(&mut self, number: u32, input: &mut Decoder<'_>) -> Result<bool, Unreadable> {
        let time = |input: &mut Decoder<'_>| input.i64().map(Timestamp::from_unix_millis);
        match number {
            ID => self.id = Some(SessionId::from_bytes(exactly(input.bytes()?)?)),
            REVISION => self.revision = Some(Revision::from_u64(count(input)?)),
            SECRET_HASH => {
                self.secret_hash = Some(SecretHash::from_bytes(exactly(input.bytes()?)?));
            }
            USER => self.user = Some(input.str()?.into()),
            KIND => self.kind = Some(kind(input.u8()?)?),
            CREATED => self.created = Some(time(input)?),
            AUTHENTICATED => self.authenticated = Some(time(input)?),
            SEEN => self.seen = Some(time(input)?),
            PURGE_AFTER => self.purge_after = Some(time(input)?),
            IDLE => self.idle = Some(NonZeroI64::new(input.i64()?).ok_or(Unreadable)?),
            ENDS_BY => {
                let (at, org): (_, Option<&str>) = input.decode()?;
                let at = Timestamp::from_unix_millis(at);
                self.fixed_deadline = Some(Box::new(FixedDeadline { at, org: org.map(Arc::from) }));
            }
            EVERYONE => {
                let (generation, version, known) = input.decode()?;
                self.everyone = Stamp { generation, version, known };
            }
            MEMBERSHIPS => self.memberships = memberships(input)?,
            LINKS => {
                for link in input.array_iter::<(&str, &str)>()? {
                    let (kind, value) = link?;
                    self.rare.links.push(Link { kind: kind.into(), value: value.into() });
                }
            }
            KEYS => {
                for key in input.array_iter()? {
                    self.rare.keys.push(Key::unknown(key?));
                }
            }
            ENDED => {
                let (at, number, org): (_, u8, Option<&str>) = input.decode()?;
                let (at, reason) = (Timestamp::from_unix_millis(at), reason(number)?);
                self.ended = Some(Box::new(Ended { at, reason, org: org.map(Arc::from) }));
            }
            NAME => self.rare.name = Some(input.str()?.into()),
            LABELS => self.labels = Some(Labels::take(input)?),
            ADDRESS => self.address = Some(address(input.bytes()?)?),
            METHODS => {
                for method in input.array_iter::<&str>()? {
                    self.rare.methods.push(method?.into());
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn record(self) -> Option<Record> {
        let created = self.created?;
        Some(Record {
            id: self.id?,
            revision: self.revision?,
            previous: Revision::NONE,
            is_quiet: false,
            secret_hash: self.secret_hash?,
            user: self.user?,
            kind: self.kind?,
            created,
            authenticated: self.authenticated.unwrap_or(created),
            seen: self.seen.unwrap_or(created),
            purge_after: self.purge_after?,
            idle: self.idle,
            everyone: unless_default(self.everyone),
            memberships: self.memberships,
            address: self.address,
            labels: self.labels,
            fixed_deadline: self.fixed_deadline,
            ended: self.ended,
            rare: (self.rare != Rare::default()).then(|| Box::new(self.rare)),
        })
    }
}

fn memberships(input: &mut Decoder<'_>) -> Result<Box<[Membership]>, Unreadable> {
    let mut memberships = Vec::<Membership>::with_capacity(1);
    for membership in input.array_iter::<(&str, _, _, _, _)>()? {
        let (org, generation, version, known, joined) = membership?;
        // Lookups rely on the order.
        if memberships.last().is_some_and(|last| *org <= *last.org) {
            return Err(Unreadable);
        }
        memberships.push(Membership {
            org: org.into(),
            stamp: Stamp { generation, version, known },
            joined: Timestamp::from_unix_millis(joined),
        });
    }
    Ok(memberships.into())
}

const fn kind_number(kind: SessionKind) -> u8 {
    match kind {
        SessionKind::Browser => 0,
        SessionKind::BrowserUntilClosed => 1,
        SessionKind::Token => 2,
    }
}

fn kind(number: u8) -> Result<SessionKind, Unreadable> {
    match number {
        0 => Ok(SessionKind::Browser),
        1 => Ok(SessionKind::BrowserUntilClosed),
        2 => Ok(SessionKind::Token),
        _ => Err(Unreadable),
    }
}

const fn reason_number(reason: EndReason) -> u8 {
    match reason {
        EndReason::Absolute => 0,
        EndReason::Idle => 1,
        EndReason::Revoked => 2,
    }
}

fn reason(number: u8) -> Result<EndReason, Unreadable> {
    match number {
        0 => Ok(EndReason::Absolute),
        1 => Ok(EndReason::Idle),
        2 => Ok(EndReason::Revoked),
        _ => Err(Unreadable),
    }
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Unreadable> {
    bytes.try_into().map_err(|_| Unreadable)
}

fn address(bytes: &[u8]) -> Result<IpAddr, Unreadable> {
    match bytes.len() {
        4 => Ok(IpAddr::from(exactly::<4>(bytes)?)),
        16 => Ok(IpAddr::from(exactly::<16>(bytes)?)),
        _ => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use time::Duration;

    use super::*;
    use crate::limits::Limits;
    use crate::session::ClientDetails;

    /// Written by a second implementation. Stores keep such bytes: their meaning never changes.
    const LEAST: &str = "bf0450000102030405060708090a0b0c0d0e0f081b00000001000000070c58200707070707070707\
             0707070707070707070707070707070707070707070707071063616461140018181b0000018bcfe5\
             680018241b0000018bcfe56800ff";
    const MOST: &str = "bf0450000102030405060708090a0b0c0d0e0f081b00000002000000080c58200707070707070707\
             0707070707070707070707070707070707070707070707071063616461140218181b0000018bcfe5\
             6800181c1b0000018bcfe5680118201b0000018bcfe5680218241b0000018bcfe5680418281a0036\
             ee80182c821b0000018bcfe568036461636d65183083010203183482856461636d650405061b0000\
             018bcfe568008566676c6f6265780000001b0000018bcfe5680518388182646f696463667369643a\
             20311846666c6170746f70184a836655412f312e306f4368726f6d65206f6e206d61634f53f6184e\
             44c0000201ff";
    const OVER: &str = "bf0450000102030405060708090a0b0c0d0e0f081b00000002000000080c58200707070707070707\
             0707070707070707070707070707070707070707070707071063616461140018181b0000018bcfe5\
             680018241b0000018bcfe568001840831b0000018bcfe56809016461636d65ff";

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000 + millis)
    }

    fn least() -> Record {
        let id = SessionId::from_bytes(std::array::from_fn(|place| place as u8));
        Record::begin(id, SecretHash::from_bytes([7; 32]), "ada", at(0), 7)
    }

    fn most() -> Record {
        let member = |org: &str, [generation, version, known]: [u64; 3], joined| Membership {
            org: org.into(),
            stamp: Stamp { generation, version, known },
            joined,
        };
        let client = ClientDetails {
            agent: Some("UA/1.0".into()),
            device: Some("Chrome on macOS".into()),
            address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            location: None,
        };
        least()
            .next(8)
            .with_kind(SessionKind::Token)
            .with_authentication(at(1))
            .with_activity(at(2))
            .with_limits(Limits::idle(Duration::HOUR))
            .with_fixed_deadline(Some(FixedDeadline { at: at(3), org: Some("acme".into()) }))
            .with_purge_after(at(4))
            .with_everyone(Stamp { generation: 1, version: 2, known: 3 })
            .with_memberships(vec![
                member("globex", [0; 3], at(5)),
                member("acme", [4, 5, 6], at(0)),
            ])
            .with_links(vec![Link { kind: "oidc".into(), value: "sid: 1".into() }])
            .with_name(Some("laptop".into()))
            .with_client(&client)
    }

    fn over() -> Record {
        let client =
            ClientDetails { device: Some("Chrome on macOS".into()), ..ClientDetails::default() };
        let ended = Ended { at: at(9), reason: EndReason::Idle, org: Some("acme".into()) };
        least().with_name(Some("laptop".into())).with_client(&client).next(8).with_end(ended)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    #[test]
    fn records_are_written_as_ever_and_read_back_whole() {
        for (golden, record) in [(LEAST, least()), (MOST, most()), (OVER, over())] {
            assert_eq!(record.encode(), bytes(golden), "{record:?}");
            let read = Record::decode(&bytes(golden)).unwrap();
            assert_eq!(read.encode(), bytes(golden), "{record:?}");
            assert_eq!((read.id(), read.revision()), (record.id(), record.revision()));
            assert_eq!((read.user(), read.kind()), (record.user(), record.kind()));
            assert_eq!((read.name(), read.client()), (record.name(), record.client()));
            let times = |record: &Record| {
                let (created, authenticated) = (record.created(), record.authenticated());
                [created, authenticated, record.last_seen(), record.purge_after()]
            };
            assert_eq!(times(&read), times(&record));
            assert_eq!(
                (read.idle(), read.fixed_deadline()),
                (record.idle(), record.fixed_deadline())
            );
            assert_eq!((read.everyone(), read.ended()), (record.everyone(), record.ended()));
            assert_eq!(read.memberships(), record.memberships());
            assert_eq!(read.keys(), record.keys());
            assert!(!read.is_quiet());
        }
    }

    /// Stores keep these numbers: their meaning never changes.
    #[test]
    fn kinds_and_reasons_have_the_same_numbers_as_ever() {
        let kinds = [SessionKind::Browser, SessionKind::BrowserUntilClosed, SessionKind::Token];
        for (number, known) in (0..).zip(kinds) {
            assert_eq!((kind_number(known), kind(number)), (number, Ok(known)));
        }
        assert_eq!(kind(3), Err(Unreadable));
        let reasons = [EndReason::Absolute, EndReason::Idle, EndReason::Revoked];
        for (number, known) in (0..).zip(reasons) {
            assert_eq!((reason_number(known), reason(number)), (number, Ok(known)));
        }
        assert_eq!(reason(3), Err(Unreadable));
    }

    #[test]
    fn addresses_are_read_back_and_nothing_of_another_length_is_one() {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let address = Some(address.parse().unwrap());
            let client = ClientDetails { address, ..ClientDetails::default() };
            let record = least().with_client(&client);
            assert_eq!(Record::decode(&record.encode()).unwrap().client(), client);
        }
        assert_eq!(address(&[0; 5]), Err(Unreadable));
    }

    #[test]
    fn keys_of_a_later_version_are_kept() {
        let mut facts = least().encode();
        assert_eq!(facts.pop(), Some(0xff));
        facts.extend(b"\x18\x3c\x81\x68team:one\xff");
        let record = Record::decode(&facts).unwrap();
        assert_eq!(record.encode(), facts);
        let key = Key::unknown("team:one");
        assert_eq!(record.keys(), [Key::user("ada"), key.clone()]);
        assert!(record.is_under(&key) && !record.is_under(&Key::unknown("team:two")));
        assert!(!least().is_under(&key));
    }

    #[test]
    fn memberships_are_read_only_in_the_order_of_their_names() {
        let member = |org: &str| {
            let stamp = Stamp { generation: 1, ..Stamp::default() };
            Membership { org: org.into(), stamp, joined: at(0) }
        };
        for orgs in [&["b", "a"][..], &["a", "a"], &["a", "c", "b"]] {
            let memberships = orgs.iter().map(|org| member(org)).collect();
            let record = Record { memberships, ..least() };
            assert_eq!(Record::decode(&record.encode()), Err(Unreadable), "{orgs:?}");
        }
    }

    #[test]
    fn what_ends_forgets_its_client_and_what_a_later_version_knows_of_it() {
        // One more fact of each kind, unknown to every version: numbers 16000 and 16002.
        let mut facts = most().encode();
        assert_eq!(facts.pop(), Some(0xff));
        facts.extend(b"\x19\x3e\x80\x65stays\x19\x3e\x82\x64goes\xff");
        let has = |record: &Record, word: &str| {
            record.encode().windows(word.len()).any(|part| part == word.as_bytes())
        };
        let record = Record::decode(&facts).unwrap();
        assert!(has(&record, "stays") && has(&record, "goes") && has(&record, "laptop"));
        let ended = record.next(9).with_end(Ended::revoked(at(9)));
        assert!(has(&ended, "stays") && has(&ended, "ada") && has(&ended, "acme"));
        for forgotten in ["goes", "laptop", "UA/1.0", "Chrome on macOS", "\u{0}\u{2}\u{1}"] {
            assert!(!has(&ended, forgotten), "{forgotten:?}");
        }
        assert_eq!(ended.client(), ClientDetails::default());
    }

    #[test]
    fn what_is_damaged_or_must_not_be_passed_over_is_not_read() {
        for golden in [LEAST, MOST, OVER] {
            let facts = bytes(golden);
            for length in 0..facts.len() {
                assert!(Record::decode(&facts[..length]).is_err(), "{length} bytes");
            }
            assert!(Record::decode(&[&facts[..], b"\xff"].concat()).is_err());
            // Number 16001 is essential.
            let (end, rest) = facts.split_last().unwrap();
            let essential = [rest, b"\x19\x3e\x81\x01", &[*end]].concat();
            assert!(Record::decode(&essential).is_err());
        }
    }

    #[test]
    fn r32_a_revision_that_no_store_can_keep_is_not_read() {
        let mut facts = bytes(LEAST);
        assert_eq!(facts[20..22], [0x1b, 0]);
        assert!(Record::decode(&facts).is_ok());
        facts[21] = 0x80;
        assert!(Record::decode(&facts).is_err());
    }

    #[test]
    fn methods_are_a_list_of_names() {
        let record = least().with_methods(["otp".into(), "pwd".into(), "otp".into()]);
        let read = Record::decode(&record.encode()).unwrap();
        assert!(read.methods().map(|method| &**method).eq(["otp", "pwd"]));
        let added = read.with_methods(["hwk".into()]);
        assert!(added.methods().map(|method| &**method).eq(["hwk", "otp", "pwd"]));
        assert_eq!(least().with_methods([]).encode(), least().encode());
    }
}
