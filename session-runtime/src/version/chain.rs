//! A struct and the one that it names as `previous`: what is asked of the two, one thing after the other.
//!
//! Generated code names two types that the macro cannot see into. An inherent constant exists where the bounds of its impl
//! hold, and the trait's of the same name stands in where they do not; so a question is asked only if what comes before
//! it is answered, and one mistake is one error. The names begin with `__`, since a trait of the author's for all types may
//! have constants of any name:
//!
//! ```text
//! __UPGRADE.ask()          P derives `Session`; then: S is made of it by `From` or `TryFrom`, and P is the version below
//! __ERROR.ask()            then: what that fails with is an error
//! __UNKNOWN, __FORGOTTEN   the old names of keys are those of P, and none of its keys is lost
//! __PREVIOUS               all of it holds
//! ```

#![expect(clippy::unused_self, reason = "the type of what is asked decides which question it is")]

use std::marker::PhantomData;

use crate::schema::Schema;
use crate::schema::const_message::{Message, refuse};
use crate::schema::history::Previous;
use crate::schema::layout::{is_kept, is_next, is_renamed, not_kept, not_next, not_renamed};
use crate::version::upgrade::{UpgradeError, UpgradeFrom, previous};

/// `S` names `P` as the version below it.
#[doc(hidden)]
pub struct Chain<S, P>(PhantomData<(S, P)>);

/// Whether `P` is a schema is still to be asked.
#[doc(hidden)]
pub struct Below<P>(PhantomData<P>);

impl<P> Below<P> {
    pub const fn ask(self)
    where
        P: Schema,
    {
    }
}

/// Whether there is a way up from `P` is still to be asked.
#[doc(hidden)]
pub struct Upgrade<S, P>(PhantomData<(S, P)>);

impl<S: Schema, P: Schema> Upgrade<S, P> {
    /// The compiler evaluates this once the types fit.
    #[track_caller]
    pub const fn ask(self)
    where
        S: UpgradeFrom<P>,
    {
        refuse(Chain::<S, P>::GAP);
    }
}

/// Whether `E` is an error is still to be asked.
#[doc(hidden)]
pub struct Fails<E>(PhantomData<E>);

impl<E> Fails<E> {
    pub const fn ask(self)
    where
        E: UpgradeError,
    {
    }
}

/// Another question has been answered with no.
#[doc(hidden)]
pub struct Asked;

impl Asked {
    pub const fn ask(self) {}
}

impl<S: Schema, P: Schema> Chain<S, P> {
    pub const __UPGRADE: Upgrade<S, P> = Upgrade(PhantomData);
    /// Why `P` is not the version right below.
    pub(crate) const GAP: Option<Message> = if is_next::<S, P>() { None } else { Some(not_next::<S, P>()) };
    /// Which new names of fields have no old one in `P`.
    pub const __UNKNOWN: Option<Message> = if is_renamed::<S, P>() { None } else { Some(not_renamed::<S, P>()) };
    /// Which keys of `P` are lost.
    pub const __FORGOTTEN: Option<Message> = if is_kept::<S, P>() { None } else { Some(not_kept::<S, P>()) };
}

impl<S: Schema + UpgradeFrom<P>, P: Schema> Chain<S, P> {
    pub const __ERROR: Fails<S::Error> = Fails(PhantomData);
}

impl<S: Schema + UpgradeFrom<P, Error: UpgradeError>, P: Schema> Chain<S, P> {
    /// `None` for a version that is not below: a struct that names itself, or two that name each other, would have no end.
    pub const __PREVIOUS: Option<Previous<S>> = if P::VERSION < S::VERSION { Some(previous::<S, P>()) } else { None };
}

#[doc(hidden)]
pub trait Unchained {
    type Below;
    type Step;
    const __UPGRADE: Self::Below;
    const __ERROR: Asked = Asked;
    const __FORGOTTEN: Option<Message> = None;
    const __UNKNOWN: Option<Message> = None;
    const __PREVIOUS: Option<Self::Step> = None;
}

impl<S, P> Unchained for Chain<S, P> {
    type Below = Below<P>;
    type Step = Previous<S>;
    const __UPGRADE: Below<P> = Below(PhantomData);
}
