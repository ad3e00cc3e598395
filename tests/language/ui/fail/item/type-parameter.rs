use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart<T> {
    items: Vec<T>,
}

fn use_it(cart: &mut CartMut<u32>) {
    cart.items_mut().push(1);
    cart.update(|cart| cart.items.clear());
}

fn main() {}
