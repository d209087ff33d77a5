//! The serialized form of values in JSON answers.

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};
use time::Duration;

use crate::clock::Timestamp;
use crate::curfew::Effect;
use crate::limits::Limit;
use crate::policy::OrgPolicy;
use crate::session::{ActiveSession, Deadline, EndReason, Ended, SessionId, SessionKind};

/// Serializes each as its `Display` form.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

as_text!(Timestamp, SessionId, SessionKind, EndReason, Limit, Effect);

/// `absolute_seconds` and `idle_seconds`, `null` without such a limit.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for OrgPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = |limit: Option<Duration>| limit.map(Duration::whole_seconds);
        let mut policy = serializer.serialize_struct("OrgPolicy", 2)?;
        policy.serialize_field("absolute_seconds", &seconds(self.absolute_limit()))?;
        policy.serialize_field("idle_seconds", &seconds(self.idle_limit()))?;
        policy.end()
    }
}

/// `at`, `reason` and `organization`.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Ended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ended = serializer.serialize_struct("Ended", 3)?;
        ended.serialize_field("at", &self.at)?;
        ended.serialize_field("reason", &self.reason)?;
        ended.serialize_field("organization", &self.org.as_deref())?;
        ended.end()
    }
}

/// The limit that ends a session: `limit` and `organization`. The time stands beside it.
#[derive(Serialize)]
pub(crate) struct BoundBy<'a> {
    limit: Limit,
    organization: Option<&'a str>,
}

impl<'a> From<&'a Deadline> for BoundBy<'a> {
    fn from(deadline: &'a Deadline) -> Self {
        Self { limit: deadline.limit, organization: deadline.org.as_deref() }
    }
}

/// The form in the account routes, without the parts that only the owner's browser knows.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for ActiveSession {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let client = self.client();
        let mut session = serializer.serialize_struct("ActiveSession", 10)?;
        session.serialize_field("id", &self.id())?;
        session.serialize_field("kind", &self.kind())?;
        session.serialize_field("name", &self.name())?;
        session.serialize_field("device", &client.device.as_deref())?;
        session.serialize_field("location", &client.location.as_deref())?;
        session.serialize_field("created_at", &self.created_at())?;
        session.serialize_field("last_seen_at", &self.last_seen_at())?;
        session.serialize_field("updated_at", &self.updated_at())?;
        session.serialize_field("ends_at", &self.ends_at())?;
        session.serialize_field("bound_by", &self.bound_by().map(BoundBy::from))?;
        session.end()
    }
}
