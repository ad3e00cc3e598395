use session_runtime::SessionValue;

#[derive(SessionValue)]
#[serde(rename_al = "camelCase")]
struct Line {
    #[serde(surprise)]
    sku: String,
}

fn main() {}
