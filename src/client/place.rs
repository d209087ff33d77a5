//! Where a client roughly is.

use std::net::IpAddr;

/// Finds the approximate location of an address, for people to recognise: `Berlin, Germany`.
///
/// A closure from an address to a text does so too. One that reads a database file is a
/// [recipe](crate::docs::privacy#locations).
pub trait Locate: Send + Sync + 'static {
    /// The location, in words; `None` if it is unknown.
    ///
    /// It is asked when a session starts and when its activity is recorded (about hourly), while
    /// the request waits: it must not block.
    fn locate(&self, address: IpAddr) -> Option<String>;
}

impl<F> Locate for F
where
    F: Fn(IpAddr) -> Option<String> + Send + Sync + 'static,
{
    fn locate(&self, address: IpAddr) -> Option<String> {
        self(address)
    }
}
