//! The private, boxed form of [`Store`], so that no type parameter reaches a handler.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::contract::{Cap, Inserted, Listed, Loaded, Page, Replaced, Store};
use super::error::StoreError;
#[cfg(feature = "near")]
use super::near::NearHealth;
use super::watch::Changes;
use crate::clock::Timestamp;
use crate::policy::{OrgRules, RulesChanged};
use crate::session::{Key, Record, Revision, SessionId};

/// One call of a store: its future, and its name in the metrics.
pub(crate) struct StoreCall<'a, T> {
    pub(crate) name: &'static str,
    pub(crate) answer: Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>,
}

impl<'a, T> StoreCall<'a, T> {
    fn new(
        name: &'static str,
        answer: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> Self {
        Self { name, answer: Box::pin(answer) }
    }
}

pub(crate) trait ErasedStore: Send + Sync + 'static {
    fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> StoreCall<'_, Inserted>;
    fn load(&self, id: SessionId) -> StoreCall<'_, Option<Loaded>>;
    fn replace(&self, record: Arc<Record>) -> StoreCall<'_, Replaced>;
    fn list<'a>(&'a self, key: &'a Key, page: Page) -> StoreCall<'a, Listed>;
    fn rules_since(&self, revision: Revision, at_most: u32) -> StoreCall<'_, RulesChanged>;
    fn replace_rules<'a>(
        &'a self,
        org: &'a str,
        rules: OrgRules,
        now: Timestamp,
    ) -> StoreCall<'a, bool>;
    fn purge(&self, now: Timestamp, at_most: u32) -> StoreCall<'_, u64>;
    fn watch(&self) -> StoreCall<'_, Option<Changes>>;
    fn load_now(&self, id: SessionId) -> Option<Loaded>;
    #[cfg(feature = "near")]
    fn near_health(&self) -> Option<NearHealth>;
}

impl<S: Store> ErasedStore for S {
    fn insert(&self, record: Arc<Record>, cap: Option<Cap>) -> StoreCall<'_, Inserted> {
        StoreCall::new("insert", Store::insert(self, record, cap))
    }

    fn load(&self, id: SessionId) -> StoreCall<'_, Option<Loaded>> {
        StoreCall::new("load", Store::load(self, id))
    }

    fn replace(&self, record: Arc<Record>) -> StoreCall<'_, Replaced> {
        StoreCall::new("replace", Store::replace(self, record))
    }

    fn list<'a>(&'a self, key: &'a Key, page: Page) -> StoreCall<'a, Listed> {
        StoreCall::new("list", Store::list(self, key, page))
    }

    fn rules_since(&self, revision: Revision, at_most: u32) -> StoreCall<'_, RulesChanged> {
        StoreCall::new("rules_since", Store::rules_since(self, revision, at_most))
    }

    fn replace_rules<'a>(
        &'a self,
        org: &'a str,
        rules: OrgRules,
        now: Timestamp,
    ) -> StoreCall<'a, bool> {
        StoreCall::new("replace_rules", Store::replace_rules(self, org, rules, now))
    }

    fn purge(&self, now: Timestamp, at_most: u32) -> StoreCall<'_, u64> {
        StoreCall::new("purge", Store::purge(self, now, at_most))
    }

    fn watch(&self) -> StoreCall<'_, Option<Changes>> {
        StoreCall::new("watch", Store::watch(self))
    }

    fn load_now(&self, id: SessionId) -> Option<Loaded> {
        Store::load_now(self, id)
    }

    #[cfg(feature = "near")]
    fn near_health(&self) -> Option<NearHealth> {
        Store::near_health(self)
    }
}
