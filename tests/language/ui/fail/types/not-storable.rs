use session_runtime::Session;

#[derive(Default)]
struct Line;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    at: Option<std::time::Instant>,
    lines: Vec<Line>,
}

fn main() {}
