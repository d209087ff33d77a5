//! Words that the prose does not use, because a reader has to stop at them: metaphors, pronouns in the place
//! of nouns, and words for which the field has another one.

use super::source::Source;

/// Each with what to say instead.
const WORDS: &[(&str, &str)] = &[
    ("bite", "take effect"),
    ("bites", "takes effect"),
    ("door", "name the check"),
    ("for good", "permanently"),
    ("garbage", "malformed or forged tokens"),
    ("hands", "name who acts"),
    ("is none", "say what it is"),
    ("let in", "admitted"),
    ("lets in", "admits"),
    ("nobody is", "name the user, and say `not`"),
    ("none of one's own", "that belongs to another user"),
    ("one's own", "your own, or the user's own"),
    ("patience", "timeout"),
    ("people", "users"),
    ("shelf", "table"),
    ("shelves", "tables"),
    ("so it is", "say what is so"),
    ("strike", "take effect"),
    ("strikes", "takes effect"),
    ("turned away", "rejected"),
    ("turns away", "rejects"),
    ("whatever", "name the thing"),
    ("whoever", "a user, a client, a caller"),
];

pub(super) fn stilted(file: &Source) -> Vec<String> {
    let prose = if file.is_rust() { comments(file) } else { text(&file.text) };
    let words = words(&prose);
    let mut found = Vec::new();
    for (at, &(offset, _)) in words.iter().enumerate() {
        for (phrase, instead) in WORDS {
            let mut there = words[at..].iter().map(|(_, word)| word.as_str());
            if phrase.split(' ').all(|word| there.next() == Some(word)) {
                found
                    .push(file.finding(offset, &format!("`{phrase}`: say it plainly ({instead})")));
            }
        }
    }
    found
}

/// In small letters, with where they begin.
fn words(prose: &str) -> Vec<(usize, String)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '\'';
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut follows = false;
    for (at, c) in prose.char_indices() {
        match found.last_mut() {
            Some((_, word)) if is_part(c) && follows => word.extend(c.to_lowercase()),
            _ if is_part(c) => found.push((at, c.to_lowercase().collect())),
            _ => {}
        }
        follows = is_part(c);
    }
    found
}

/// The comments of a program, without the code in them; all else is blank.
fn comments(file: &Source) -> String {
    let only = |(line, code): (&str, &str)| {
        let at =
            line.find("//").filter(|&at| code[at..].trim().is_empty() && !line.contains("://"));
        let at = at.unwrap_or(line.len());
        format!("{}{}", " ".repeat(at), line[at..].replace("//", "  "))
    };
    let lines = file.text.split('\n').zip(file.code.split('\n'));
    let comments = lines.map(only).collect::<Vec<_>>().join("\n");
    without_spans(&comments)
}

/// A page without its blocks of code, its comments, and code within a line.
fn text(page: &str) -> String {
    let (mut is_code, mut is_comment) = (false, false);
    let mut lines = Vec::new();
    for line in page.split('\n') {
        let is_fence = line.starts_with("```");
        is_comment |= line.starts_with("<!--");
        let is_prose = !(is_fence || is_code || is_comment);
        is_code ^= is_fence && !is_comment;
        is_comment &= !line.contains("-->");
        lines.push(if is_prose { line.to_owned() } else { " ".repeat(line.len()) });
    }
    without_spans(&lines.join("\n"))
}

/// Blanks what stands between backticks on a line.
fn without_spans(text: &str) -> String {
    let blank = |line: &str| {
        let mut is_code = false;
        let mut kept = String::with_capacity(line.len());
        for c in line.chars() {
            is_code ^= c == '`';
            if is_code || c == '`' {
                kept.extend(std::iter::repeat_n(' ', c.len_utf8()));
            } else {
                kept.push(c);
            }
        }
        kept
    };
    text.split('\n').map(blank).collect::<Vec<_>>().join("\n")
}
