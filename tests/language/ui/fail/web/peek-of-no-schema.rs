use session_runtime::Peek;

struct Cart {
    visits: u32,
}

fn is_empty(cart: Peek<'_, Cart>) -> bool {
    cart.visits == 0
}

fn main() {}
