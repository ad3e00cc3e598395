//! The part that a struct plays in a program: the version that it works with, or an older one that only the upgrade reads.

use std::marker::PhantomData;

use super::{Schema, SchemaSpec};
use crate::schema::const_message::Message;

/// The struct that the program works with.
#[doc(hidden)]
pub enum Current {}

/// A struct that only the upgrade reads.
#[doc(hidden)]
pub enum Archived {}

/// What a struct is to the program.
#[doc(hidden)]
pub trait Role {
    const IS_ARCHIVED: bool;
}

impl Role for Current {
    const IS_ARCHIVED: bool = false;
}

impl Role for Archived {
    const IS_ARCHIVED: bool = true;
}

/// Asked of a schema's role by the guards.
#[diagnostic::on_unimplemented(
    message = "`{S}` is an archived version: only the newest can be read and written",
    label = "archived",
    note = "name the struct of the newest version, the one without `archived`"
)]
#[doc(hidden)]
pub trait Newest<S> {}

impl<S> Newest<S> for Current {}

/// A schema that is not `archived`: the bound for generic code that asks Rocket for the guard
/// [`Session<S>`](struct@crate::Session) by itself. [`SessionHandle`](crate::SessionHandle)'s `read` and `write` need only
/// [`Schema`].
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "rocket")] mod helper {
/// use rocket::Request;
/// use session_runtime::{NewestSchema, Session};
///
/// /// ChangeRecorder a session if there is a way to.
/// async fn change<S: NewestSchema>(request: &Request<'_>, change: fn(&mut S::Mut)) -> bool {
///     let mut guard = request.guard::<Session<S>>().await.succeeded();
///     guard.as_mut().map(|guard| change(guard)).is_some()
/// }
/// # }
/// ```
pub trait NewestSchema: Schema<Role: Newest<Self>> {}

impl<S: Schema<Role: Newest<S>>> NewestSchema for S {}

/// The same where code may be generic: a build error where it meets an archived version.
pub(crate) struct OnlyNewest<S>(PhantomData<S>);

impl<S: Schema> OnlyNewest<S> {
    pub(crate) const ASKED: () = assert!(!S::SPEC.is_archived, "{}", archived(S::SPEC).text());
}

pub(crate) const fn archived(schema: &SchemaSpec) -> Message {
    let mut message = Message::new();
    message.parts(&["`", schema.name, "` is an archived version: only the newest can be read and written; name the "]);
    message.parts(&["struct of session schema `", schema.key, "` without `archived`"]);
    message
}
