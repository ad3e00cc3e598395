use session_runtime::SessionValue;

#[derive(SessionValue)]
enum NotSaid {
    Eur,
    #[serde(untagged)]
    Unknown(serde_json::Value),
}

#[derive(SessionValue)]
enum NotForSerde {
    Eur,
    #[session(other)]
    Unknown(serde_json::Value),
}

#[derive(SessionValue)]
enum NotLast {
    #[serde(untagged)]
    #[session(other)]
    Unknown(serde_json::Value),
    Eur,
}

#[derive(SessionValue)]
enum NotKept {
    Eur,
    #[serde(untagged)]
    #[session(other)]
    Unknown,
}

fn main() {}
