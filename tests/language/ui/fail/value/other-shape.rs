use session_runtime::SessionValue;

#[derive(SessionValue)]
#[serde(try_from = "String", into = "String")]
struct Sku(String);

#[derive(SessionValue)]
#[serde(from = "String")]
struct Name(String);

#[derive(SessionValue)]
#[serde(remote = "std::time::Instant")]
struct Instant {
    #[serde(getter = "seconds")]
    seconds: u64,
}

fn main() {}
