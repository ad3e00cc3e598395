use session_runtime::SessionValue;

#[derive(SessionValue)]
struct Name<'a> {
    name: &'a str,
}

fn main() {}
