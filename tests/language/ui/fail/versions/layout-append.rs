use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "notices:00000001 code:00000002 steps:00000003")]
struct Cart {
    #[session(merge = append(max = 20))]
    notices: Vec<String>,
    #[session(expires_after = "10m")]
    code: Option<u32>,
    #[session(merge = append(max = 20), expires_after = "10m")]
    steps: Vec<u32>,
}

fn main() {}
