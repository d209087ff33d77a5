//! How figures are written.

pub(super) use crate::page::Table;

/// Two digits that count, and the rest as zeros.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let digits = value.abs().log10().floor() as i32;
    if digits < 1 {
        let decimals = (1 - digits).clamp(0, 4) as usize;
        let text = format!("{value:.decimals$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let unit = 10_f64.powi(digits - 1);
    let text = format!("{:.0}", (value / unit).round() * unit);
    let mut grouped = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at != 0 && (text.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share that may be more than there is.
pub(super) fn share(value: f64) -> String {
    if value < 0.005 {
        return "under 1 %".into();
    }
    format!("{} %", number((value * 100.0).round()))
}

/// A share of all, however small.
pub(super) fn percent(value: f64) -> String {
    format!("{} %", number(value * 100.0))
}

pub(super) fn bytes(value: f64) -> String {
    let unit = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB")];
    let (unit, name) = unit.into_iter().find(|(unit, _)| *unit <= value).unwrap_or((1.0, "B"));
    format!("{} {name}", number(value / unit))
}
