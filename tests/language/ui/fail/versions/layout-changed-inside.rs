//! Inside a type of another module, and nothing else: the key is named, and what it is now.

use session_runtime::Session;

mod shop {
    use serde::{Deserialize, Serialize};
    use session_runtime::SessionValue;
    use session_runtime::value::{Key, Struct, Ty};

    #[derive(Serialize, Deserialize)]
    pub struct Line {
        pub sku: String,
        pub qty: u64,
    }

    impl SessionValue for Line {
        const TY: Ty = Ty::Struct(Struct {
            keys: &[Key { name: "sku", ty: String::TY }, Key { name: "qty", ty: u64::TY }],
            closed: false,
        });
    }
}

#[derive(Session)]
#[session(key = "cart", version = 3, oldest = 3, layout = "items:3b9dea59 coupon:ec0d589b")]
struct Cart {
    items: Vec<shop::Line>,
    coupon: Option<String>,
}

fn main() {}
