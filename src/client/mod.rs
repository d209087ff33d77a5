//! Who is behind a request, as far as it can be known.

mod address;
mod device;
#[cfg(feature = "geoip")]
mod geoip;
mod place;
mod proxies;
mod reader;
#[cfg(feature = "ua-db")]
mod ua_db;

pub use self::address::AddressRetention;
pub use self::device::NameDevice;
pub(crate) use self::device::WellKnown;
#[cfg(feature = "geoip")]
pub use self::geoip::{GeoIp, GeoIpError};
pub use self::place::Locate;
pub use self::proxies::ForwardedHeader;
pub(crate) use self::proxies::Proxies;
pub(crate) use self::reader::ClientReader;
#[cfg(feature = "ua-db")]
pub use self::ua_db::{UaDatabase, UaDatabaseError};
