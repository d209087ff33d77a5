//! The values that are sent to the server and read from it.

use std::error::Error as StdError;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::clock::Timestamp;

/// A parameter whose `Debug` shows nothing: the driver logs parameters, and neither hashes nor
/// addresses belong there.
pub(super) struct Hidden<T>(pub(super) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl<T: ToSql> ToSql for Hidden<T> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        T::accepts(kind)
    }

    to_sql_checked!();
}

/// A statement's parameters, in the order of their numbers.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The time of the server's clock.
pub(super) struct ClockTime(pub(super) Timestamp);

impl<'a> FromSql<'a> for ClockTime {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(Timestamp::from_unix_millis(YEAR_2000 + micros.div_euclid(1000))))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

/// The epoch of PostgreSQL's microseconds.
const YEAR_2000: i64 = 946_684_800_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_do_not_print() {
        assert_eq!(format!("{:?}", Hidden("192.0.2.1")), "..");
    }

    #[test]
    fn a_time_before_2000_is_whole_milliseconds_too() {
        let read = |micros: i64| {
            let ClockTime(time) =
                ClockTime::from_sql(&Type::TIMESTAMPTZ, &micros.to_be_bytes()).unwrap();
            time.to_string()
        };
        assert_eq!(read(0), "2000-01-01T00:00:00Z");
        assert_eq!(read(-1), "1999-12-31T23:59:59.999Z");
    }
}
