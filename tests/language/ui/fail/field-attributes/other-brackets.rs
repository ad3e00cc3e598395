use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session]
    name: String,
    #[session = "line"]
    line: String,
    #[session { rename = "n" }]
    note: String,
    #[session("code")]
    coupon: String,
    #[session(rename = "a" renew)]
    comma: String,
    #[session(rename = "b", rename = "c")]
    twice: String,
}

fn main() {}
