use session_runtime::{RawSection, Session};

#[derive(Session)]
#[session(key = "cart", version = 2, migrate(from = 1, with = by_value), layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

fn by_value(section: RawSection) -> Result<RawSection, std::fmt::Error> {
    Ok(section)
}

#[derive(Session)]
#[session(key = "basket", version = 2, migrate(from = 1, with = silent), layout = "count:4d0f51c1")]
struct Basket {
    count: u32,
}

fn silent(_: &mut RawSection) {}

#[derive(Session)]
#[session(key = "list", version = 2, migrate(from = 1, with = text), layout = "count:4d0f51c1")]
struct List {
    count: u32,
}

fn text(_: &mut RawSection) -> Result<(), String> {
    Ok(())
}

fn main() {}
