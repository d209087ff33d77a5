//! Tables on a page, each between two comments, where a command writes or checks them.

use std::fs;
use std::process::ExitCode;

/// A page with tables of one command.
pub struct Page {
    pub path: &'static str,
    /// The word with which the comment above each table begins.
    pub word: &'static str,
    /// The command that makes the tables.
    pub command: &'static str,
}

/// A table in Markdown, and the name that it has on the page.
pub type NamedTable = (&'static str, String);

impl Page {
    /// Prints the tables, writes them into the page with `--write`, or fails with `--check` if the page has
    /// others.
    pub fn run(&self, options: &[&str], tables: impl FnOnce() -> Vec<NamedTable>) -> ExitCode {
        match options {
            [] => {
                for (name, table) in tables() {
                    println!("{}", self.framed(name, &table));
                }
            }
            ["--write"] => {
                let renewed = self.renewed(self.read(), &tables());
                fs::write(self.path, renewed).expect("the page can be written");
            }
            ["--check"] => {
                let differing = self.differing(&tables()).join(", ");
                if !differing.is_empty() {
                    let command = self.command;
                    eprintln!(
                        "other than on the page: {differing}; renew them with `{command} --write`"
                    );
                    return ExitCode::FAILURE;
                }
            }
            _ => {
                eprintln!("usage: {} [--write | --check]", self.command);
                return ExitCode::FAILURE;
            }
        }
        ExitCode::SUCCESS
    }

    /// The names of tables that the page has in another form, or not at all.
    pub fn differing(&self, tables: &[NamedTable]) -> Vec<&'static str> {
        let page = self.read();
        let differs = |(name, table): &&NamedTable| !page.contains(&self.framed(name, table));
        tables.iter().filter(differs).map(|(name, _)| *name).collect()
    }

    fn read(&self) -> String {
        fs::read_to_string(self.path).expect("the page is there")
    }

    fn framed(&self, name: &str, table: &str) -> String {
        format!("{}\n\n{table}\n{END}\n", self.begin(name))
    }

    fn begin(&self, name: &str) -> String {
        format!("<!-- {}: {name} -->", self.word)
    }

    fn renewed(&self, mut page: String, tables: &[NamedTable]) -> String {
        for (name, table) in tables {
            let from = page
                .find(&self.begin(name))
                .unwrap_or_else(|| panic!("the page has no table {name}"));
            let length = page[from..].find(END).expect("each has an end") + END.len() + 1;
            page.replace_range(from..from + length, &self.framed(name, table));
        }
        page
    }
}

const END: &str = "<!-- end -->";

/// A table in Markdown.
pub struct Table(pub String);

impl Table {
    pub fn new(head: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(head.iter().map(ToString::to_string));
        table.row(head.iter().map(|_| "---".to_owned()));
        table
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().collect::<Vec<_>>().join(" | ");
        self.0 += &format!("| {cells} |\n");
    }
}
