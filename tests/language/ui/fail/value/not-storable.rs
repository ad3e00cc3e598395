use session_runtime::SessionValue;

struct Foreign;

#[derive(SessionValue)]
struct Line {
    at: std::time::SystemTime,
    items: Vec<Foreign>,
}

fn main() {}
