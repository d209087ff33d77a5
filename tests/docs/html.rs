//! The documentation as rustdoc has written it.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

pub(crate) struct Html {
    folder: PathBuf,
    pages: BTreeMap<PathBuf, Page>,
}

struct Page {
    links: Vec<String>,
    ids: HashSet<String>,
}

impl Html {
    pub(crate) fn read(folder: &Path) -> Self {
        let mut pages = BTreeMap::new();
        let mut folders = vec![folder.join("tower_curfew")];
        while let Some(next) = folders.pop() {
            let entries = fs::read_dir(&next).expect("`cargo doc` has been run");
            for path in entries.map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "html") {
                    let name = path.strip_prefix(folder).unwrap().to_owned();
                    pages.insert(name, Page::read(&path));
                }
            }
        }
        assert!(pages.len() > 50, "this is not the documentation of the crate");
        Self { folder: folder.to_owned(), pages }
    }

    /// Links from one page of the documentation that lead to none.
    pub(crate) fn dead_links(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, page) in &self.pages {
            for link in page.links.iter().filter(|link| !link.contains("://")) {
                let (file, id) = link.split_once('#').unwrap_or((link, ""));
                let file = if file.is_empty() { name.clone() } else { beside(name, file) };
                let is_there = match self.pages.get(&file) {
                    Some(page) => id.is_empty() || page.ids.contains(id),
                    // A source with its lines, a script, or the index of all crates.
                    None => self.folder.join(&file).exists(),
                };
                if !is_there {
                    found.push(format!("{}: {link} leads nowhere", name.display()));
                }
            }
        }
        found
    }

    /// Links from the documentation to an address that begins so.
    pub(crate) fn links_to(&self, address: &str) -> Vec<String> {
        let links = |(name, page): (&PathBuf, &Page)| {
            let there = page.links.iter().filter(|link| link.starts_with(address));
            there.map(|link| format!("{}: {link}", name.display())).collect::<Vec<_>>()
        };
        self.pages.iter().flat_map(links).collect()
    }

    /// Whether such a page is there, and has what comes after `#`.
    pub(crate) fn has(&self, link: &str) -> bool {
        let (file, id) = link.split_once('#').unwrap_or((link, ""));
        let page = self.pages.get(&Path::new("tower_curfew").join(file));
        page.is_some_and(|page| id.is_empty() || page.ids.contains(id))
    }

    /// Where the item of such a path is described.
    pub(crate) fn page_of(&self, path: &str) -> String {
        let path = path.strip_prefix("crate::").expect("the path begins at the crate");
        let names = path.trim_end_matches("()").split("::").collect::<Vec<_>>();
        let (last, above) = names.split_last().expect("a path has a name");
        let item = |names: &[&str]| {
            let (last, modules) = names.split_last()?;
            let folder = modules.iter().map(|module| format!("{module}/")).collect::<String>();
            let kinds = ["struct", "enum", "trait", "fn", "constant", "macro", "type"];
            let mut pages = kinds.iter().map(|kind| format!("{folder}{kind}.{last}.html"));
            pages.find(|page| self.has(page))
        };
        if let Some(page) = item(&names) {
            return page;
        }
        let page = item(above).unwrap_or_else(|| panic!("there is no page of `{path}`"));
        let kinds = ["method", "tymethod", "variant", "associatedconstant", "structfield"];
        let mut links = kinds.iter().map(|kind| format!("{page}#{kind}.{last}"));
        links.find(|link| self.has(link)).unwrap_or_else(|| panic!("{page} has no `{last}`"))
    }
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        // What comes then are the words of other crates, with links of theirs.
        let own = text.split(" id=\"synthetic-implementations\"").next().unwrap();
        Self { links: values(own, "href"), ids: values(&text, "id").into_iter().collect() }
    }
}

/// What attributes of this name say.
fn values(text: &str, name: &str) -> Vec<String> {
    let begin = format!(" {name}=\"");
    let attributes = text.split(&begin).skip(1);
    attributes.map(|rest| decoded(rest.split('"').next().unwrap())).collect()
}

fn decoded(value: &str) -> String {
    value
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("%3C", "<")
        .replace("%3E", ">")
}

/// The file that a relative link on a page means.
fn beside(page: &Path, link: &str) -> PathBuf {
    let mut path = page.parent().unwrap().to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{link} leaves the documentation"),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}
