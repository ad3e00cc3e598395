use session_runtime::Session;

mod shop {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub enum Currency {
        Eur,
    }
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    currency: crate::shop::Currency,
}

fn main() {}
