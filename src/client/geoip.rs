//! Places from a database file.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use maxminddb::{MaxMindDbError, PathElement, Reader, path};

use super::place::Locate;

/// Finds locations in a database in MaxMind's format, which the app brings along (GeoLite2 City or
/// Country, DB-IP City Lite, …).
///
/// It says the city and the country, in English, and nothing finer. Addresses of private networks
/// have no location.
pub struct GeoIp {
    reader: Reader<Vec<u8>>,
}

impl GeoIp {
    /// Reads a database of cities or countries into memory, and blocks meanwhile. A newer file in
    /// its place is not noticed.
    ///
    /// # Errors
    ///
    /// [`GeoIpError`] if the file cannot be read, or is no such database. Damage inside a database
    /// that is otherwise whole is not searched for: an address there has no location.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, GeoIpError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| GeoIpError::unreadable(path, error))?;
        let reader =
            Reader::from_source(bytes).map_err(|error| GeoIpError::no_database(path, error))?;
        let kind = &reader.metadata().database_type;
        if !KINDS.iter().any(|known| kind.contains(known)) {
            return Err(GeoIpError::other_kind(path, kind));
        }
        Ok(Self { reader })
    }

    fn place(&self, address: IpAddr) -> Result<Option<String>, MaxMindDbError> {
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

impl Locate for GeoIp {
    fn locate(&self, address: IpAddr) -> Option<String> {
        match self.place(address) {
            Ok(place) => place,
            Err(error) => {
                tracing::debug!(%error, "the location of a client cannot be looked up");
                None
            }
        }
    }
}

impl fmt::Debug for GeoIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = &self.reader.metadata().database_type;
        f.debug_struct("GeoIp").field("kind", kind).finish_non_exhaustive()
    }
}

/// A database of locations cannot be opened. The text names the file and says what to do; the cause
/// is the [`source`](StdError::source).
#[derive(Debug, thiserror::Error)]
#[error("cannot open the location database {}: {advice}", path.display())]
pub struct GeoIpError {
    path: PathBuf,
    advice: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl GeoIpError {
    fn unreadable(path: &Path, error: io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => {
                "it does not exist; download one, such as GeoLite2 City or DB-IP City Lite"
            }
            _ if path.is_dir() => "it is a folder; give the path of the `.mmdb` file in it",
            _ => "it cannot be read; let this process read it",
        };
        Self { path: path.to_owned(), advice: advice.into(), source: Some(error.into()) }
    }

    fn no_database(path: &Path, error: MaxMindDbError) -> Self {
        let advice = "it is no database in MaxMind's format, or a damaged one; give the `.mmdb` \
                      file, unpacked, or download it again";
        Self { path: path.to_owned(), advice: advice.into(), source: Some(error.into()) }
    }

    fn other_kind(path: &Path, kind: &str) -> Self {
        let advice = format!("its type {kind:?} has no locations; give one of cities or countries");
        Self { path: path.to_owned(), advice: advice.into(), source: None }
    }
}
