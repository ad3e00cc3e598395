//! A struct is not the version below itself, whatever path names it.

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, previous = Cart, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

mod shop {
    use session_runtime::Session;

    #[derive(Session)]
    #[session(key = "shop", version = 2, previous = crate::shop::Shop, layout = "count:4d0f51c1")]
    pub struct Shop {
        count: u32,
    }

    #[derive(Session)]
    #[session(key = "this", version = 2, previous = Self, layout = "count:4d0f51c1")]
    pub struct This {
        count: u32,
    }
}

#[derive(Session)]
#[session(key = "pair", version = 2, previous = Right, layout = "count:4d0f51c1")]
struct Left {
    count: u32,
}

#[derive(Session)]
#[session(key = "pair", version = 3, previous = Left, layout = "count:4d0f51c1")]
struct Right {
    count: u32,
}

impl From<Left> for Right {
    fn from(left: Left) -> Self {
        Self { count: left.count }
    }
}

impl From<Right> for Left {
    fn from(right: Right) -> Self {
        Self { count: right.count }
    }
}

fn main() {}
