use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;
use session_runtime::value::{Enum, Ty};

#[derive(Clone, Debug, Default, Serialize, Deserialize, SessionValue)]
#[serde(rename_all(serialize = "camelCase", deserialize = "camelCase"))]
#[session(crate = ::session_runtime)]
struct Cased {
    unit_price: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, SessionValue)]
#[serde(default, rename = "line", deny_unknown_fields, expecting = "a line", crate = "serde")]
struct Line {
    #[serde(rename = "n", alias = "count", alias = "amount")]
    quantity: u32,
    #[serde(rename(serialize = "p", deserialize = "p"), skip_serializing_if = "Option::is_none")]
    price: Option<u32>,
    #[serde(skip)]
    seen: PhantomData<u8>,
    #[serde(skip_serializing, skip_deserializing)]
    shown: bool,
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(transparent)]
struct Id<T> {
    value: u64,
    of: PhantomData<T>,
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(bound = "T: Serialize + for<'a> Deserialize<'a>")]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(tag = "t", content = "c", rename_all = "snake_case", rename_all_fields = "kebab-case")]
enum Event {
    Left,
    #[serde(rename_all = "UPPERCASE", alias = "in")]
    Entered { at_door: u8 },
    #[serde(skip)]
    Hidden(std::time::Instant),
    #[serde(untagged)]
    #[session(other)]
    Unknown(serde_json::Value),
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(tag = "t")]
enum Lossy {
    Known,
    #[serde(other)]
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Foreign(u8);

#[derive(Serialize, Deserialize, SessionValue)]
struct Tree {
    #[session(opaque = "tree@1")]
    children: Vec<Tree>,
    #[session(opaque = "foreign@1")]
    foreign: BTreeMap<u8, Foreign>,
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(from = "u8", into = "u8")]
#[session(opaque = "small@1")]
#[derive(Clone)]
struct Small<T: From<u8> + Into<u8> + Clone>(T);

impl<T: From<u8> + Into<u8> + Clone> From<u8> for Small<T> {
    fn from(value: u8) -> Self {
        Self(value.into())
    }
}

impl<T: From<u8> + Into<u8> + Clone> From<Small<T>> for u8 {
    fn from(value: Small<T>) -> Self {
        value.0.into()
    }
}

fn main() {
    const SHAPES: [Ty; 7] =
        [Cased::TY, Line::TY, <Id<u8>>::TY, <Page<Line>>::TY, Lossy::TY, Tree::TY, <Small<u8>>::TY];
    assert!(matches!(SHAPES[6], Ty::Opaque("small@1")));
    assert!(matches!(Event::TY, Ty::Enum(Enum { open: true, variants: [_, _], .. })));
}
