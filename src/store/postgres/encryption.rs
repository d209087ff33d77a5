//! Errors of encrypted connections, with advice on how to fix them.

use std::error::Error as StdError;

use tokio_postgres::Error;

/// The advice for an error; `None` if it is not about encryption.
pub(super) fn advice(error: &Error) -> Option<&'static str> {
    if let Some(error) = error.as_db_error() {
        return demanded(error.code().code(), error.message());
    }
    #[cfg(feature = "postgres-tls")]
    if let Some(refusal) = refusal(error) {
        return Some(refused(refusal));
    }
    // The driver gives no other sign of it.
    if !error.to_string().starts_with("error performing TLS handshake") {
        return None;
    }
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    Some(match &*cause {
        "server does not support TLS" => {
            "the server offers no encryption; let it (`ssl = on`), or say `sslmode=disable` where \
             nobody else is on the way"
        }
        _ if cfg!(feature = "postgres-tls") => {
            "the connection cannot be encrypted; see the source of this error"
        }
        _ => "the connection cannot be encrypted; enable the feature `postgres-tls`",
    })
}

/// The demand of the server that was not met. PostgreSQL has no codes for these.
fn demanded(code: &str, message: &str) -> Option<&'static str> {
    if code != "28000" {
        return None;
    }
    if message.contains("client certificate") || message.starts_with("certificate authentication") {
        return Some(
            "the server wants a client certificate for this role; give one that its authority \
             signed (`tls_client`, or `sslcert` and `sslkey`)",
        );
    }
    let plain = message.contains("pg_hba.conf") && message.ends_with("no encryption");
    plain.then_some(
        "the server refuses this host, role and database without encryption; say \
         `sslmode=require`, or check its pg_hba.conf",
    )
}

#[cfg(feature = "postgres-tls")]
fn refused(refusal: &rustls::Error) -> &'static str {
    use rustls::{AlertDescription, CertificateError};

    match refusal {
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            CertificateError::UnknownIssuer => {
                "no trusted authority has signed the server's certificate; name the one that has \
                 (`tls_roots`, or `sslrootcert`)"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another host name; connect by a name that is in \
                 it (see the source), or check only who signed it (`sslmode=verify-ca`)"
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid at this time; give the server another, and \
                 check the clock of this machine"
            }
            _ => {
                "the server's certificate cannot be used; see the source of this error. A \
                 certificate that signs itself must not be that of an authority"
            }
        },
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError,
        ) => {
            "the server refuses the client certificate; give one that an authority of the server \
             has signed (its `ssl_ca_file`)"
        }
        _ => "the connection cannot be encrypted; see the source of this error",
    }
}

/// The error of TLS itself, at any depth.
#[cfg(feature = "postgres-tls")]
fn refusal<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An error that is wrapped like this is not its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}
