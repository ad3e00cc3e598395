//! Checks of a struct and the one that it names as `previous`, one after the other.
//!
//! Generated code names two types that the macro cannot inspect. An inherent constant exists where the bounds of its
//! impl hold; elsewhere the trait's constant of the same name replaces it. So a check runs only if the checks before it
//! have passed, and one mistake gives one error. The names begin with `__`, because a trait that the user implements
//! for all types may have constants of any name:
//!
//! ```text
//! __UPGRADE.check()        P derives `Session`; then: S converts from P by `From` or `TryFrom`, P is the version below
//! __ERROR.check()          then: the error of that conversion implements `Error`
//! __UNKNOWN, __FORGOTTEN   the old names of keys exist in P, and none of P's keys is lost
//! __PREVIOUS               all checks have passed
//! ```

#![expect(clippy::unused_self, reason = "the type of `self` selects the check")]

use std::marker::PhantomData;

use crate::schema::Schema;
use crate::schema::const_message::{Message, refuse};
use crate::schema::history::Previous;
use crate::schema::layout::{is_kept, is_next, is_renamed, not_kept, not_next, not_renamed};
use crate::version::upgrade::{UpgradeError, UpgradeFrom, previous};

/// Schema `S` and the struct `P` that it names as the version below.
#[doc(hidden)]
pub struct Chain<S, P>(PhantomData<(S, P)>);

/// Check that `P` is a schema.
#[doc(hidden)]
pub struct IsSchema<P>(PhantomData<P>);

impl<P> IsSchema<P> {
    pub const fn check(self)
    where
        P: Schema,
    {
    }
}

/// Check that `S` can be upgraded from `P`.
#[doc(hidden)]
pub struct CanUpgrade<S, P>(PhantomData<(S, P)>);

impl<S: Schema, P: Schema> CanUpgrade<S, P> {
    /// Evaluated by the compiler once the types fit.
    #[track_caller]
    pub const fn check(self)
    where
        S: UpgradeFrom<P>,
    {
        refuse(Chain::<S, P>::GAP);
    }
}

/// Check that `E` is an error.
#[doc(hidden)]
pub struct IsError<E>(PhantomData<E>);

impl<E> IsError<E> {
    pub const fn check(self)
    where
        E: UpgradeError,
    {
    }
}

/// Stands in for a check when an earlier one has failed.
#[doc(hidden)]
pub struct Skipped;

impl Skipped {
    pub const fn check(self) {}
}

impl<S: Schema, P: Schema> Chain<S, P> {
    pub const __UPGRADE: CanUpgrade<S, P> = CanUpgrade(PhantomData);
    /// Message if `P` is not the version right below.
    pub(crate) const GAP: Option<Message> = if is_next::<S, P>() { None } else { Some(not_next::<S, P>()) };
    /// Message if the old name of a field does not exist in `P`.
    pub const __UNKNOWN: Option<Message> = if is_renamed::<S, P>() { None } else { Some(not_renamed::<S, P>()) };
    /// Message if a key of `P` is lost.
    pub const __FORGOTTEN: Option<Message> = if is_kept::<S, P>() { None } else { Some(not_kept::<S, P>()) };
}

impl<S: Schema + UpgradeFrom<P>, P: Schema> Chain<S, P> {
    pub const __ERROR: IsError<S::Error> = IsError(PhantomData);
}

impl<S: Schema + UpgradeFrom<P, Error: UpgradeError>, P: Schema> Chain<S, P> {
    /// `None` if `P` is not a lower version: a struct that names itself, or two that name each other, would form an
    /// endless chain.
    pub const __PREVIOUS: Option<Previous<S>> = if P::VERSION < S::VERSION { Some(previous::<S, P>()) } else { None };
}

#[doc(hidden)]
pub trait Unchained {
    type Upgrade;
    type Step;
    const __UPGRADE: Self::Upgrade;
    const __ERROR: Skipped = Skipped;
    const __FORGOTTEN: Option<Message> = None;
    const __UNKNOWN: Option<Message> = None;
    const __PREVIOUS: Option<Self::Step> = None;
}

impl<S, P> Unchained for Chain<S, P> {
    type Upgrade = IsSchema<P>;
    type Step = Previous<S>;
    const __UPGRADE: IsSchema<P> = IsSchema(PhantomData);
}
