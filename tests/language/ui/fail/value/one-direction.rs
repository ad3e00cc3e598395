use session_runtime::SessionValue;

#[derive(SessionValue)]
#[serde(rename_all(serialize = "camelCase"))]
struct Line {
    #[serde(skip_serializing)]
    secret: String,
    #[serde(default, skip_deserializing)]
    derived: String,
    #[serde(rename(serialize = "n", deserialize = "count"))]
    count: u32,
}

fn main() {}
