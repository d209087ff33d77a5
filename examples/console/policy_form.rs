//! From the fields of the two forms to a policy, or to what is wrong with them.

use time::Duration;
use tower_curfew::OrgPolicy;

use crate::admin::Fields;
use crate::page::sentence;

const UNITS: [(&str, Duration); 4] = [
    ("days", Duration::DAY),
    ("hours", Duration::HOUR),
    ("minutes", Duration::MINUTE),
    ("seconds", Duration::SECOND),
];

/// The policy that one of the forms asks for.
pub(crate) fn wanted(fields: &Fields) -> Result<OrgPolicy, String> {
    const NOTHING: &str = "Fill in a length. To have none, disable it.";
    let policy =
        if fields.contains_key("days") { session_length(fields) } else { durations(fields) };
    policy?.ok_or_else(|| NOTHING.to_owned())
}

/// The form of one length, with a check box "refresh automatically".
fn session_length(fields: &Fields) -> Result<Option<OrgPolicy>, String> {
    let (number, unit) = match field(fields, "days") {
        "own" => (field(fields, "number"), field(fields, "unit")),
        days => (days, "days"),
    };
    let number = number.parse::<u32>().map_err(|_| "The length must be a whole number.")?;
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit).unwrap_or(UNITS[3]);
    let length = Some(times(size, number));
    let policy = if fields.contains_key("refresh") {
        OrgPolicy::try_new(None, length)
    } else {
        OrgPolicy::try_new(length, None)
    };
    policy.map_err(|wrong| sentence(&wrong))
}

/// The form of both durations: `absolute_days`, `absolute_hours`, …, and the same with `idle_`; whole
/// numbers, or empty, or not there.
fn durations(fields: &Fields) -> Result<Option<OrgPolicy>, String> {
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
            "The {kind} duration is zero or too long. Leave its fields empty for no limit."
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
            (&[("days", "3"), ("refresh", "yes")], OrgPolicy::idle(Duration::days(3))),
            (
                &[("days", "own"), ("number", "90"), ("unit", "minutes")],
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
            ("absolute_days", "0", "absolute duration"),
            ("idle_days", "4294967295", "idle duration"),
            ("idle_hours", " ", "Fill in a length"),
            ("days", "many", "whole number"),
        ] {
            let wrong = policy(&[(field, value)]).unwrap_err();
            assert!(wrong.contains(words), "{field}={value}: {wrong}");
        }
    }
}
