//! Copying all data of one store into another.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::yield_now;

use super::contract::Store;
use super::error::StoreError;
use super::scan::Scanned;
use crate::clock::{Clock as _, SystemClock};
use crate::policy::OrgRules;
use crate::session::{Record, Revision};

#[cfg(test)]
mod tests;

/// Copies all rules and all sessions into another store, so that a site can move.
///
/// Users stay signed in. The source is not changed.
///
/// First stop the app on all nodes, and start it on the new store after this has returned. Changes
/// made in the meantime may be missing in the target. A missing sign-out would make a signed-out
/// session valid again. A partial copy does not know the missing sessions, and treats their users
/// as if they had never signed in.
///
/// The target must be empty, or contain a part of the same source: if the copy is interrupted, call
/// it again. It keeps no state of its own. It reads all records again, skips the existing ones,
/// which is quick, and continues.
///
/// Rules are copied first, then records in pages of 1,000. A record that cannot be read is counted
/// and skipped ([`Copied::unreadable`]). `progress` is called after each page.
///
/// ```no_run
/// # #[cfg(all(feature = "sqlite", feature = "postgres"))]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_curfew::store::{PostgresStore, SqliteStore, copy};
///
/// let from = SqliteStore::open("sessions.db").await?;
/// let to = PostgresStore::connect("postgres://app@db.internal/app").await?;
/// let copied = copy(&from, &to, |progress| println!("{} sessions", progress.records)).await?;
/// assert_eq!(copied.unreadable, 0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`CopyError`] says which of the two stores does not answer, or what prevents the copy: rules
/// that cannot be read, or a target that is in use. Records copied by then stay in the target.
pub async fn copy(
    from: &impl Store,
    to: &impl Store,
    mut progress: impl FnMut(Progress),
) -> Result<Copied, CopyError> {
    let rules = all_rules(from).await.map_err(CopyError::source_failed)?;
    // Read before anything is written, in case the source cannot be scanned.
    let mut page = from.scan(None, PAGE).await.map_err(CopyError::source_failed)?;
    let rules = readable(rules)?;
    copy_rules(&rules, to).await?;

    let mut copied = Copied { rules: rules.len() as u64, ..Copied::default() };
    let of_about = page.of_about;
    loop {
        let Scanned { records, unreadable, next, .. } = page;
        copied.unreadable += u64::from(unreadable);
        copied.records += records.len() as u64;
        let import = to.import(records.into_iter().map(Record::as_read).collect());
        let scan = async {
            match next {
                Some(place) => from.scan(Some(place), PAGE).await.map(Some),
                None => Ok(None),
            }
        };
        // One store reads while the other writes.
        let (new, following) = tokio::join!(import, scan);
        copied.new += new.map_err(CopyError::target_failed)?;
        progress(Progress { rules: copied.rules, records: copied.records, of_about });
        match following.map_err(CopyError::source_failed)? {
            Some(following) => page = following,
            None => return Ok(copied),
        }
        // Neither store may ever have to wait.
        yield_now().await;
    }
}

/// The number of rules or records read at once.
const PAGE: u32 = 1000;

/// Rules of organizations, as stored; `None` if they cannot be read.
type FoundRules = HashMap<Arc<str>, Option<OrgRules>>;

async fn all_rules(store: &impl Store) -> Result<FoundRules, StoreError> {
    let mut all = HashMap::new();
    let mut revision = Revision::NONE;
    loop {
        let answer = store.rules_since(revision, PAGE).await?;
        let is_last = answer.changes.len() < PAGE as usize;
        all.extend(answer.changes.into_iter().map(|changed| (changed.org, changed.rules.ok())));
        revision = answer.reaches;
        if is_last {
            return Ok(all);
        }
        yield_now().await;
    }
}

fn readable(found: FoundRules) -> Result<HashMap<Arc<str>, OrgRules>, CopyError> {
    let all = found.len();
    let readable = found.into_iter().filter_map(|(org, rules)| Some((org, rules?)));
    let readable = HashMap::<_, _>::from_iter(readable);
    match all - readable.len() {
        0 => Ok(readable),
        unreadable => Err(CopyError::unreadable_rules(unreadable)),
    }
}

async fn copy_rules(rules: &HashMap<Arc<str>, OrgRules>, to: &impl Store) -> Result<(), CopyError> {
    let there = all_rules(to).await.map_err(CopyError::target_failed)?;
    let same = |org: &str, there: &Option<OrgRules>| match (rules.get(org), there) {
        (Some(rules), Some(there)) => rules.encode() == there.encode(),
        _ => false,
    };
    let others = there.iter().filter(|(org, there)| !same(org, there)).count();
    if 0 < others {
        return Err(CopyError::in_use(others));
    }
    for (org, rules) in rules.iter().filter(|(org, _)| !there.contains_key(*org)) {
        let new = rules.clone().in_place_of(Revision::NONE);
        let replaced = to.replace_rules(org, new, SystemClock.now()).await;
        if !replaced.map_err(CopyError::target_failed)? {
            // They were saved by another writer since.
            return Err(CopyError::in_use(1));
        }
    }
    Ok(())
}

/// The progress of [`copy()`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of organizations whose rules are in the target, everyone counted as one.
    pub rules: u64,
    /// The number of records in the target so far.
    pub records: u64,
    /// The approximate number of all records; `None` if the source does not know it.
    pub of_about: Option<u64>,
}

/// The result of [`copy()`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// The number of organizations whose rules are in the target, everyone counted as one.
    pub rules: u64,
    /// The number of records in the target.
    pub records: u64,
    /// The number of these records that were not there before.
    pub new: u64,
    /// The number of records that could not be read, and are not in the target.
    ///
    /// If a later version of this crate has written them, copy with that version. If they are
    /// damaged, their users have to sign in again.
    pub unreadable: u64,
}

/// The reason why [`copy()`] has stopped, and how to fix it. The store's error is the
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CopyError {
    message: String,
    source: Option<StoreError>,
}

impl CopyError {
    fn source_failed(source: StoreError) -> Self {
        let message = "cannot read the store that is to be copied".to_owned();
        Self { message, source: Some(source) }
    }

    fn target_failed(source: StoreError) -> Self {
        let message = "cannot write to the store that is copied into; what is there stays, so call \
                       it again once this is mended";
        Self { message: message.to_owned(), source: Some(source) }
    }

    fn unreadable_rules(count: usize) -> Self {
        let message = format!(
            "the rules of {count} of the organizations cannot be read, and without them sessions would \
             last too long; copy with the version of tower-curfew that has written them, or restore \
             them from a backup"
        );
        Self { message, source: None }
    }

    fn in_use(count: usize) -> Self {
        let message = format!(
            "the store that is copied into has other rules for {count} of the organizations than the \
             source, so it is in use already; take an empty store"
        );
        Self { message, source: None }
    }
}
