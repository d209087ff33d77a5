//! Changes to a text that may lie within one another.

use std::cmp::Reverse;
use std::ops::Range;

/// What stands in the place of a range of the text.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) range: Range<usize>,
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    New(String),
    /// A range of the text, with the edits that lie within it.
    Old(Range<usize>),
}

/// The text with all edits. Of two edits of the same range, the first is around the other one.
pub(crate) fn applied(text: &str, edits: &[Edit]) -> String {
    let mut out = String::new();
    render(text, edits, 0..text.len(), None, &mut out);
    out
}

fn render(
    text: &str,
    edits: &[Edit],
    range: Range<usize>,
    around: Option<usize>,
    out: &mut String,
) {
    let mut at = range.start;
    let mut last = None;
    loop {
        let is_next = |(number, edit): &(usize, &Edit)| {
            at <= edit.range.start
                && edit.range.end <= range.end
                && (edit.range != range || around.is_none_or(|around| around < *number))
                // One that replaces nothing leaves `at` where it is.
                && last.is_none_or(|last: usize| {
                    edits[last].range != edit.range || last < *number
                })
        };
        let next = edits.iter().enumerate().filter(is_next);
        let next =
            next.min_by_key(|(number, edit)| (edit.range.start, Reverse(edit.range.end), *number));
        let Some((number, edit)) = next else {
            break;
        };
        out.push_str(&text[at..edit.range.start]);
        for part in &edit.parts {
            match part {
                Part::New(new) => out.push_str(new),
                Part::Old(old) => {
                    let around = (*old == edit.range).then_some(number);
                    render(text, edits, old.clone(), around, out);
                }
            }
        }
        at = edit.range.end;
        last = Some(number);
    }
    out.push_str(&text[at..range.end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(text: &str) -> Part {
        Part::New(text.to_owned())
    }

    #[test]
    fn edits_lie_within_one_another_and_may_repeat_what_they_replace() {
        let edits = [
            Edit {
                range: 4..9,
                parts: vec![new("<"), Part::Old(4..9), new("|"), Part::Old(8..9), new(">")],
            },
            Edit { range: 4..9, parts: vec![new("("), Part::Old(4..9), new(")")] },
            Edit { range: 8..9, parts: vec![new("["), Part::Old(8..9), new("]")] },
            Edit { range: 4..4, parts: vec![new("one")] },
            Edit { range: 4..4, parts: vec![new("two ")] },
        ];
        assert_eq!(applied("x = a + b;", &edits), "x = <(onetwo a + [b])|[b]>;");
    }
}
