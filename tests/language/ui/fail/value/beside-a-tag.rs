//! The content of a variant without a name is written beside the `tag`.

use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind")]
enum Payment {
    Named(Named),
    Choice(Choice),
    Again(Again),
    Number(u8),
    Perhaps(Option<Named>),
    Many(Vec<Named>),
}

#[derive(Serialize, Deserialize, SessionValue)]
struct Named {
    kind: u8,
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Kind { number: u8 },
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind")]
enum Again {
    Card { number: u8 },
}

fn main() {}
