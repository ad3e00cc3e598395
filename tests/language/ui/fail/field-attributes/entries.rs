//! Single entries exist only where each entry is stored by itself.
use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(entries)]
    items: std::collections::BTreeMap<u32, u32>,
    #[session(merge = append(max = 20), entries)]
    notices: Vec<String>,
    #[session(transient, entries)]
    seen: std::collections::BTreeSet<u32>,
    #[session(merge = keys, entries = "lazy")]
    names: std::collections::BTreeMap<u32, String>,
}

fn main() {}
