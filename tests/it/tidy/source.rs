//! The sources as the rules see them: what is code, what is prose, what only tests compile.

use std::env;
use std::fs;
use std::ops::Range;
use std::path::Path;

pub(super) struct Source {
    /// Relative to the project, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// The text with comments, strings and characters blanked; offsets stay.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into(), code: without_prose(text) }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(super) fn is_tests(&self) -> bool {
        self.path.ends_with("/tests.rs")
    }

    /// The module of the crate that this file belongs to; `lib.rs` and pages belong to none.
    pub(super) fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let first = inside.split('/').next()?;
        (first != "lib").then_some(first)
    }

    /// How many `super` lead from here to the crate root.
    pub(super) fn depth(&self) -> usize {
        self.path.trim_end_matches("/mod.rs").matches('/').count()
    }

    pub(super) fn code_without_tests(&self) -> String {
        if self.is_tests() {
            return String::new();
        }
        let mut code = self.code.clone();
        for range in test_modules(&self.code) {
            code.replace_range(range.clone(), &blanked(&self.code[range]));
        }
        code
    }

    pub(super) fn mentions(&self, words: &[&str], complaint: &str) -> Vec<String> {
        let mut found = Vec::new();
        if !self.is_rust() {
            return found;
        }
        for (at, word) in words.iter().flat_map(|word| self.code.match_indices(word)) {
            let rest = &self.code[at + word.len()..];
            // `now` also stands for `now_utc`.
            let whole = word.ends_with("now") || !rest.starts_with(is_word);
            if whole && !self.code[..at].ends_with(is_word) {
                found.push(self.finding(at, &format!("`{word}`: {complaint}")));
            }
        }
        found
    }

    pub(super) fn finding(&self, at: usize, complaint: &str) -> String {
        let line = self.text[..at].matches('\n').count() + 1;
        format!("{}:{line}: {complaint}", self.path)
    }
}

/// Where the modules are that only tests compile.
pub(super) fn test_modules(code: &str) -> Vec<Range<usize>> {
    let attributes = ["#[cfg(test)]", "#[cfg(all(test"];
    let mut found = Vec::new();
    for (at, _) in attributes.iter().flat_map(|attribute| code.match_indices(attribute)) {
        let Some(open) = code[at..].find(['{', ';']).map(|i| at + i) else {
            continue;
        };
        if !code[at..open].split_whitespace().any(|word| word == "mod") {
            continue;
        }
        let mut depth = 0;
        let end = code[open..].find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        });
        found.push(at..end.map_or(code.len(), |i| open + i + 1));
    }
    found
}

fn without_prose(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    while let Some(c) = text[code.len()..].chars().next() {
        let rest = &text[code.len()..];
        match prose(rest) {
            0 => code.push(c),
            length => code.push_str(&blanked(&rest[..length])),
        }
    }
    code
}

/// The length of the comment, string or character that `rest` begins with; 0 if it is code.
fn prose(rest: &str) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |i| from + i + end.len())
    };
    let mut chars = rest.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('/'), Some('/'), _) => rest.find('\n').unwrap_or(rest.len()),
        (Some('/'), Some('*'), _) => until("*/", 2),
        (Some('\''), Some('\\'), Some(escaped)) => until("'", 2 + escaped.len_utf8()),
        (Some('\''), Some(c), Some('\'')) => 2 + c.len_utf8(),
        (Some('"'), ..) => {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |i| i + 2)
        }
        (Some('r'), ..) if rest[1..].trim_start_matches('#').starts_with('"') => {
            let hashes = rest[1..].bytes().take_while(|&b| b == b'#').count();
            until(&format!("\"{}", "#".repeat(hashes)), 2 + hashes)
        }
        _ => 0,
    }
}

/// Spaces, as many as `text` has bytes; its lines stay.
fn blanked(text: &str) -> String {
    text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect()
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn sources(tops: &[&str]) -> Vec<Source> {
    fn read(path: &Path, name: &str, found: &mut Vec<Source>) {
        if path.is_dir() && !name.ends_with("/target") {
            for entry in fs::read_dir(path).expect("a folder that can be read").flatten() {
                read(&entry.path(), &format!("{name}/{}", entry.file_name().display()), found);
            }
        } else if let Ok(text) = fs::read_to_string(path) {
            found.push(Source::new(name, &text)); // what is no text is of no interest
        }
    }
    // Cargo's word at run time comes first: a copied `target` still knows the folder it came from.
    let root = env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
    let mut found = Vec::new();
    for top in tops {
        read(&Path::new(&root).join(top), top, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
