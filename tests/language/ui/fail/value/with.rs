use session_runtime::SessionValue;

#[derive(SessionValue)]
struct Line {
    #[serde(with = "cents")]
    price: f64,
    #[serde(serialize_with = "cents::write", deserialize_with = "cents::read")]
    tax: f64,
}

#[derive(SessionValue)]
enum Event {
    #[serde(with = "cents")]
    Paid(f64),
}

fn main() {}
