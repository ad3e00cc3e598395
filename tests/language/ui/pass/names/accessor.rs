//! `accessor` gives way to methods of the user's own, and to those of the guard.

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(accessor = "lines")]
    items: Vec<u32>,
    #[session(accessor = "last_update")]
    update: u64,
    #[session(accessor = "item_set")]
    set_items: bool,
}

impl Cart {
    fn items(&self) -> usize {
        self.lines().len()
    }
}

fn edit(cart: &mut CartMut) -> usize {
    cart.lines_mut().push(1);
    cart.set_lines(vec![]);
    cart.set_last_update(1);
    cart.set_item_set(true);
    cart.update(|cart| cart.items.push(2));
    cart.items()
}

fn main() {
    let _ = edit;
}
