fn main() {
    #[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
    struct Line;

    #[derive(session_runtime::Session)]
    #[session(key = "cart", version = 1)]
    struct Cart {
        lines: Vec<Line>,
    }

    let _ = |cart: &mut CartMut| cart.lines_mut().push(Line);
}
