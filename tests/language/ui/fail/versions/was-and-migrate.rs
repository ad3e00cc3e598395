use session_runtime::{RawSection, Session};

#[derive(Session)]
#[session(
    key = "cart",
    version = 2,
    was(1 = "count:4d0f51c1", 1 = "count:4d0f51c1", 2 = "count:4d0f51c1"),
    migrate(from = 1, with = nothing),
    migrate(from = 3, with = nothing),
    layout = "count:4d0f51c1 note:ec0d589b"
)]
struct Cart {
    count: u32,
    note: Option<String>,
}

fn nothing(_: &mut RawSection) -> Result<(), std::fmt::Error> {
    Ok(())
}

fn main() {}
