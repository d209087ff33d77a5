//! A readable form of a record.

use std::fmt;

use super::record::{Record, Stamp};
use crate::limits::Spelled;

impl Record {
    /// Shows all stored facts of a session, one on each line, for the operator of the app.
    ///
    /// The output contains the user and the client, so do not log it. It does not contain the hash
    /// of the secret.
    pub fn display(&self) -> impl fmt::Display {
        Facts(self)
    }
}

struct Facts<'a>(&'a Record);

impl fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        let client = record.client();
        line(f, "session", record.id())?;
        line(f, "revision", record.revision().as_u64() >> 32)?;
        line(f, "user", record.user())?;
        line(f, "kind", record.kind().as_str())?;
        maybe(f, "name", record.name())?;
        line(f, "created", record.created())?;
        line(f, "authenticated", record.authenticated())?;
        line(f, "last seen", record.last_seen())?;
        let methods = record.methods().map(|method| &**method).collect::<Vec<_>>().join(" ");
        maybe(f, "methods", (!methods.is_empty()).then_some(methods))?;
        maybe(f, "idle limit", record.idle().map(Spelled))?;
        if let Some(fixed_deadline) = record.fixed_deadline() {
            line(f, "ends by", under(fixed_deadline.at, fixed_deadline.org.as_deref()))?;
        }
        line(f, "everyone", stamped(record.everyone()))?;
        for membership in record.memberships() {
            let (org, stamp, joined) = (&membership.org, membership.stamp, membership.joined);
            line(f, "organization", format!("{org}, joined {joined}, {}", stamped(stamp)))?;
        }
        for link in record.rare.iter().flat_map(|rare| &rare.links) {
            line(f, "link", format!("{}: {}", link.kind, link.value))?;
        }
        maybe(f, "user agent", client.agent)?;
        maybe(f, "device", client.device)?;
        maybe(f, "address", client.address)?;
        maybe(f, "location", client.location)?;
        if let Some(ended) = record.ended() {
            line(f, "ended", under(ended.at, ended.org.as_deref()))?;
            line(f, "because", ended.reason)?;
        }
        line(f, "kept until", record.purge_after())
    }
}

fn line(f: &mut fmt::Formatter<'_>, fact: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{fact:<14}{value}")
}

fn maybe(f: &mut fmt::Formatter<'_>, fact: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| line(f, fact, value))
}

fn under(at: impl fmt::Display, org: Option<&str>) -> String {
    org.map_or_else(|| at.to_string(), |org| format!("{at}, by {org}"))
}

fn stamped(Stamp { generation, version, known }: Stamp) -> String {
    format!("generation {generation}, version {version}, known {known}")
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use crate::clock::Timestamp;
    use crate::limits::Limits;
    use crate::session::{
        ClientDetails, Ended, Link, Membership, Record, SecretHash, SessionId, Stamp,
    };

    #[test]
    fn a_record_shows_all_its_facts_and_no_secret() {
        let at = |hours| Timestamp::from_unix_millis(0) + Duration::hours(hours);
        let id = SessionId::from_bytes([0xab; 16]);
        let member = Membership { org: "acme".into(), stamp: Stamp::default(), joined: at(1) };
        let client =
            ClientDetails { device: Some("Chrome on macOS".into()), ..ClientDetails::default() };
        let record = Record::begin(id, SecretHash::from_bytes([7; 32]), "ada", at(1), 7)
            .with_limits(Limits::absolute(Duration::days(2)).and_idle(Duration::HOUR))
            .with_memberships(vec![member])
            .with_client(&client)
            .with_activity(at(2))
            .with_purge_after(at(400));
        assert_eq!(
            record.display().to_string(),
            format!(
                "session       {id}\n\
                 revision      1\n\
                 user          ada\n\
                 kind          browser\n\
                 created       1970-01-01T01:00:00Z\n\
                 authenticated 1970-01-01T01:00:00Z\n\
                 last seen     1970-01-01T02:00:00Z\n\
                 idle limit    1 hour\n\
                 ends by       1970-01-03T01:00:00Z\n\
                 everyone      generation 0, version 0, known 0\n\
                 organization  acme, joined 1970-01-01T01:00:00Z, \
                 generation 0, version 0, known 0\n\
                 device        Chrome on macOS\n\
                 kept until    1970-01-17T16:00:00Z\n"
            )
        );
        let all = record.clone().with_name(Some("laptop".into())).with_methods(["pwd".into()]);
        let link = Link { kind: "oidc".into(), value: "sid".into() };
        let client = ClientDetails {
            agent: Some("UA/1.0".into()),
            address: Some([192, 0, 2, 1].into()),
            location: Some("Turin".into()),
            ..client
        };
        let all = all.with_links(vec![link]).with_client(&client).display().to_string();
        for line in [
            "name          laptop\n",
            "methods       pwd\n",
            "link          oidc: sid\n",
            "user agent    UA/1.0\n",
            "address       192.0.2.1\n",
            "location      Turin\n",
        ] {
            assert!(all.contains(line), "{line} {all}");
        }
        let ended = record.next(8).with_end(Ended::revoked(at(3))).display().to_string();
        assert!(ended.contains("ended         1970-01-01T03:00:00Z\nbecause       revoked\n"));
        assert!(!ended.contains("Chrome"), "it is forgotten");
    }
}
