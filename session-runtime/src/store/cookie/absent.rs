//! Stand-ins for the cookie store in builds without the feature `cookie`. No value of these types exists, so code that
//! handles both kinds of store needs no `cfg`.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::cookie::{CookieCommand, CookieRules, Found, Presented};
use crate::error::SessionError;
use crate::id::Random;
use crate::store::{Store, StoreError};

pub(crate) enum CookieStore {}

impl CookieStore {
    pub(crate) fn sealer(self: Arc<Self>, _: CookieRules, _: Random) -> Arc<Sealer> {
        match *self {}
    }

    /// Opens no URL.
    pub(crate) fn of_url(_: &str, _: &[impl AsRef<str>]) -> Option<Result<Arc<Self>, SessionError>> {
        None
    }
}

pub(crate) enum Sealer {}

impl Sealer {
    pub(crate) fn store_of_jobs(&self) -> &dyn Store {
        match *self {}
    }
}

pub(crate) enum RequestStore {}

impl RequestStore {
    pub(crate) fn open(sealer: &Arc<Sealer>, _: Found<'_>, _: Timestamp) -> (Presented, Box<Self>) {
        match **sealer {}
    }

    pub(crate) fn as_store(&self) -> &dyn Store {
        match *self {}
    }

    pub(crate) fn line(&self) -> CookieCommand {
        match *self {}
    }

    pub(crate) fn reseal(&self, _: Timestamp) -> Result<Option<CookieCommand>, StoreError> {
        match *self {}
    }
}
