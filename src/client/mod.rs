//! The client behind a request, as far as it can be known.

mod address;
mod device;
mod place;
mod proxies;
mod reader;

pub use self::address::AddressRetention;
pub use self::device::{NameDevice, WellKnown};
pub use self::place::Locate;
pub use self::proxies::ForwardedHeader;
pub(crate) use self::proxies::Proxies;
pub(crate) use self::reader::ClientReader;
