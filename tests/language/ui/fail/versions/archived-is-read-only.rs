use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, archived, layout = "count:4d0f51c1")]
struct CartV2 {
    count: u32,
}

fn edit(cart: &mut CartV2Mut) {
    cart.set_count(1);
}

fn main() {}
