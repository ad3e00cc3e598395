#![deny(warnings)]

use session_runtime::Session;

/// Names for which `set_…` and `…_mut` are no longer snake case.
#[derive(Session)]
#[session(key = "2-odd_names", version = 1)]
pub struct Odd {
    pub type_: String,
    pub _hidden: u8,
}

fn main() {}
