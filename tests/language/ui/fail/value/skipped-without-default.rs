//! A field that is left out is missing when it is read.

use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;

#[derive(Serialize, Deserialize, SessionValue)]
struct Filter {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[session(opaque = "money@1")]
    #[serde(with = "money", skip_serializing_if = "Option::is_none")]
    price: Option<u32>,
    page: u32,
}

#[derive(Serialize, Deserialize, SessionValue)]
enum Step {
    Sorted {
        #[serde(skip_serializing_if = "Vec::is_empty")]
        by: Vec<String>,
    },
}

mod money {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<u32>, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
        Deserialize::deserialize(from)
    }
}

fn main() {}
