//! A chain over modules, with a runtime under another name, in a function.

use session_runtime as runtime;

mod old {
    #[derive(crate::runtime::Session)]
    #[session(key = "cart", version = 1, archived, crate = crate::runtime, layout = "count:4d0f51c1")]
    pub(crate) struct Cart {
        pub(crate) count: u32,
    }
}

fn main() {
    #[derive(runtime::Session)]
    #[session(
        key = "cart",
        version = 2,
        crate = crate::runtime,
        previous = crate::old::Cart,
        layout = "count:4d0f51c1 note:ec0d589b"
    )]
    struct Cart {
        count: u32,
        note: Option<String>,
    }

    impl From<old::Cart> for Cart {
        fn from(cart: old::Cart) -> Self {
            Self { count: cart.count, note: None }
        }
    }

    let cart: Cart = old::Cart { count: 1 }.into();
    assert_eq!((cart.count(), cart.note()), (&1, &None));
}
