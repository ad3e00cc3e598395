//! The name `Option` means the standard library's type.

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Option<T>(T);

#[derive(session_runtime::Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    choice: Option<u8>,
}

fn main() {}
