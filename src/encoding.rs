//! The encoding of facts: a CBOR map (RFC 8949) from numbers to values.
//!
//! A later version of this crate may know more facts. This version preserves unknown facts in
//! everything that it writes, unless the number itself says otherwise: its two lowest bits are
//! flags that every version obeys. New facts only ever get new numbers in this map; the content of
//! a value never changes.

use std::convert::Infallible;

use minicbor::data::Type;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder, encode};

/// A version that does not know this fact must not draw conclusions without it.
const ESSENTIAL: u32 = 0b01;

/// This fact is dropped when the session ends.
const FORGOTTEN_AT_END: u32 = 0b10;

/// The number of a fact that a version without it may ignore.
pub(crate) const fn fact(number: u32) -> u32 {
    number << 2
}

/// The number of a fact that is dropped when the session ends.
pub(crate) const fn personal(number: u32) -> u32 {
    fact(number) | FORGOTTEN_AT_END
}

/// The error for bytes that this version cannot read.
///
/// They are damaged, or contain an essential fact that only a later version knows. The state of the
/// session is then unknown: it is rejected but stays signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged, or written by a later version of tower-curfew")]
pub struct Unreadable;

impl From<Error> for Unreadable {
    fn from(_: Error) -> Self {
        Self
    }
}

/// Facts that this version does not know, as they were found, by ascending number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried(Vec<(u32, Box<[u8]>)>);

impl Carried {
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Drops the facts that must not outlive the session.
    pub(crate) fn end(&mut self) {
        self.0.retain(|(number, _)| number & FORGOTTEN_AT_END == 0);
    }
}

/// Reads facts. `known` gets each number and reads its value, or returns that it does not know it.
pub(crate) fn read<'b>(
    bytes: &'b [u8],
    mut known: impl FnMut(u32, &mut Decoder<'b>) -> Result<bool, Unreadable>,
) -> Result<Carried, Unreadable> {
    let mut input = Decoder::new(bytes);
    if input.map()?.is_some() {
        return Err(Unreadable);
    }
    let mut carried = Carried::default();
    let mut last = None;
    while input.datatype()? != Type::Break {
        let number = input.u32()?;
        if last.is_some_and(|last| number <= last) {
            return Err(Unreadable);
        }
        last = Some(number);
        let start = input.position();
        if known(number, &mut input)? {
            continue;
        }
        if number & ESSENTIAL != 0 {
            return Err(Unreadable);
        }
        input.skip()?;
        carried.0.push((number, bytes[start..input.position()].into()));
    }
    // The end of the map is one byte, and the last one.
    if input.position() + 1 == bytes.len() { Ok(carried) } else { Err(Unreadable) }
}

/// Reads a revision, or another number of which there is always a next one. It is below 2⁶³: stores
/// keep revisions as signed numbers, and a sum must not overflow.
pub(crate) fn count(input: &mut Decoder<'_>) -> Result<u64, Unreadable> {
    input.u64().map_err(Unreadable::from).and_then(counted)
}

/// The same number, if it is below 2⁶³.
pub(crate) fn counted(number: u64) -> Result<u64, Unreadable> {
    if number < 1 << 63 { Ok(number) } else { Err(Unreadable) }
}

/// Writes facts in the order of their numbers, with preserved unknown facts between them.
pub(crate) struct Writer<'a> {
    out: Encoder<Vec<u8>>,
    carried: std::slice::Iter<'a, (u32, Box<[u8]>)>,
}

/// The encoder that values are written with.
pub(crate) type Out = Encoder<Vec<u8>>;

/// Writing to memory cannot fail.
type Written<'o> = Result<&'o mut Out, encode::Error<Infallible>>;

const WRITES: &str = "a vector can be written to";

impl<'a> Writer<'a> {
    pub(crate) fn new(carried: &'a Carried) -> Self {
        let mut out = Encoder::new(Vec::with_capacity(384));
        out.begin_map().expect(WRITES);
        Self { out, carried: carried.0.iter() }
    }

    pub(crate) fn write(&mut self, number: u32, value: impl FnOnce(&mut Out) -> Written<'_>) {
        self.carry_until(number);
        self.out.u32(number).expect(WRITES);
        value(&mut self.out).expect(WRITES);
    }

    /// Writes an optional fact.
    pub(crate) fn maybe<T>(
        &mut self,
        number: u32,
        fact: Option<T>,
        value: impl FnOnce(&mut Out, T) -> Written<'_>,
    ) {
        if let Some(fact) = fact {
            self.write(number, |out| value(out, fact));
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.carry_until(u32::MAX);
        self.out.end().expect(WRITES);
        self.out.into_writer()
    }

    fn carry_until(&mut self, number: u32) {
        while let Some((carried, value)) = self.carried.as_slice().first()
            && *carried < number
        {
            self.out.u32(*carried).expect(WRITES);
            self.out.writer_mut().extend_from_slice(value);
            self.carried.next();
        }
    }
}
