//! The errors of this store.

use crate::store::error::StoreError;

pub(super) const FULL: StoreError =
    StoreError::message("the memory store is full: give it more capacity, or use a store on disk");

pub(super) const EXISTS: StoreError =
    StoreError::message("the session store holds a record with this id already");

pub(super) const NO_PLACE: StoreError =
    StoreError::message("this is no place of a scan of this store; begin with the first page");
