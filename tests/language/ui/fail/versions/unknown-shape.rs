use std::time::SystemTime;

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, unreleased)]
struct Cart {
    #[session(default = SystemTime::UNIX_EPOCH)]
    since: SystemTime,
}

fn main() {}
