use session_runtime::Session;

#[derive(Session)]
#[derive(serde::Serialize)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[serde(rename = "x")]
    count: u32,
}

fn main() {}
