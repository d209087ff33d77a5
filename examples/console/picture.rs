//! A picture of what a policy does: when living sessions end, above as it is, below with the policy.
//!
//! Which of both it is, is said in words and can be seen by the pattern, so no color is needed. The
//! figures stand in a table, too.

use maud::{Markup, html};
use time::Duration;

use crate::ends::{Ends, Row};
use crate::words;

/// In pixels. Across everything is in percent, so that letters keep their size on all screens.
const PANEL: usize = 150;
const BASELINE: usize = 120;
const HIGHEST_BAR: usize = 78;

/// Which of the two panels it is, and how its bars are filled.
struct Panel<'a> {
    title: &'static str,
    kind: &'static str,
    fill: Option<&'static str>,
    row: &'a Row,
    top: usize,
}

pub(crate) fn picture(ends: &Ends) -> Markup {
    let highest = ends.before.highest().max(ends.after.highest());
    let panels = [
        Panel {
            title: BEFORE,
            kind: "before",
            fill: Some("url(#hatched)"),
            row: &ends.before,
            top: 0,
        },
        Panel { title: AFTER, kind: "after", fill: None, row: &ends.after, top: PANEL },
    ];
    let never = ends.before.never + ends.after.never != 0;
    let across = Across { columns: 1 + ends.before.within.len() + usize::from(never) };
    let (unit, size) = unit(ends.step);
    html! {
        figure.picture {
            figcaption {
                strong { "When sessions end if nobody uses them again" }
                br;
                (BEFORE) ": " (told(ends, &ends.before)) " " (AFTER) ": "
                (told(ends, &ends.after))
            }
            svg role="img" aria-label=(LABEL) width="100%" height=(2 * PANEL + 20) {
                defs {
                    pattern #hatched width="6" height="6" patternUnits="userSpaceOnUse"
                        patternTransform="rotate(45)" {
                        rect.ground width="6" height="6" {}
                        rect.line width="2" height="6" {}
                    }
                }
                @for panel in panels { (drawn(&panel, ends, highest, &across, size)) }
                text.unit x="100%" y=(2 * PANEL + 14) text-anchor="end" { (unit) " from now" }
            }
            details {
                summary { "The figures as a table" }
                (table(ends, never))
            }
        }
    }
}

const BEFORE: &str = "As it is";
const AFTER: &str = "With this policy";
const LABEL: &str = "Two bar charts, as it is and with this policy: how many sessions end after how \
                     much time. The table below has the figures.";

fn drawn(panel: &Panel<'_>, ends: &Ends, highest: usize, across: &Across, size: i64) -> Markup {
    let Panel { title, kind, fill, row, top } = panel;
    let baseline = top + BASELINE;
    let bar = |column: usize, sessions: usize, class: &str| {
        let height = (sessions * HIGHEST_BAR).div_ceil(highest.max(1));
        html! {
            @if sessions != 0 {
                rect class={ "bar " (kind) " " (class) } fill=[*fill] x=(across.at(column, 0.15))
                    y=(baseline - height) width=(across.width(0.7)) height=(height) {}
                text.count x=(across.at(column, 0.5)) y=(baseline - height - 5)
                    text-anchor="middle" { (sessions) }
            }
        }
    };
    let under = |column: usize, text: &str| {
        html! {
            text x=(across.at(column, 0.5)) y=(baseline + 18) text-anchor="middle" { (text) }
        }
    };
    html! {
        text.title x="0" y=(top + 14) { (title) }
        (bar(0, row.at_once, "at-once"))
        (under(0, "now"))
        @for (column, sessions) in row.within.iter().enumerate() {
            (bar(1 + column, *sessions, ""))
            line.axis x1=(across.at(2 + column, 0.0)) x2=(across.at(2 + column, 0.0))
                y1=(baseline) y2=(baseline + 5) {}
            text x=(across.at(2 + column, 0.0)) y=(baseline + 18) text-anchor="middle" {
                (ends.until(column).whole_seconds() / size)
            }
        }
        @if row.within.len() + 1 < across.columns {
            (bar(1 + row.within.len(), row.never, "never"))
            (under(1 + row.within.len(), "never"))
        }
        line.axis x1="0" x2="100%" y1=(baseline) y2=(baseline) {}
    }
}

/// Where things are from left to right.
struct Across {
    columns: usize,
}

impl Across {
    /// A place within a column. Half a column is left free on the right, for the last label.
    fn at(&self, column: usize, within: f64) -> String {
        format!("{:.2}%", (column as f64 + within) * self.column())
    }

    fn width(&self, of_a_column: f64) -> String {
        format!("{:.2}%", of_a_column * self.column())
    }

    fn column(&self) -> f64 {
        100.0 / (self.columns as f64 + 0.5)
    }
}

/// What the axis counts in, and how many seconds that is.
fn unit(step: Duration) -> (&'static str, i64) {
    let units = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
    let whole = |(_, size): &(&str, i64)| step.whole_seconds() % size == 0;
    units.into_iter().find(whole).unwrap_or(("seconds", 1))
}

/// As in `3 at once, 12 within 7 days, 1 never.`
fn told(ends: &Ends, row: &Row) -> String {
    let last = row.within.iter().rposition(|sessions| *sessions != 0);
    let within = last.map(|column| {
        let sessions = row.within.iter().sum::<usize>();
        format!("{sessions} within {}", words::length(ends.until(column)))
    });
    let some = |sessions: usize, when: &str| (sessions != 0).then(|| format!("{sessions} {when}"));
    let parts = [some(row.at_once, "at once"), within, some(row.never, "never")];
    let parts = parts.into_iter().flatten().collect::<Vec<_>>();
    format!("{}.", if parts.is_empty() { "no sessions".to_owned() } else { parts.join(", ") })
}

fn table(ends: &Ends, never: bool) -> Markup {
    let line = |when: &str, before: usize, after: usize| {
        html! { tr { th scope="row" { (when) } td { (before) } td { (after) } } }
    };
    let Ends { before, after, .. } = ends;
    html! {
        table {
            caption { "Number of sessions, by the time until they end" }
            thead {
                tr {
                    th scope="col" { "Ends" }
                    th scope="col" { (BEFORE) }
                    th scope="col" { (AFTER) }
                }
            }
            tbody {
                (line("At once", before.at_once, after.at_once))
                @for (column, (before, after)) in before.within.iter().zip(&after.within).enumerate() {
                    @let until = words::length(ends.until(column));
                    @let when = match column {
                        0 => format!("Within {until}"),
                        _ => format!("{} to {until}", words::length(ends.until(column - 1))),
                    };
                    (line(&when, *before, *after))
                }
                @if never { (line("Never", before.never, after.never)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(never: usize) -> Ends {
        Ends {
            step: Duration::days(4),
            before: Row { at_once: 0, within: vec![0, 2, 6], never },
            after: Row { at_once: 3, within: vec![4, 1, 0], never: 0 },
        }
    }

    #[test]
    fn the_picture_its_words_and_its_table_say_the_same() {
        let page = picture(&ends(1)).into_string();
        assert!(page.contains("As it is: 8 within 12 days, 1 never."), "{page}");
        assert!(page.contains("With this policy: 3 at once, 5 within 8 days."), "{page}");
        for (when, before, after) in [
            ("At once", 0, 3),
            ("Within 4 days", 0, 4),
            ("4 days to 8 days", 2, 1),
            ("8 days to 12 days", 6, 0),
            ("Never", 1, 0),
        ] {
            let line = format!("{when}</th><td>{before}</td><td>{after}</td>");
            assert!(page.contains(&line), "{line} is not in {page}");
        }
        let bars = |kind: &str| page.matches(&format!("<rect class=\"bar {kind} ")).count();
        assert_eq!((bars("before"), bars("after")), (3, 3), "{page}");
        assert_eq!(page.matches(r#"fill="url(#hatched)""#).count(), 3, "{page}");
    }

    #[test]
    fn the_highest_bar_fills_its_panel_and_none_leaves_it() {
        let page = picture(&ends(0)).into_string();
        let heights = page.split("<rect class=\"bar ").skip(1).map(|bar| {
            let (_, rest) = bar.split_once(" height=\"").unwrap();
            rest.split_once('"').unwrap().0.parse::<usize>().unwrap()
        });
        // 6 sessions are the highest.
        assert_eq!(heights.collect::<Vec<_>>(), [26, 78, 39, 52, 13]);
        assert!(!page.contains("never"), "{page}");
    }

    #[test]
    fn the_axis_counts_in_the_largest_whole_unit() {
        for (seconds, expected) in
            [(5, "seconds"), (900, "minutes"), (43_200, "hours"), (345_600, "days")]
        {
            assert_eq!(unit(Duration::seconds(seconds)).0, expected);
        }
    }
}
