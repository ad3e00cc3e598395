use session_runtime::SessionValue;

#[derive(SessionValue)]
struct Node {
    name: String,
    children: Vec<Self>,
}

#[derive(SessionValue)]
enum List {
    End,
    More(u8, Box<List>),
}

fn main() {}
