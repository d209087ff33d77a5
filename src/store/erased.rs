//! The private twin of [`Store`] that can be boxed, so that no type parameter reaches a handler.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store, StoreError};
use crate::clock::Timestamp;
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

pub(crate) trait ErasedStore: Send + Sync + 'static {
    fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Answer<'_, Inserted>;
    fn load(&self, id: SessionId) -> Answer<'_, Option<Loaded>>;
    fn replace(&self, record: Arc<Record>) -> Answer<'_, Replaced>;
    fn list<'a>(&'a self, key: &'a Key, page: Page) -> Answer<'a, Listed>;
    fn rules_since(&self, revision: Revision, at_most: u32) -> Answer<'_, RulesChanged>;
    fn replace_rules<'a>(
        &'a self,
        org: &'a str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Answer<'a, bool>;
    fn purge(&self, now: Timestamp, at_most: u32) -> Answer<'_, u64>;
}

impl<S: Store> ErasedStore for S {
    fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> Answer<'_, Inserted> {
        Box::pin(Store::insert(self, record, cap))
    }

    fn load(&self, id: SessionId) -> Answer<'_, Option<Loaded>> {
        Box::pin(Store::load(self, id))
    }

    fn replace(&self, record: Arc<Record>) -> Answer<'_, Replaced> {
        Box::pin(Store::replace(self, record))
    }

    fn list<'a>(&'a self, key: &'a Key, page: Page) -> Answer<'a, Listed> {
        Box::pin(Store::list(self, key, page))
    }

    fn rules_since(&self, revision: Revision, at_most: u32) -> Answer<'_, RulesChanged> {
        Box::pin(Store::rules_since(self, revision, at_most))
    }

    fn replace_rules<'a>(
        &'a self,
        org: &'a str,
        rules: OrgRules,
        now: Timestamp,
    ) -> Answer<'a, bool> {
        Box::pin(Store::replace_rules(self, org, rules, now))
    }

    fn purge(&self, now: Timestamp, at_most: u32) -> Answer<'_, u64> {
        Box::pin(Store::purge(self, now, at_most))
    }
}
