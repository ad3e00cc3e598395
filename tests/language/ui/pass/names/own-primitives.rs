//! Types and macros of the author's may be called like those of the language.

#![allow(dead_code, non_camel_case_types, unused_imports, unused_macros)]

mod types {
    pub struct bool;
    pub struct u8;
    pub struct u16;
    pub struct u32;
    pub struct u64;
    pub struct usize;
    pub struct str;
    pub struct Send;
    pub struct Sized;
    pub struct Sync;
    pub struct Fn;
    pub struct FnOnce;
    pub struct Box;
    pub struct Vec;
    pub struct String;
    pub struct Result;
    pub struct Option;
    pub struct Default;
    pub struct Clone;
    pub struct Into;
    pub struct From;
    pub struct Iterator;
    pub struct Drop;
    pub struct Copy;
    pub mod std {}
    pub mod core {}
    pub mod serde {}
    pub mod rocket {}
    pub mod session_runtime {}
}

macro_rules! nothing {
    ($($name:ident)*) => { $(macro_rules! $name { ($d:tt) => { compile_error!("not the author's") }; })* };
}

nothing! { unreachable panic assert cfg concat stringify vec matches const_format todo }

use types::*;
use values::Choice;

/// A number by its full name.
type Number = ::core::primitive::i64;

mod values {
    #[derive(serde::Serialize, serde::Deserialize, session_runtime::SessionValue)]
    pub enum Choice {
        Card { number: Option<u32> },
        Other(u8),
    }
}

/// Serde's own derives do not hold here.
#[derive(::session_runtime::SessionValue)]
#[serde(tag = "kind")]
enum Tagged<T> {
    Card { number: ::core::option::Option<T> },
    Other(Inner),
}

#[derive(::session_runtime::SessionValue)]
struct Inner {
    number: Number,
    inner: ::core::option::Option<Choice>,
}

#[derive(::session_runtime::Session)]
#[session(key = "cart", version = 1, unreleased)]
struct Cart {
    #[session(merge = keys(sum))]
    counts: ::std::collections::BTreeMap<Number, Number>,
    count: Number,
    choice: ::std::option::Option<Choice>,
    #[session(transient)]
    seen: ::std::vec::Vec<Number>,
}

fn main() {}
