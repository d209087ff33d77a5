//! The command that moves sessions and policies from one store to another.

use std::fmt;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tower_curfew::store::{Copied, PostgresStore, Progress, RedisStore, SqliteStore, Store, copy};

use crate::options::{NO_MEMORY, StoreAt};

/// Which store is copied, and into which.
#[derive(Args)]
pub(crate) struct Copying {
    /// The store that is copied: sqlite:FILE, postgres://… or redis://…
    #[arg(long, value_name = "STORE")]
    from: StoreAt,
    /// The empty store that it is copied into; one that an earlier copy was interrupted in goes on
    #[arg(long, value_name = "STORE")]
    to: StoreAt,
}

impl Copying {
    /// Copies, with a bar on the standard error if that is a terminal.
    pub(crate) async fn run(&self) -> anyhow::Result<Summary> {
        anyhow::ensure!(self.from != self.to, "these are the same store; give another --to");
        let bar = ProgressBar::no_length().with_style(style()?);
        let copied = self.copy(&bar).await;
        bar.finish_and_clear();
        let copied = copied?;
        anyhow::ensure!(copied.unreadable == 0, advice(&copied));
        Ok(Summary(copied))
    }

    async fn copy(&self, bar: &ProgressBar) -> anyhow::Result<Copied> {
        self.from.must_exist("--from")?;
        match &self.from {
            StoreAt::Memory => anyhow::bail!(NO_MEMORY),
            StoreAt::Sqlite(file) => self.copy_from(&SqliteStore::open(file).await?, bar).await,
            StoreAt::Postgres(url) => {
                self.copy_from(&PostgresStore::connect(url).await?, bar).await
            }
            StoreAt::Redis(url) => self.copy_from(&RedisStore::connect(url).await?, bar).await,
        }
    }

    async fn copy_from(&self, from: &impl Store, bar: &ProgressBar) -> anyhow::Result<Copied> {
        let show = |progress: Progress| {
            if let Some(about) = progress.of_about {
                bar.set_length(about.max(progress.records));
            }
            bar.set_position(progress.records);
        };
        let copied = match &self.to {
            StoreAt::Memory => anyhow::bail!(NO_MEMORY),
            StoreAt::Sqlite(file) => copy(from, &SqliteStore::open(file).await?, show).await,
            StoreAt::Postgres(url) => copy(from, &PostgresStore::connect(url).await?, show).await,
            StoreAt::Redis(url) => copy(from, &RedisStore::connect(url).await?, show).await,
        };
        copied.context("not all is copied; mend what follows and give the same command again")
    }
}

fn style() -> anyhow::Result<ProgressStyle> {
    let template = "{bar:40} {human_pos} of about {human_len} sessions, {eta} left";
    Ok(ProgressStyle::with_template(template)?)
}

fn advice(copied: &Copied) -> String {
    format!(
        "{}, but {} sessions cannot be read; if a later version of tower-curfew has written them, copy \
         with that one, or else these people have to sign in again",
        Summary(*copied),
        copied.unreadable
    )
}

/// What was done, in a line.
pub(crate) struct Summary(Copied);

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Copied { rules, records, new, .. } = self.0;
        write!(
            f,
            "copied {records} sessions and the rules of {rules} organizations; {} were there before",
            records - new
        )
    }
}
