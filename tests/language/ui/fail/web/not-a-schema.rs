use session_runtime::Sessions;

struct Cart;

fn main() {
    let _ = Sessions::fairing::<Cart>();
}
