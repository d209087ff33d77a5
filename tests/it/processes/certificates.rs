//! Certificates that a test has made.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority, and what it has signed: for the server `localhost`, and for the client `certified`.
/// Another authority, which nobody trusts, has signed `stranger`.
pub(crate) fn write_certificates(folder: &Path) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    for (authority, signed) in [
        ("authority", &[("server", "localhost"), ("client", "certified")][..]),
        ("other", &[("stranger", "certified")]),
    ] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, authority);
        let key = KeyPair::generate().unwrap();
        write(&format!("{authority}.pem"), params.self_signed(&key).unwrap().pem());
        let issuer = Issuer::new(params, key);
        for (file, name) in signed {
            let mut params = CertificateParams::new(vec![(*name).to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, *name);
            let key = KeyPair::generate().unwrap();
            write(&format!("{file}.pem"), params.signed_by(&key, &issuer).unwrap().pem());
            write(&format!("{file}.key"), key.serialize_pem());
        }
    }
}
