//! How much of a client's address is kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How much of a client's address is kept with its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressRetention {
    /// The whole address, as received.
    Keep,
    /// Its network: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
    Truncate,
    /// None: the address is not kept.
    Drop,
}

impl AddressRetention {
    pub(crate) fn apply(self, address: IpAddr) -> Option<IpAddr> {
        // An IPv4-mapped IPv6 address would otherwise lose all of its bits.
        let address = address.to_canonical();
        match (self, address) {
            (Self::Keep, _) => Some(address),
            (Self::Truncate, IpAddr::V4(v4)) => Some((v4 & FIRST_24).into()),
            (Self::Truncate, IpAddr::V6(v6)) => Some((v6 & FIRST_48).into()),
            (Self::Drop, _) => None,
        }
    }
}

const FIRST_24: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const FIRST_48: Ipv6Addr = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0, 0, 0, 0, 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_whole_or_as_its_network_or_not_at_all() {
        for (given, whole, network) in [
            ("203.0.113.77", "203.0.113.77", "203.0.113.0"),
            ("::ffff:203.0.113.77", "203.0.113.77", "203.0.113.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("::1", "::1", "::"),
        ] {
            let address: IpAddr = given.parse().unwrap();
            let kept = |retention: AddressRetention| {
                retention.apply(address).map(|address| address.to_string())
            };
            assert_eq!(kept(AddressRetention::Keep).as_deref(), Some(whole));
            assert_eq!(kept(AddressRetention::Truncate).as_deref(), Some(network));
            assert_eq!(kept(AddressRetention::Drop), None);
        }
    }
}
