//! Asks databases that hold documentation addresses only.

use std::path::PathBuf;

use super::*;

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("console/places").join(file)
}

fn place(places: &GeoIp, address: &str) -> Option<String> {
    places.locate(address.parse().unwrap())
}

/// What is said of the file, after its name.
#[track_caller]
fn refusal(path: &Path) -> String {
    let error = GeoIp::open(path).err().expect("this is no database of locations");
    let text = format!("{error:#}");
    let begin = format!("cannot open the location database {}: ", path.display());
    text.strip_prefix(&begin).expect(&text).to_owned()
}

#[test]
fn an_address_has_a_city_and_a_country_and_nothing_finer() {
    let places = GeoIp::open(&data("places.mmdb")).unwrap();
    for (address, expected) in [
        ("203.0.113.7", Some("Berlin, Germany")),
        ("::ffff:203.0.113.7", Some("Berlin, Germany")),
        ("198.51.100.255", Some("Japan")),
        ("2001:db8:1::1", Some("São Paulo, Brazil")),
        ("192.0.2.1", Some("Singapore")),
        ("192.0.2.129", None), // named, but not in English
        ("192.0.2.193", None), // names of another shape
        ("203.0.114.1", None),
        ("2001:db8:2::1", None),
    ] {
        assert_eq!(place(&places, address).as_deref(), expected, "{address}");
    }
}

#[test]
fn addresses_of_private_networks_have_no_location() {
    let places = GeoIp::open(&data("places.mmdb")).unwrap();
    for address in ["100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0"] {
        assert_eq!(place(&places, address).as_deref(), Some("Nowhere"), "{address}");
    }
    for address in [
        "0.0.0.0",
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.168.1.1",
        "::",
        "::1",
        "::203.0.113.7",
        "fd00::1",
        "fe80::1",
    ] {
        assert_eq!(place(&places, address), None, "{address}");
    }
}

#[test]
fn a_database_of_ipv4_addresses_knows_no_others() {
    let places = GeoIp::open(&data("places4.mmdb")).unwrap();
    assert_eq!(place(&places, "203.0.113.7").as_deref(), Some("Germany"));
    assert_eq!(place(&places, "::ffff:203.0.113.7").as_deref(), Some("Germany"));
    assert_eq!(place(&places, "2001:db8:1::1"), None);
}

#[test]
fn what_is_no_database_of_locations_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for path in [&folder.path().join("missing.mmdb"), folder.path()] {
        assert!(refusal(path).starts_with("give the path of an `.mmdb` file: "));
    }
    let other_kind = "its type \"GeoLite2-ASN\" has no locations; give one of cities or countries";
    assert_eq!(refusal(&data("networks.mmdb")), other_kind);
    let path = folder.path().join("foreign.mmdb");
    for foreign in [&b""[..], b"PK\x03\x04", b"\xab\xcd\xefMaxMind.com", &[0xff; 100_000]] {
        fs::write(&path, foreign).unwrap();
        let advice = refusal(&path);
        assert!(advice.starts_with("it is no database in MaxMind's format"), "{advice}");
    }
}

#[test]
fn a_database_cut_short_is_refused_at_any_length() {
    let whole = fs::read(data("places.mmdb")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.mmdb");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let advice = refusal(&path);
        assert!(advice.starts_with("it is no database in MaxMind's format"), "{length}: {advice}");
    }
}

#[test]
fn a_damaged_database_is_refused_or_asked_in_vain_but_never_panics() {
    let whole = fs::read(data("places.mmdb")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.mmdb");
    let addresses = [
        "203.0.113.7",
        "198.51.100.1",
        "192.0.2.1",
        "192.0.2.65",
        "192.0.2.129",
        "192.0.2.193",
        "2001:db8:1::1",
        "::",
        "255.255.255.255",
    ];
    let (mut refused, mut opened) = (0, 0);
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= [0x01, 0x40, 0xff][at % 3];
        fs::write(&path, &damaged).unwrap();
        match GeoIp::open(&path) {
            Ok(places) => {
                opened += 1;
                for address in addresses {
                    place(&places, address);
                }
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0 && opened > 0, "{refused} refused, {opened} opened");
}
