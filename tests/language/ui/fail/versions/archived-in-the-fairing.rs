use session_runtime::{Session, Sessions};

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, archived, layout = "count:4d0f51c1")]
struct CartV2 {
    count: u32,
}

fn main() {
    let _ = Sessions::fairing::<CartV2>();
    let _ = Sessions::fairing::<(CartV2,)>();
}
