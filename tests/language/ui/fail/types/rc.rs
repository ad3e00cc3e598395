use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    name: std::rc::Rc<String>,
}

fn use_it(cart: &mut CartMut) {
    cart.name_mut().clone();
}

fn main() {}
