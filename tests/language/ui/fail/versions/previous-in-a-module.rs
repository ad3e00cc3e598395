//! In a path of several names, the last one is underlined.

use session_runtime::Session;

mod old {
    #[derive(session_runtime::Session)]
    #[session(key = "cart", version = 1, archived, layout = "count:4d0f51c1")]
    pub struct CartV1 {
        pub count: u32,
    }

    pub struct NoSchema;
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = crate::old::NoSchema, layout = "count:4d0f51c1")]
struct Unknown {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = old::CartV1, layout = "count:4d0f51c1")]
struct NoUpgrade {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = old::CartV1, layout = "count:4d0f51c1")]
struct WrongError {
    count: u32,
}

impl TryFrom<old::CartV1> for WrongError {
    type Error = String;

    fn try_from(cart: old::CartV1) -> Result<Self, String> {
        Ok(Self { count: cart.count })
    }
}

fn main() {}
