//! Role of a struct in a program: the current version, or an older one that only the upgrade reads.

use std::marker::PhantomData;

use super::{Schema, SchemaSpec};
use crate::schema::const_message::Message;

/// Role of the struct that the program works with.
#[doc(hidden)]
pub enum Current {}

/// Role of a struct that only the upgrade reads.
#[doc(hidden)]
pub enum Archived {}

/// Role of a struct in the program.
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

/// Bound that the guards put on a schema's role.
#[diagnostic::on_unimplemented(
    message = "`{S}` is an archived version: only the newest can be read and written",
    label = "archived",
    note = "name the struct of the newest version, the one without `archived`"
)]
#[doc(hidden)]
pub trait Newest<S> {}

impl<S> Newest<S> for Current {}

/// Schema that is not `archived`. Generic code needs this bound to take the guard
/// [`Session<S>`](struct@crate::Session) from a Rocket request itself. For `read` and `write` of
/// [`SessionHandle`](crate::SessionHandle), [`Schema`] is enough.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "rocket")] mod helper {
/// use rocket::Request;
/// use session_runtime::{NewestSchema, Session};
///
/// /// Changes a session; returns false if the guard fails.
/// async fn change<S: NewestSchema>(request: &Request<'_>, change: fn(&mut S::Mut)) -> bool {
///     let mut guard = request.guard::<Session<S>>().await.succeeded();
///     guard.as_mut().map(|guard| change(guard)).is_some()
/// }
/// # }
/// ```
pub trait NewestSchema: Schema<Role: Newest<Self>> {}

impl<S: Schema<Role: Newest<S>>> NewestSchema for S {}

/// Check of the role in code that may be generic: an archived version fails the build.
pub(crate) struct OnlyNewest<S>(PhantomData<S>);

impl<S: Schema> OnlyNewest<S> {
    pub(crate) const CHECKED: () = assert!(!S::SPEC.is_archived, "{}", archived(S::SPEC).text());
}

pub(crate) const fn archived(schema: &SchemaSpec) -> Message {
    let mut message = Message::new();
    message.parts(&["`", schema.name, "` is an archived version: only the newest can be read and written; name the "]);
    message.parts(&["struct of session schema `", schema.key, "` without `archived`"]);
    message
}
