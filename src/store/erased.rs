//! The private twin of [`Store`] that can be boxed, so that no type parameter reaches a handler.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{
    Ended, Facts, Insert, OrgRules, Page, Record, Rotate, Selector, SessionId, SetOrgs, Store,
    StoreError, Swapped, Touch, Touched,
};
use crate::time::Timestamp;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

pub(crate) trait ErasedStore: Send + Sync + 'static {
    fn insert<'a>(
        &'a self,
        record: Record,
        replaces: &'a [SessionId],
        cap: Option<u32>,
    ) -> Answer<'a, Insert>;
    fn load(&self, id: SessionId) -> Answer<'_, Option<Facts>>;
    fn touch(&self, touch: Touch) -> Answer<'_, Touched>;
    fn rotate(&self, rotate: Rotate) -> Answer<'_, Swapped>;
    fn set_orgs(&self, change: SetOrgs) -> Answer<'_, Swapped>;
    fn end<'a>(&'a self, which: &'a Selector, ended: &'a Ended) -> Answer<'a, u64>;
    fn list<'a>(&'a self, which: &'a Selector, page: Page) -> Answer<'a, Vec<Facts>>;
    fn org_rules<'a>(&'a self, org: &'a str) -> Answer<'a, Option<Arc<OrgRules>>>;
    fn put_org_rules<'a>(
        &'a self,
        org: &'a str,
        expected: Option<i64>,
        rules: OrgRules,
    ) -> Answer<'a, bool>;
    fn purge(&self, now: Timestamp, at_most: u32) -> Answer<'_, u64>;
}

impl<S: Store> ErasedStore for S {
    fn insert<'a>(
        &'a self,
        record: Record,
        replaces: &'a [SessionId],
        cap: Option<u32>,
    ) -> Answer<'a, Insert> {
        Box::pin(Store::insert(self, record, replaces, cap))
    }

    fn load(&self, id: SessionId) -> Answer<'_, Option<Facts>> {
        Box::pin(Store::load(self, id))
    }

    fn touch(&self, touch: Touch) -> Answer<'_, Touched> {
        Box::pin(Store::touch(self, touch))
    }

    fn rotate(&self, rotate: Rotate) -> Answer<'_, Swapped> {
        Box::pin(Store::rotate(self, rotate))
    }

    fn set_orgs(&self, change: SetOrgs) -> Answer<'_, Swapped> {
        Box::pin(Store::set_orgs(self, change))
    }

    fn end<'a>(&'a self, which: &'a Selector, ended: &'a Ended) -> Answer<'a, u64> {
        Box::pin(Store::end(self, which, ended))
    }

    fn list<'a>(&'a self, which: &'a Selector, page: Page) -> Answer<'a, Vec<Facts>> {
        Box::pin(Store::list(self, which, page))
    }

    fn org_rules<'a>(&'a self, org: &'a str) -> Answer<'a, Option<Arc<OrgRules>>> {
        Box::pin(Store::org_rules(self, org))
    }

    fn put_org_rules<'a>(
        &'a self,
        org: &'a str,
        expected: Option<i64>,
        rules: OrgRules,
    ) -> Answer<'a, bool> {
        Box::pin(Store::put_org_rules(self, org, expected, rules))
    }

    fn purge(&self, now: Timestamp, at_most: u32) -> Answer<'_, u64> {
        Box::pin(Store::purge(self, now, at_most))
    }
}
