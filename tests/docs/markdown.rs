//! A page as the repository shows it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{BrokenLink, CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

pub(crate) struct Markdown {
    path: PathBuf,
    text: String,
}

impl Markdown {
    pub(crate) fn read(path: &Path) -> Self {
        Self { path: path.to_owned(), text: fs::read_to_string(path).unwrap() }
    }

    pub(crate) fn name(&self) -> String {
        self.path.strip_prefix(super::repository()).unwrap().display().to_string()
    }

    /// Whether rustdoc shows it, too.
    pub(crate) fn is_in_documentation(&self) -> bool {
        self.path.parent().unwrap().ends_with("src/docs") && !self.path.ends_with("links.md")
    }

    /// Where its links and pictures lead.
    pub(crate) fn links(&self) -> Vec<String> {
        let to = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.into_string())
            }
            _ => None,
        };
        Parser::new_ext(&self.text, Options::ENABLE_TABLES).filter_map(to).collect()
    }

    /// References, written as `[text][label]`, that it does not define.
    pub(crate) fn undefined(&self) -> impl Iterator<Item = String> {
        let found = RefCell::new(BTreeSet::new());
        let note = |link: BrokenLink<'_>| -> Option<(CowStr<'_>, CowStr<'_>)> {
            if self.text[link.span].contains("][") {
                found.borrow_mut().insert(link.reference.to_string());
            }
            None
        };
        Parser::new_with_broken_link_callback(&self.text, Options::ENABLE_TABLES, Some(note))
            .for_each(drop);
        found.into_inner().into_iter()
    }

    /// Which of these labels it refers to.
    pub(crate) fn references(&self, labels: &BTreeMap<String, String>) -> BTreeSet<String> {
        let found = RefCell::new(BTreeSet::new());
        let note = |link: BrokenLink<'_>| -> Option<(CowStr<'_>, CowStr<'_>)> {
            let label = link.reference.to_string();
            if labels.contains_key(&label) {
                found.borrow_mut().insert(label);
            }
            None
        };
        let text = self.text.split(super::DEFINITIONS).next().unwrap();
        Parser::new_with_broken_link_callback(text, Options::ENABLE_TABLES, Some(note))
            .for_each(drop);
        found.into_inner()
    }

    /// Whether a relative link leads to a file, and to a heading if it names one.
    pub(crate) fn leads_to(&self, link: &str, pages: &[Self]) -> bool {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let path = if file.is_empty() {
            self.path.clone()
        } else {
            self.path.parent().unwrap().join(file)
        };
        let Ok(path) = path.canonicalize() else { return false };
        if heading.is_empty() {
            return true;
        }
        pages.iter().any(|page| page.path == path && page.headings().iter().any(|it| it == heading))
    }

    /// The names by which one links to its headings: words in small letters, with hyphens between them.
    fn headings(&self) -> Vec<String> {
        let (mut found, mut heading) = (Vec::new(), None::<String>);
        for event in Parser::new_ext(&self.text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => found.extend(heading.take()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        let mut seen = HashMap::new();
        let named = |heading: String| {
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let name =
                heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
            let before = seen.entry(name.clone()).and_modify(|count| *count += 1).or_insert(0);
            if *before == 0 { name } else { format!("{name}-{before}") }
        };
        found.into_iter().map(named).collect()
    }

    /// The languages of its blocks of code.
    pub(crate) fn languages(&self) -> BTreeSet<String> {
        let language = |event| match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                Some(language.into_string())
            }
            _ => None,
        };
        Parser::new_ext(&self.text, Options::ENABLE_TABLES).filter_map(language).collect()
    }

    pub(crate) fn ends_with(&self, marker: &str, definitions: &str) -> bool {
        match self.text.split_once(marker) {
            Some((_, there)) => there.trim() == definitions.trim() && !definitions.is_empty(),
            None => definitions.is_empty(),
        }
    }

    /// Puts these definitions at the end, in the place of those that are there.
    pub(crate) fn write(&self, marker: &str, definitions: &str) {
        let text = self.text.split(marker).next().unwrap().trim_end();
        let end = if definitions.is_empty() {
            String::new()
        } else {
            format!("\n{marker}\n\n{definitions}")
        };
        fs::write(&self.path, format!("{text}\n{end}")).unwrap();
    }
}
