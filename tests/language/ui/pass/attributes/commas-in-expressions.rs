//! A comma inside an expression does not end it.

#![deny(warnings)]

use std::collections::{BTreeMap, HashMap};

use session_runtime::{RawSection, Session};

trait Rate<A, B> {
    const VALUE: u8;
    fn pair(a: A, b: B) -> u8;
}

impl Rate<u8, u16> for u8 {
    const VALUE: u8 = 9;
    fn pair(a: u8, _: u16) -> u8 {
        a
    }
}

fn later<T>(_: &T, _: &T, ours: T) -> T {
    ours
}

type Old<A, B> = (A, B, before::Cart);

mod before {
    #[derive(session_runtime::Session)]
    #[session(key = "cart", version = 1, archived, layout = "a:216a767b")]
    pub struct Cart {
        pub(crate) a: u8,
    }
}

trait Has<A, B> {
    type Type;
}

impl<A, B, C> Has<A, B> for (A, B, C) {
    type Type = C;
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(default = 1 + <u8 as Rate<u8, u16>>::VALUE, redact)]
    behind_an_operator: u8,
    #[session(default = HashMap::new() as HashMap<u8, u8>, redact)]
    behind_as: HashMap<u8, u8>,
    #[session(default = -<i8 as Neg<i8, i8>>::ONE, redact)]
    behind_a_sign: i8,
    #[session(default = *&<u8 as Rate<u8, u16>>::VALUE, redact)]
    behind_a_reference: u8,
    #[session(default = <u8 as Rate<u8, u16>>::pair(1, 2), redact)]
    first: u8,
    #[session(default = BTreeMap::<u8, u8>::new(), redact)]
    turbofish: BTreeMap<u8, u8>,
    #[session(default = (|a: u8, b: u8| a + b)(1, 2), redact)]
    closure: u8,
    #[session(transient, default = |a: HashMap<u8, u8>, b: u8| -> HashMap<u8, u8> { assert!(b < 3); a }, redact)]
    closure_with_a_result: fn(HashMap<u8, u8>, u8) -> HashMap<u8, u8>,
    #[session(transient, default = move |a, _b| a, redact)]
    moved: fn(u8, u8) -> u8,
    #[session(default = if 1_u8 < <u8 as Rate<u8, u16>>::VALUE { 1 } else { 2 }, redact)]
    condition: u8,
    #[session(default = match <u8 as Rate<u8, u16>>::VALUE { 9 => 1, _ => 2 }, redact)]
    matched: u8,
    #[session(default = 1 < 2, redact)]
    less: bool,
    #[session(default = 1 << 2, redact)]
    shifted: u8,
    #[session(default = [1, 2].len() as u8, redact)]
    method: u8,
    #[session(merge = with = later::<HashMap<u8, u8>>, redact)]
    merged: HashMap<u8, u8>,
}

trait Neg<A, B> {
    const ONE: i8;
}

impl Neg<i8, i8> for i8 {
    const ONE: i8 = 1;
}

mod now {
    use super::{Has, Old, RawSection, Session};

    #[derive(Session)]
    #[session(
        key = "cart",
        version = 3,
        previous = <Old<u8, u16> as Has<u8, u16>>::Type,
        migrate(from = 2, with = nothing::<u8, u16>),
        layout = "a:216a767b"
    )]
    pub struct Cart {
        pub(crate) a: u8,
    }

    impl From<super::before::Cart> for Cart {
        fn from(old: super::before::Cart) -> Self {
            Self { a: old.a }
        }
    }

    fn nothing<A, B>(_: &mut RawSection) -> Result<(), std::fmt::Error> {
        Ok(())
    }
}

fn main() {
    let _ = (now::Cart::a, Cart::less);
}
