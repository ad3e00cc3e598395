use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(expires_after)]
    nothing: Option<u32>,
    #[session(expires_after = 600)]
    number: Option<u32>,
    #[session(expires_after = "")]
    empty: Option<u32>,
    #[session(expires_after = "10")]
    no_unit: Option<u32>,
    #[session(expires_after = "10min")]
    other_unit: Option<u32>,
    #[session(expires_after = "0s")]
    zero: Option<u32>,
    #[session(expires_after = "11y")]
    years: Option<u32>,
    #[session(expires_after = "4000d")]
    long: Option<u32>,
    #[session(expires_after("10m"))]
    brackets: Option<u32>,
}

fn main() {}
