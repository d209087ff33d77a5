//! From the fields of the form to a policy, or to what is wrong with them.

use time::Duration;
use tower_curfew::OrgPolicy;

use crate::admin::Fields;
use crate::admin_form::{PRESETS, UNITS};

/// The policy that the form asks for. Without a choice the fields of "Custom" count, as on the page
/// that saves what was previewed.
pub(crate) fn wanted(fields: &Fields) -> Result<OrgPolicy, String> {
    const NOTHING: &str = "Choose a length, or fill in one. To have none, disable it.";
    match field(fields, "length") {
        "" | "custom" => custom(fields)?.ok_or_else(|| NOTHING.to_owned()),
        preset => {
            let is_chosen = |length: &Duration| length.whole_seconds().to_string() == preset;
            let length = PRESETS.into_iter().find(is_chosen).ok_or(NOTHING)?;
            Ok(OrgPolicy::session_length(length, fields.contains_key("refresh")))
        }
    }
}

/// Both limits: `absolute_days`, `absolute_hours`, …, and the same with `idle_`; whole numbers, or
/// empty, or not there.
fn custom(fields: &Fields) -> Result<Option<OrgPolicy>, String> {
    let (absolute, idle) = (duration(fields, "absolute")?, duration(fields, "idle")?);
    // Each is checked already, in words that say which of both is wrong.
    Ok(OrgPolicy::try_new(absolute, idle).unwrap_or(None))
}

fn duration(fields: &Fields, kind: &str) -> Result<Option<Duration>, String> {
    let mut sum = None::<Duration>;
    for (unit, size) in UNITS {
        let given = field(fields, &format!("{kind}_{unit}"));
        if given.is_empty() {
            continue;
        }
        let Ok(number) = given.parse::<u32>() else {
            return Err(format!("The {kind} {unit} must be a whole number."));
        };
        sum = Some(sum.unwrap_or_default().saturating_add(times(size, number)));
    }
    match OrgPolicy::try_new(sum, None) {
        Ok(_) => Ok(sum),
        Err(_) => Err(format!(
            "The {kind} limit is zero or too long. Leave its fields empty for no limit."
        )),
    }
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", |text| text.trim())
}

fn times(size: Duration, number: u32) -> Duration {
    Duration::seconds(size.whole_seconds().saturating_mul(i64::from(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(given: &[(&str, &str)]) -> Result<OrgPolicy, String> {
        wanted(&given.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    #[test]
    fn days_hours_minutes_and_seconds_add_up() {
        for (fields, expected) in [
            (&[("absolute_days", "7")][..], OrgPolicy::absolute(Duration::days(7))),
            (
                &[("idle_hours", " 1 "), ("idle_minutes", "30"), ("idle_seconds", "15")],
                OrgPolicy::idle(Duration::seconds(5415)),
            ),
            (
                &[("absolute_days", "0"), ("absolute_hours", "12"), ("idle_minutes", "15")],
                OrgPolicy::absolute(Duration::hours(12)).and_idle(Duration::minutes(15)),
            ),
            (&[("length", "604800"), ("refresh", "yes")], OrgPolicy::idle(Duration::days(7))),
            // What is left in the fields of "Custom" does not count then.
            (
                &[("length", "28800"), ("absolute_days", "3"), ("idle_days", "x")],
                OrgPolicy::absolute(Duration::hours(8)),
            ),
            (
                &[("length", "custom"), ("refresh", "yes"), ("absolute_minutes", "90")],
                OrgPolicy::absolute(Duration::minutes(90)),
            ),
        ] {
            assert_eq!(policy(fields), Ok(expected), "{fields:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (field, value, words) in [
            ("absolute_days", "-1", "absolute days"),
            ("idle_minutes", "1.5", "idle minutes"),
            ("idle_seconds", "soon", "idle seconds"),
            ("absolute_hours", "99999999999", "absolute hours"),
            ("absolute_days", "0", "absolute limit"),
            ("idle_days", "4294967295", "idle limit"),
            ("idle_hours", " ", "Choose a length"),
            ("length", "custom", "Choose a length"),
            ("length", "259200", "Choose a length"),
        ] {
            let wrong = policy(&[(field, value)]).unwrap_err();
            assert!(wrong.contains(words), "{field}={value}: {wrong}");
        }
    }
}
