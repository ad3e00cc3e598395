//! The schemas of an application: one, or a tuple of them.

use crate::schema::Schema;
use crate::schema::const_message::Message;
use crate::schema::layout::same;
use crate::schema::role::archived;
use crate::schema::spec::SchemaSpec;

/// One schema or a tuple of up to sixteen, for which an application creates its fairing.
///
/// Two schemas with the same key do not compile.
///
/// # Examples
///
/// ```
/// use session_runtime::{Session, Sessions, store::MemoryStore};
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     coupon: Option<String>,
/// }
///
/// #[derive(Session)]
/// #[session(key = "auth", version = 1)]
/// struct Auth {
///     #[session(renew)]
///     user: Option<String>,
/// }
///
/// let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<(Cart, Auth)>().build()?;
/// # Ok::<(), session_runtime::SessionError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a session schema nor a tuple of them",
    label = "does not derive `Session`",
    note = "name one struct that derives `Session`, or up to sixteen in a tuple: `Sessions::fairing::<(Cart, Auth)>()`"
)]
pub trait Schemas {
    #[doc(hidden)]
    const SPECS: &'static [&'static SchemaSpec];
    /// Fails the build if a schema is archived or two of them share a key. Evaluated where the schemas are used
    /// together.
    #[doc(hidden)]
    const UNIQUE: () = {
        if let Some(schema) = any_archived(Self::SPECS) {
            panic!("{}", archived(schema).text());
        }
        if let Some((a, b)) = shared_key(Self::SPECS) {
            let mut message = Message::new();
            message.parts(&["schemas `", a.name, "` and `", b.name, "` share the key \"", a.key]);
            message.push("\": give one another `key`");
            if a.version != b.version {
                message.push(", or mark the older version as `archived`");
            }
            panic!("{}", message.text());
        }
    };
}

#[diagnostic::do_not_recommend]
impl<S: Schema> Schemas for S {
    const SPECS: &'static [&'static SchemaSpec] = &[S::SPEC];
}

macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl<$first: Schema, $($rest: Schema),*> Schemas for ($first, $($rest,)*) {
            const SPECS: &'static [&'static SchemaSpec] = &[$first::SPEC, $($rest::SPEC),*];
        }
        tuples! { $($rest)* }
    };
    () => {};
}

tuples! { A B C D E F G H I J K L M N O P }

const fn any_archived(specs: &[&'static SchemaSpec]) -> Option<&'static SchemaSpec> {
    let mut at = 0;
    while at < specs.len() {
        if specs[at].is_archived {
            return Some(specs[at]);
        }
        at += 1;
    }
    None
}

const fn shared_key(specs: &[&'static SchemaSpec]) -> Option<(&'static SchemaSpec, &'static SchemaSpec)> {
    let mut a = 0;
    while a < specs.len() {
        let mut b = a + 1;
        while b < specs.len() {
            if same(specs[a].key, specs[b].key) {
                return Some((specs[a], specs[b]));
            }
            b += 1;
        }
        a += 1;
    }
    None
}
