//! Shapes that a hand-written impl records, deep inside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session_runtime::value::{Key, Struct, Ty};
use session_runtime::{Session, SessionValue};

#[derive(Serialize, Deserialize)]
struct Line {
    sku: String,
    qty: u32,
}

impl SessionValue for Line {
    const TY: Ty = Ty::Struct(Struct {
        keys: &[Key { name: "sku", ty: String::TY }, Key { name: "qty", ty: u32::TY }],
        closed: false,
    });
}

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "lines:3b9dea59 saved:11a53026 notes:e930cc17")]
struct Cart {
    lines: Vec<Line>,
    saved: Vec<Option<Line>>,
    notes: BTreeMap<String, Vec<Option<u32>>>,
}

fn main() {}
