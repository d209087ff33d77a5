//! The form of a settings page.

use std::collections::HashMap;

use serde::Deserialize;
use time::Duration;

use crate::policy::OrgPolicy;

/// A policy as a form sends it: `absolute_days`, `absolute_hours`, `absolute_minutes`,
/// `absolute_seconds`, and the same with `idle_`; whole numbers, or empty, or not there.
///
/// ```
/// use axum::Form;
/// use tower_curfew::{InvalidPolicyForm, PolicyForm};
///
/// async fn save(Form(form): Form<PolicyForm>) -> String {
///     match form.policy() {
///         Ok(Some(policy)) => format!("set {policy:?}"),
///         Ok(None) => "removed".to_owned(),
///         Err(wrong) => wrong.to_string(),
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct PolicyForm(HashMap<String, String>);

impl PolicyForm {
    /// The policy; `None` if all fields are empty.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicyForm`] names a field that is no whole number, or one of those that together
    /// are zero or too long. Whether a limit is within [bounds](crate::Builder::policy_bounds) is
    /// checked when the policy is set.
    pub fn policy(&self) -> Result<Option<OrgPolicy>, InvalidPolicyForm> {
        let absolute = self.limit("absolute")?;
        let idle = self.limit("idle")?;
        // Each is checked already, and in words that say which of both is wrong.
        Ok(OrgPolicy::try_new(absolute, idle).unwrap_or(None))
    }

    fn limit(&self, kind: &str) -> Result<Option<Duration>, InvalidPolicyForm> {
        let mut sum = None::<Duration>;
        for (unit, length) in [
            ("days", Duration::DAY),
            ("hours", Duration::HOUR),
            ("minutes", Duration::MINUTE),
            ("seconds", Duration::SECOND),
        ] {
            let field = format!("{kind}_{unit}");
            let given = self.0.get(&field).map_or("", |given| given.trim());
            if given.is_empty() {
                continue;
            }
            let Some(part) = given.parse().ok().and_then(|count: u32| times(length, count)) else {
                return Err(InvalidPolicyForm { problem: "is no whole number", field });
            };
            sum = Some(sum.unwrap_or_default().saturating_add(part));
        }
        match OrgPolicy::try_new(sum, None) {
            Ok(_) => Ok(sum),
            Err(_) => Err(InvalidPolicyForm {
                problem: "and the fields beside it are zero or too long; leave them empty for none",
                field: format!("{kind}_days"),
            }),
        }
    }
}

fn times(length: Duration, count: u32) -> Option<Duration> {
    length.whole_seconds().checked_mul(i64::from(count)).map(Duration::seconds)
}

/// A field of a [`PolicyForm`] that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidPolicyForm {
    field: String,
    problem: &'static str,
}

impl InvalidPolicyForm {
    /// The name of the field.
    pub fn field(&self) -> &str {
        &self.field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(fields: &[(&str, &str)]) -> Result<Option<OrgPolicy>, InvalidPolicyForm> {
        let owned = fields.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        PolicyForm(owned.collect()).policy()
    }

    #[test]
    fn r20_days_hours_minutes_and_seconds_add_up() {
        for (fields, expected) in [
            (&[][..], None),
            (&[("absolute_days", ""), ("idle_hours", " ")], None),
            (&[("absolute_days", "7")], Some(OrgPolicy::absolute(Duration::days(7)))),
            (
                &[("idle_hours", " 1 "), ("idle_minutes", "30"), ("idle_seconds", "15")],
                Some(OrgPolicy::idle(Duration::seconds(5415))),
            ),
            (
                &[("absolute_days", "0"), ("absolute_hours", "12"), ("idle_minutes", "15")],
                Some(OrgPolicy::absolute(Duration::hours(12)).and_idle(Duration::minutes(15))),
            ),
        ] {
            assert_eq!(policy(fields), Ok(expected), "{fields:?}");
        }
    }

    #[test]
    fn r23_what_cannot_be_is_named_with_its_field() {
        for (field, value) in [
            ("absolute_days", "-1"),
            ("idle_minutes", "1.5"),
            ("idle_seconds", "soon"),
            ("absolute_hours", "99999999999"),
            ("absolute_days", "0"),
            ("idle_days", "4294967295"),
        ] {
            let wrong = policy(&[(field, value)]).unwrap_err();
            assert_eq!(wrong.field(), field, "{value}");
            assert!(wrong.to_string().starts_with(field), "{wrong}");
        }
    }
}
