//! The two forms by which an admin says how long sessions may last.

use maud::{Markup, html};
use time::Duration;
use tower_curfew::OrgPolicy;

use crate::admin::{Fields, path};

const UNITS: [(&str, Duration); 4] = [
    ("days", Duration::DAY),
    ("hours", Duration::HOUR),
    ("minutes", Duration::MINUTE),
    ("seconds", Duration::SECOND),
];

/// Both forms, filled in.
pub(crate) fn forms(org: &str, fields: &Fields) -> Markup {
    html! {
        form.card #length method="post" action=(path(org, "/preview")) {
            h2 { "Enable shortened session length" }
            label { "Session length"
                select name="days" {
                    @for days in ["1", "3", "7", "14", "28"] {
                        (option("days", days, fields, html! {
                            (days) @if days == "1" { " day" } @else { " days" }
                        }))
                    }
                    (option("days", "own", fields, html! { "Another length" }))
                }
            }
            div.row {
                (number("number", "Another length", fields))
                label { "Unit"
                    select name="unit" {
                        @for (unit, _) in UNITS { (option("unit", unit, fields, html! { (unit) })) }
                    }
                }
            }
            label.check {
                input name="refresh" type="checkbox" value="yes"
                    checked[fields.contains_key("refresh")] aria-describedby="refreshed";
                "Refresh sessions automatically"
            }
            p.hint #refreshed { "Then the length counts from the last activity, not the sign-in." }
            button { "Preview" }
        }
        form.card #durations method="post" action=(path(org, "/preview")) {
            h2 { "Maximum and idle duration" }
            (durations("absolute", "Maximum duration, from the sign-in", fields))
            (durations("idle", "Idle duration, from the last activity", fields))
            p.hint { "Leave all three fields empty for no limit of that kind." }
            button { "Preview" }
        }
    }
}

fn durations(kind: &str, legend: &str, fields: &Fields) -> Markup {
    html! {
        fieldset {
            legend { (legend) }
            div.row {
                (number(&format!("{kind}_days"), "Days", fields))
                (number(&format!("{kind}_hours"), "Hours", fields))
                (number(&format!("{kind}_minutes"), "Minutes", fields))
            }
        }
    }
}

fn number(name: &str, label: &str, fields: &Fields) -> Markup {
    let value = fields.get(name);
    html! {
        label { (label) input name=(name) value=[value] inputmode="numeric" autocomplete="off"; }
    }
}

fn option(name: &str, value: &str, fields: &Fields, text: Markup) -> Markup {
    let selected = fields.get(name).is_some_and(|chosen| chosen == value);
    html! { option value=(value) selected[selected] { (text) } }
}

/// How the policy in force looks in the forms.
pub(crate) fn fields_of(policy: Option<OrgPolicy>) -> Fields {
    let mut fields = Fields::new();
    let Some(policy) = policy else {
        return fields;
    };
    let limits = [("absolute", policy.absolute_limit()), ("idle", policy.idle_limit())];
    for (kind, limit) in limits {
        let mut rest = limit.unwrap_or_default().whole_seconds();
        for (unit, size) in &UNITS[..3] {
            let count = rest / size.whole_seconds();
            rest %= size.whole_seconds();
            if count != 0 {
                fields.insert(format!("{kind}_{unit}"), count.to_string());
            }
        }
    }
    if let [(_, Some(length)), (_, None)] | [(_, None), (_, Some(length))] = limits {
        let whole = |size: Duration| length.whole_seconds() % size.whole_seconds() == 0;
        let unit = UNITS.into_iter().find(|(_, size)| whole(*size));
        let (unit, size) = unit.unwrap_or(("seconds", Duration::SECOND));
        let count = (length.whole_seconds() / size.whole_seconds()).to_string();
        let listed = unit == "days" && ["1", "3", "7", "14", "28"].contains(&&*count);
        if listed {
            fields.insert("days".to_owned(), count);
        } else {
            fields.insert("days".to_owned(), "own".to_owned());
            fields.insert("number".to_owned(), count);
            fields.insert("unit".to_owned(), unit.to_owned());
        }
        if policy.idle_limit().is_some() {
            fields.insert("refresh".to_owned(), "yes".to_owned());
        }
    }
    fields
}
