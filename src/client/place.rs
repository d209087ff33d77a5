//! The approximate location of a client.

use std::net::IpAddr;

/// Finds the approximate location of an address for users, as in `Berlin, Germany`.
///
/// Closures from an address to a text implement it. A [recipe](crate::docs::privacy#locations)
/// shows one that reads a database file.
pub trait Locate: Send + Sync + 'static {
    /// Returns the location in words; `None` if it is unknown.
    ///
    /// It is called when a session starts and when its activity is recorded (about hourly), while
    /// the request waits, so it must not block.
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
