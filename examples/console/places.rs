//! Locations from a database file in MaxMind's format: GeoLite2 City or Country, DB-IP City Lite, …
//!
//! It needs nothing of the rest of the console. Take it as it is, and give it to
//! `Curfew::builder(…).locate_with(…)`.

#[cfg(test)]
mod tests;

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context;
use maxminddb::{MaxMindDbError, PathElement, Reader, path};
use tower_curfew::client::Locate;

/// Says the city and the country of an address, in English, and nothing finer. Addresses of private
/// networks have no location.
pub(crate) struct GeoIp {
    reader: Reader<Vec<u8>>,
}

impl GeoIp {
    /// Reads a database into memory, and blocks meanwhile. A newer file in its place is not noticed.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no database of cities or countries. Damage inside a database
    /// that is otherwise whole is not searched for: an address there has no location.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        Self::read(path)
            .with_context(|| format!("cannot open the location database {}", path.display()))
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(path).context("give the path of an `.mmdb` file")?;
        // A file that is cut off, or another one, is noticed here and not at the first sign-in.
        let reader = Reader::from_source(bytes)
            .context("it is no database in MaxMind's format, or a damaged one")?;
        let kind = &reader.metadata().database_type;
        anyhow::ensure!(
            KINDS.iter().any(|known| kind.contains(known)),
            "its type {kind:?} has no locations; give one of cities or countries"
        );
        Ok(Self { reader })
    }

    fn place(&self, address: IpAddr) -> Result<Option<String>, MaxMindDbError> {
        // An address such as `::ffff:203.0.113.7` is filed as the one of IPv4 that it means.
        let address = address.to_canonical();
        if is_local(address) {
            return Ok(None);
        }
        let found = self.reader.lookup(address)?;
        let name = |path: &[PathElement<'_>]| -> Result<Option<&str>, MaxMindDbError> {
            let name: Option<&str> = found.decode_path(path)?;
            Ok(name.filter(|name| !name.is_empty()))
        };
        let city = name(&path!["city", "names", "en"])?;
        let country = name(&path!["country", "names", "en"])?;
        Ok(match (city, country) {
            (Some(city), Some(country)) if city != country => Some(format!("{city}, {country}")),
            (city, country) => country.or(city).map(str::to_owned),
        })
    }
}

impl Locate for GeoIp {
    fn locate(&self, address: IpAddr) -> Option<String> {
        // A record that cannot be read must not keep anybody from signing in.
        self.place(address).ok().flatten()
    }
}

/// What the type of a database with locations contains: `GeoLite2-City`, `DBIP-Country-Lite`,
/// `DBIP-Location (compat=City)`, `GeoIP2-Enterprise`.
const KINDS: [&str; 3] = ["City", "Country", "Enterprise"];

/// Whether the address means another machine in each network. Those for documentation are none.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            // 100.64.0.0/10 is what providers use inside (RFC 6598).
            let shared = first == 100 && second & 0xc0 == 64;
            first == 0 || v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => {
            // IPv4 addresses stand at the low end of a database, where `::1` would find 0.0.0.1.
            v6.segments()[..6] == [0; 6] || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}
