//! The command that looks at a key file before a node has to.

use std::path::PathBuf;

use clap::Args;
use tower_curfew::Keyring;

/// Which file is looked at.
#[derive(Args)]
pub(crate) struct Checking {
    /// The keys, one a line, as nodes will have them
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
}

impl Checking {
    /// How many keys a node would have.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let keyring = Keyring::load(&self.key_file)?;
        Ok(format!("{keyring:?}\n"))
    }
}
