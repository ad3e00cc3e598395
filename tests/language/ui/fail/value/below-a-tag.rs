//! Serde writes them below a `tag` and does not read them there.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;

type Count = u128;

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind")]
enum Payment {
    Split { cents_by_person: BTreeMap<u32, u32> },
    Wide { wei: Count },
    Deep { parts: Vec<Option<HashMap<bool, u8>>> },
    Inside(Inside),
}

#[derive(Serialize, Deserialize, SessionValue)]
struct Inside {
    by_number: BTreeMap<i64, Inner>,
}

#[derive(Serialize, Deserialize, SessionValue)]
struct Inner;

fn main() {}
