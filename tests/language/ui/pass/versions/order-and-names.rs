//! Facts outside a layout: the order of fields, names of types, defaults, accessors, blanks in the pin.

use session_runtime::Session;

type Quantity = u32;

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "  note:ec0d589b\n count:4d0f51c1 ")]
struct Cart {
    #[session(accessor = "quantity", rename = "count", default = 7)]
    amount: Quantity,
    #[session(redact, merge = reject)]
    note: std::option::Option<std::string::String>,
}

mod shop {
    /// The same layout in another order.
    #[derive(session_runtime::Session)]
    #[session(layout = "count:4d0f51c1 note:ec0d589b", version = 1, key = "cart")]
    pub struct Cart {
        pub note: Option<String>,
        pub count: u32,
    }
}

fn main() {}
