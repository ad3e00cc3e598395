//! A lint that is allowed on the struct is silent in the code made of it.

#![deny(warnings, nonstandard_style, unreachable_pub)]

#[allow(non_camel_case_types, non_snake_case)]
#[derive(session_runtime::Session)]
#[session(key = "cart", version = 1)]
pub struct cart_session {
    pub items: u32,
    pub lastItem: u32,
}

#[expect(non_camel_case_types)]
#[derive(session_runtime::Session)]
#[session(key = "expected", version = 1)]
pub struct expected_session {
    #[warn(non_snake_case)]
    #[forbid(unused)]
    pub items: u32,
}

mod inside {
    #[allow(unreachable_pub)]
    #[derive(session_runtime::Session)]
    #[session(key = "hidden", version = 1)]
    pub struct Hidden {
        pub items: u32,
    }
}

fn main() {}
