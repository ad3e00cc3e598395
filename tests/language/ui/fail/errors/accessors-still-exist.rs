use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(renmae = "lines")]
    items: Vec<u32>,
    coupon: Option<String>,
}

fn use_it(cart: &mut CartMut) -> u32 {
    cart.items_mut().push(1);
    cart.set_items(vec![1]);
    cart.set_coupon("x".to_owned());
    cart.clear_coupon();
    drop(cart.take_items());
    cart.update(|cart| cart.items.push(1));
    let _: &Vec<u32> = cart.items();
    schema::<Cart>()
}

fn schema<S: session_runtime::Schema>() -> u32 {
    u32::from(S::VERSION)
}

fn main() {}
