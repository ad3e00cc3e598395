use session_runtime::SessionValue;

#[derive(SessionValue)]
#[serde(rename_all = "Camel", tag = 5)]
struct Line {
    #[serde(rename)]
    sku: String,
}

fn main() {}
