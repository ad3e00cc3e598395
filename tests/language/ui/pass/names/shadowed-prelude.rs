//! Generated code names everything by its absolute path.

#![allow(dead_code, non_camel_case_types)]

use session_runtime::Session;

struct Option;
struct Result;
struct Some;
struct String;
struct Clone;
type u16 = ();
trait Deref {}
trait Debug {}
mod core {}

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    count: i64,
    #[session(transient)]
    seen: std::vec::Vec<u8>,
}

fn main() {}
