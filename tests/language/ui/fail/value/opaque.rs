use session_runtime::SessionValue;

#[derive(SessionValue)]
#[session(opaque)]
struct Unnamed(u8);

#[derive(SessionValue)]
struct Line {
    #[session(opaque = "")]
    sku: String,
    #[session(opaqe = "price@1")]
    price: u8,
    #[session(crate = ::session_runtime)]
    count: u8,
}

#[derive(SessionValue)]
#[session(other)]
enum Event {
    #[session(opaque = "paid@1")]
    Paid(u8),
}

fn main() {}
