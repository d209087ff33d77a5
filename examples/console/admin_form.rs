//! The form by which an admin says how long sessions may last.

use maud::{Markup, html};
use time::Duration;
use tower_curfew::OrgPolicy;

use crate::admin::{Fields, path};
use crate::words;

/// What most organizations want, in one click.
pub(crate) const PRESETS: [Duration; 4] =
    [Duration::hours(8), Duration::days(1), Duration::days(7), Duration::days(28)];

pub(crate) const UNITS: [(&str, Duration); 4] = [
    ("days", Duration::DAY),
    ("hours", Duration::HOUR),
    ("minutes", Duration::MINUTE),
    ("seconds", Duration::SECOND),
];

/// The form, filled in. `bounds` are the shortest and the longest limit that is taken.
pub(crate) fn form(org: &str, fields: &Fields, bounds: (Duration, Duration)) -> Markup {
    let (shortest, longest) = bounds;
    html! {
        form.card #policy method="post" action=(path(org, "/preview")) {
            fieldset {
                legend { "Session length" }
                div.choice {
                    @for length in PRESETS {
                        (choice(&length.whole_seconds().to_string(), &words::length(length), fields))
                    }
                    (choice("custom", "Custom", fields))
                }
            }
            div.preset {
                label.check {
                    input name="refresh" type="checkbox" value="yes"
                        checked[fields.contains_key("refresh")] aria-describedby="refreshed";
                    "Refresh sessions automatically"
                }
                p.hint #refreshed {
                    "On: the length counts from the last activity. Off: it counts from the sign-in."
                }
            }
            div.custom {
                (limit("absolute", "Absolute limit, from the sign-in", fields, shortest))
                (limit("idle", "Idle limit, from the last activity", fields, shortest))
                p.hint {
                    "Each from " (words::length(shortest)) " to " (words::length(longest)) ". Leave \
                     the fields of a limit empty for no limit of that kind."
                }
            }
            button.primary { "Preview" }
        }
    }
}

fn choice(value: &str, text: &str, fields: &Fields) -> Markup {
    let chosen = fields.get("length").is_some_and(|length| length == value);
    html! {
        label.check { input name="length" type="radio" value=(value) checked[chosen] required; (text) }
    }
}

fn limit(kind: &str, legend: &str, fields: &Fields, shortest: Duration) -> Markup {
    html! {
        fieldset {
            legend { (legend) }
            div.row {
                @for (unit, _) in UNITS {
                    @let name = format!("{kind}_{unit}");
                    // Seconds are for trying things out.
                    @if unit != "seconds" || shortest < Duration::MINUTE || fields.contains_key(&name) {
                        label { (capitalized(unit))
                            input name=(name) value=[fields.get(&name)] inputmode="numeric"
                                autocomplete="off";
                        }
                    }
                }
            }
        }
    }
}

fn capitalized(unit: &str) -> String {
    unit.chars()
        .enumerate()
        .map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c })
        .collect()
}

/// How the policy in force looks in the form.
pub(crate) fn fields_of(policy: Option<OrgPolicy>) -> Fields {
    let mut fields = Fields::new();
    let Some(policy) = policy else {
        return fields;
    };
    let (absolute, idle) = (policy.absolute_limit(), policy.idle_limit());
    match (absolute, idle) {
        (Some(length), None) | (None, Some(length)) if PRESETS.contains(&length) => {
            fields.insert("length".to_owned(), length.whole_seconds().to_string());
            if idle.is_some() {
                fields.insert("refresh".to_owned(), "yes".to_owned());
            }
        }
        _ => {
            fields.insert("length".to_owned(), "custom".to_owned());
        }
    }
    // Filled in with a preset, too: whoever then chooses "Custom" begins with what is in force.
    for (kind, limit) in [("absolute", absolute), ("idle", idle)] {
        let mut rest = limit.unwrap_or_default().whole_seconds();
        for (unit, size) in UNITS {
            let count = rest / size.whole_seconds();
            rest %= size.whole_seconds();
            if count != 0 {
                fields.insert(format!("{kind}_{unit}"), count.to_string());
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_form::wanted;

    #[test]
    fn the_form_asks_for_the_policy_that_it_shows() {
        let long = Duration::days(2) + Duration::hours(3) + Duration::minutes(4);
        let mut policies = vec![
            OrgPolicy::absolute(long + Duration::seconds(5)),
            OrgPolicy::idle(Duration::minutes(90)),
            OrgPolicy::absolute(Duration::days(7)).and_idle(Duration::days(1)),
        ];
        for length in PRESETS {
            policies.extend([OrgPolicy::absolute(length), OrgPolicy::idle(length)]);
        }
        for policy in policies {
            assert_eq!(wanted(&fields_of(Some(policy))), Ok(policy), "{policy:?}");
        }
        assert!(fields_of(None).is_empty());
    }

    #[test]
    fn presets_come_first_and_seconds_only_where_they_can_be_set() {
        let shown = |policy, shortest| {
            form("acme", &fields_of(policy), (shortest, Duration::days(400))).into_string()
        };
        let page = shown(Some(OrgPolicy::idle(Duration::days(7))), Duration::minutes(5));
        for text in ["8 hours<", "1 day<", "7 days<", "28 days<", "from 5 minutes to 400 days"] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(page.find("28 days<").unwrap() < page.find("Custom<").unwrap());
        assert!(page.contains(r#"value="604800" checked"#), "{page}");
        assert!(page.contains(r#"value="yes" checked"#) && !page.contains("Seconds"), "{page}");
        assert!(shown(None, Duration::SECOND).contains("Seconds"));
        let odd = Some(OrgPolicy::absolute(Duration::seconds(90)));
        assert!(shown(odd, Duration::minutes(5)).contains("Seconds"), "it would be lost");
    }
}
