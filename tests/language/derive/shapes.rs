//! `#[derive(SessionValue)]` records what serde writes.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session_runtime::SessionValue;
use session_runtime::value::Ty;

use super::fits::{check, fits};

#[derive(Clone, Serialize, Deserialize, SessionValue)]
#[serde(rename_all = "camelCase")]
struct Line {
    sku_code: String,
    #[serde(rename = "n", alias = "count", default)]
    quantity: u32,
    #[serde(skip)]
    #[expect(dead_code, reason = "not stored")]
    seen: Option<std::cell::Cell<u8>>,
    r#type: Vec<(u8, Option<char>)>,
}

fn line() -> Line {
    Line { sku_code: "A7".to_owned(), quantity: 2, seen: None, r#type: vec![(1, Some('x')), (2, None)] }
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(deny_unknown_fields)]
struct Closed {
    line: Line,
}

#[derive(Serialize, Deserialize, SessionValue)]
struct Unit;

#[derive(Serialize, Deserialize, SessionValue)]
struct Nothing {}

#[derive(Serialize, Deserialize, SessionValue)]
struct Empty();

#[derive(Serialize, Deserialize, SessionValue)]
struct Sku(String);

#[derive(Serialize, Deserialize, SessionValue)]
struct Pair(u8, #[serde(default)] Sku);

#[derive(Serialize, Deserialize, SessionValue)]
struct Gap(u8, #[serde(skip)] (), String);

#[derive(Serialize, Deserialize, SessionValue)]
struct AlmostNewtype(#[serde(skip)] (), String);

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(transparent)]
struct Id<T> {
    of: PhantomData<T>,
    value: u64,
    #[serde(skip)]
    #[expect(dead_code, reason = "not stored")]
    checked: bool,
}

impl Default for Sku {
    fn default() -> Self {
        Self("none".to_owned())
    }
}

#[derive(Serialize, Deserialize, SessionValue)]
#[serde(tag = "type", rename = "row")]
struct Tagged {
    a: u8,
}

#[derive(Serialize, Deserialize, SessionValue)]
struct Page<T, const N: usize>
where
    T: Clone,
{
    items: Vec<T>,
    pages: BTreeMap<u32, T>,
}

#[derive(Serialize, Deserialize, SessionValue)]
struct Priced {
    #[serde(with = "cents")]
    #[session(opaque = "cents@1")]
    price: f64,
}

mod cents {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(price: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&price.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Serialize, Deserialize, SessionValue)]
#[session(opaque = "either@1")]
#[serde(untagged)]
enum Either {
    Text(String),
    More(Vec<Self>),
}

/// One enum in a representation of serde's; the internal one has no tuples.
macro_rules! enums {
    ($($name:ident $(#[$tag:meta])* { $($tuple:tt)* })*) => {$(
        #[derive(Serialize, Deserialize, SessionValue)]
        $(#[$tag])*
        #[serde(rename_all = "kebab-case", rename_all_fields = "UPPERCASE")]
        enum $name {
            NothingAtAll,
            #[serde(rename = "line")]
            OneLine(Line),
            Named { some_number: u8, unit: () },
            #[serde(rename_all = "PascalCase")]
            Renamed { some_number: u8 },
            Empty {},
            Map(BTreeMap<String, bool>),
            Lost(#[serde(skip)] Option<u8>),
            #[serde(skip)]
            #[expect(dead_code, reason = "not stored")]
            Never(std::time::SystemTime),
            $($tuple)*
        }

        impl $name {
            fn all() -> Vec<Self> {
                vec![
                    Self::NothingAtAll,
                    Self::OneLine(line()),
                    Self::Named { some_number: 3, unit: () },
                    Self::Renamed { some_number: 3 },
                    Self::Empty {},
                    Self::Map(BTreeMap::from([("a".to_owned(), true)])),
                    Self::Lost(None),
                ]
            }
        }
    )*};
}

enums! {
    External { None(), Number(u8), Two(u8, String), Unit(()), Gap(u8, #[serde(skip)] Option<u8>) }
    Internal #[serde(tag = "kind")] { Unit(()), Inner(Box<External>) }
    Adjacent #[serde(tag = "t", content = "c")] { None(), Number(u8), Two(u8, String), Unit(()), Inner(Internal) }
    Strict #[serde(tag = "t", deny_unknown_fields)] { Unit(()) }
}

#[test]
fn structs() {
    check(&line());
    check(&Closed { line: line() });
    check(&Unit);
    check(&Nothing {});
    check(&Empty());
    check(&Sku("A7".to_owned()));
    check(&Pair(1, Sku("A7".to_owned())));
    check(&Gap(1, (), "x".to_owned()));
    check(&AlmostNewtype((), "x".to_owned()));
    check(&Id::<u8> { of: PhantomData, value: 7, checked: true });
    check(&Tagged { a: 1 });
    check(&Page::<Line, 3> { items: vec![line()], pages: BTreeMap::from([(4, line())]) });
    check(&Priced { price: 1.5 });
    check(&Either::More(vec![Either::Text("x".to_owned())]));
    assert!(matches!(Either::TY, Ty::Opaque("either@1")));
}

#[test]
fn enums() {
    External::all().iter().for_each(check);
    for value in [External::None(), External::Number(1), External::Two(1, "x".to_owned()), External::Unit(())] {
        check(&value);
    }
    check(&External::Gap(1, None));
    Internal::all().iter().for_each(check);
    check(&Internal::Unit(()));
    check(&Internal::Inner(Box::new(External::Number(1))));
    Adjacent::all().iter().for_each(check);
    for value in [Adjacent::None(), Adjacent::Number(1), Adjacent::Two(1, "x".to_owned()), Adjacent::Unit(())] {
        check(&value);
    }
    for inner in Internal::all() {
        check(&Adjacent::Inner(inner));
    }
    Strict::all().iter().for_each(check);
    check(&Strict::Unit(()));
}

/// Four representations of one enum: none is another's.
#[test]
fn representations_are_distinguished() {
    let shapes = [External::TY, Internal::TY, Adjacent::TY];
    let written = [
        serde_json::to_value(External::Named { some_number: 1, unit: () }),
        serde_json::to_value(Internal::Named { some_number: 1, unit: () }),
        serde_json::to_value(Adjacent::Named { some_number: 1, unit: () }),
    ];
    for (a, shape) in shapes.iter().enumerate() {
        for (b, value) in written.iter().enumerate() {
            assert_eq!(fits(shape, value.as_ref().unwrap()), a == b);
        }
    }
}

/// A field that is not always written is recorded all the same.
#[test]
fn a_key_that_may_be_missing_has_its_shape() {
    #[derive(Serialize, Deserialize, SessionValue)]
    struct Maybe {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        a: Option<u8>,
        b: u8,
    }
    check(&Maybe { a: Some(1), b: 2 });
    let without = serde_json::to_value(Maybe { a: None, b: 2 }).unwrap();
    assert_eq!(without, json!({"b": 2}));
    assert!(serde_json::from_value::<Maybe>(without).is_ok());
}

macro_rules! open {
    ($($name:ident $(#[$tag:meta])*)*) => {$(
        #[derive(Serialize, Deserialize, SessionValue)]
        $(#[$tag])*
        enum $name {
            Eur,
            Other { code: String },
            #[serde(untagged)]
            #[session(other)]
            Unknown(Value),
        }
    )*};
}

open! {
    OpenExternal
    OpenInternal #[serde(tag = "t")]
    OpenAdjacent #[serde(tag = "t", content = "c")]
}

/// True if a value of a newer program is read and written back unchanged, as `open` promises.
fn keeps<T: Serialize + for<'de> Deserialize<'de> + SessionValue>(newer: &Value) -> bool {
    let read = serde_json::from_value::<T>(newer.clone());
    read.is_ok_and(|read| serde_json::to_value(read).unwrap() == *newer)
}

#[test]
fn an_open_enum_keeps_unknown_variants() {
    #[derive(Serialize, Deserialize, SessionValue)]
    #[serde(tag = "t")]
    enum Lossy {
        Eur,
        #[serde(other)]
        Unknown,
    }
    let is_open = |ty: &Ty| matches!(ty, Ty::Enum(of) if of.open);
    let newer = json!({"t": "New", "c": {"a": [1]}});
    assert!(keeps::<OpenExternal>(&json!("New")) && keeps::<OpenExternal>(&json!({"New": {"a": 1}})));
    assert!(keeps::<OpenInternal>(&newer) && keeps::<OpenAdjacent>(&newer));
    assert!(!keeps::<Lossy>(&newer) && !keeps::<Adjacent>(&newer) && !keeps::<Internal>(&newer));
    assert!([OpenExternal::TY, OpenInternal::TY, OpenAdjacent::TY].iter().all(is_open));
    assert!(![Lossy::TY, Adjacent::TY, Internal::TY, External::TY].iter().any(is_open));
    check(&Lossy::Eur);
    check(&Lossy::Unknown);
    check(&OpenExternal::Eur);
    check(&OpenInternal::Other { code: "x".to_owned() });
    check(&OpenAdjacent::Unknown(newer));
}

/// The checker itself finds values that do not fit.
#[test]
fn a_wrong_shape_does_not_fit() {
    let value = serde_json::to_value(line()).unwrap();
    for ty in [Sku::TY, Pair::TY, Unit::TY, Closed::TY, External::TY, Internal::TY, Adjacent::TY, <Vec<Line>>::TY] {
        assert!(!fits(&ty, &value), "{ty:?}");
    }
    assert!(!fits(&u8::TY, &json!(256)) && !fits(&i8::TY, &json!(128)) && !fits(&u8::TY, &json!(-1)));
    assert!(!fits(&char::TY, &json!("ab")) && !fits(&bool::TY, &json!("true")) && !fits(&<()>::TY, &json!([])));
    assert!(!fits(&<BTreeMap<u8, u8>>::TY, &json!({"a": 1})) && fits(&<BTreeMap<u8, u8>>::TY, &json!({"7": 1})));
}
