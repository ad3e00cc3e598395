//! Items that generated code may use. Hidden, and tied to one exact version of the derive.

pub use crate::schema::codec::{
    ByElement, ByEntry, Entries, Expiring, Initial, TransientField, Whole, elements, entries, expiring, indexable,
    pinned, pinned_elements, pinned_entries, pinned_expiring, transient, whole,
};
pub use crate::schema::const_message::refuse;
pub use crate::schema::entry::EntryMut;
pub use crate::schema::history::{History, Step};
pub use crate::schema::layout::{
    Shape, beside_tag, drift, not_additive, not_readable, null_in_option, some_is_none, unbuffered, unreleased,
};
pub use crate::schema::lookup::lookup;
pub use crate::schema::merge::{entry_sum, sum, with};
pub use crate::schema::tracked::Tracked;
pub use crate::schema::value::Ty;
pub use crate::schema::{
    Archived, Current, FieldAccess, FieldOps, Known, Newest, SchemaOptions, SchemaSpec, Unknown, field_access,
};
pub use crate::version::chain::{Chain, Unchained};
pub use crate::version::spec::spec;
pub use crate::version::upgrade::{CannotDowngrade, Downgrades, UpgradeError, UpgradeFrom, run_step};

/// Returns the default of a field without `default = …`.
#[must_use]
pub fn initial<T: Initial>() -> T {
    T::initial()
}

#[cfg(feature = "rocket")]
pub use crate::rocket::{Reading, missing, read};
#[cfg(feature = "rocket")]
pub use ::rocket;

/// Implements the web framework's guards for a schema; expands to nothing without a framework.
#[cfg(not(feature = "rocket"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __guards {
    ($(#[$attr:meta])* $schema:ty) => {};
}

/// Rejects a route that names an archived version; expands to nothing without a web framework.
#[cfg(not(feature = "rocket"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __archived {
    ($(#[$attr:meta])* $schema:ty) => {};
}

/// Implements the web framework's guards for a schema: `&S`, which stops the launch if it cannot work.
///
/// Written as `async_trait` would expand it, except that the future is created in `read`, once for all schemas. An
/// `async fn` here would cost more compile time than all the rest of a schema.
#[cfg(feature = "rocket")]
#[doc(hidden)]
#[macro_export]
macro_rules! __guards {
    ($(#[$attr:meta])* $schema:ty) => {
        #[automatically_derived]
        $(#[$attr])*
        impl<'r> $crate::__private::rocket::request::FromRequest<'r> for &'r $schema {
            type Error = $crate::SessionError;
            fn from_request<'a, 'f>(
                request: &'r $crate::__private::rocket::Request<'a>,
            ) -> $crate::__private::Reading<'f, Self>
            where
                'r: 'f,
                'a: 'f,
                Self: 'f,
            {
                $crate::__private::read::<$schema>(request)
            }
        }
        #[automatically_derived]
        $(#[$attr])*
        impl $crate::__private::rocket::Sentinel for &$schema {
            fn abort(
                rocket: &$crate::__private::rocket::Rocket<$crate::__private::rocket::Ignite>,
            ) -> ::core::primitive::bool {
                $crate::__private::missing::<$schema>(rocket)
            }
        }
    };
}

/// Rejects a route that names an archived version: implements `&S` as a guard under a bound that only the newest
/// version meets. (The compiler checks a bound with a lifetime in it only where the impl is used.)
#[cfg(feature = "rocket")]
#[doc(hidden)]
#[macro_export]
macro_rules! __archived {
    ($(#[$attr:meta])* $schema:ty) => {
        #[automatically_derived]
        $(#[$attr])*
        impl<'r> $crate::__private::rocket::request::FromRequest<'r> for &'r $schema
        where
            $crate::__private::Archived: $crate::__private::Newest<&'r $schema>,
        {
            type Error = $crate::SessionError;
            fn from_request<'a, 'f>(
                request: &'r $crate::__private::rocket::Request<'a>,
            ) -> $crate::__private::Reading<'f, Self>
            where
                'r: 'f,
                'a: 'f,
                Self: 'f,
            {
                $crate::__private::read::<$schema>(request)
            }
        }
    };
}
