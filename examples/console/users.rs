//! The users of the demo. Who somebody is and what they may do is for the app to say.

use std::fmt;

use crate::hashing::{Busy, Hashing};

pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) orgs: &'static [&'static str],
    administers: &'static [&'static str],
    /// Printed at the start. A real app has only the hash.
    password: &'static str,
    hash: &'static str,
}

pub(crate) static USERS: [User; 3] = [
    User {
        name: "ada",
        orgs: &["acme", "globex"],
        administers: &[],
        password: "lovelace",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$g03XIaRcr3r+R9jv9mORBQ$I9mUpBOKrFCobmphdH371PQH94bqO88Oz91bd7Uf4cc",
    },
    User {
        name: "grace",
        orgs: &["acme"],
        administers: &["acme"],
        password: "hopper",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$brorDbBXxO4hsGrfIHJnVQ$fwGDGZfYDNYYJpShMBIYuyLJ903En5dg4Dpw4cYAXT0",
    },
    User {
        name: "alan",
        orgs: &["globex"],
        administers: &["globex"],
        password: "turing",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$/z+760rZy64SU9O7JCx9uA$YAUQy+A4IDyBVMV6zTEVOJ4dF9L5npHRPfJKv0r3gTQ",
    },
];

/// The hash of a password that nobody has.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Ks74E5jeuqjt5vYPIq7ecw$VILC8QR28BFBub1HWsSUreORKr5fpE+yLygkXZL40UA";

/// The user of this name, if the password is theirs.
///
/// For unknown names a hash is computed too, so that nobody can tell by the time it takes who has an
/// account.
pub(crate) async fn check(
    hashing: &Hashing,
    name: &str,
    password: String,
) -> Result<Option<&'static User>, Busy> {
    let user = USERS.iter().find(|user| user.name == name);
    let hash = user.map_or(NOBODY, |user| user.hash);
    let matches = hashing.matches(password, hash).await?;
    Ok(user.filter(|_| matches))
}

/// The organizations whose sessions somebody may administer.
pub(crate) fn administered_by(name: &str) -> impl Iterator<Item = &'static str> {
    let users = USERS.iter().filter(move |user| user.name == name);
    users.flat_map(|user| user.administers).copied()
}

/// For whoever starts the demo.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}, of {}", self.name, self.password, self.orgs.join(" and "))?;
        for org in self.administers {
            write!(f, ", admin of {org}")?;
        }
        Ok(())
    }
}
