//! Methods of the standard library that an accessor would be mixed up with.

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    into: u32,
    default: u32,
    #[session(accessor = "try_into")]
    other: u32,
}

fn main() {}
