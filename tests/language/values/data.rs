//! A type that is chosen at run time, from serde's data model and the attributes of its derive.
//!
//! The impls are those of serde's own derive and of `serde_json`: [`Slot`] is a part whose type the current thread
//! knows. A part is written through `erased_serde`, or the types of nested writers would have no end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Desc {
    pub kind: Kind,
    pub parts: Vec<Rc<Self>>,
}

macro_rules! kinds {
    ($($leaf:ident($held:ty))* ; $($wrapper:ident($wrapped:ty) of $count:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($leaf,)*
            $($wrapper,)*
        }

        pub const LEAVES: &[Kind] = &[$(Kind::$leaf),*];
        /// Each with the number of its parts.
        pub const WRAPPERS: &[(Kind, usize)] = &[$((Kind::$wrapper, $count)),*];

        #[derive(Clone, Debug, PartialEq)]
        pub enum Data {
            $($leaf($held),)*
            $($wrapper(Box<$wrapped>),)*
        }

        impl Serialize for Data {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$leaf(held) => held.serialize(serializer),)*
                    $(Self::$wrapper(wrapped) => wrapped.serialize(serializer),)*
                }
            }
        }

        impl<'de> Deserialize<'de> for Data {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match kind() {
                    $(Kind::$leaf => <$held>::deserialize(deserializer).map(Self::$leaf),)*
                    $(Kind::$wrapper => <$wrapped>::deserialize(deserializer).map(|one| Self::$wrapper(Box::new(one))),)*
                }
            }
        }

        impl Default for Data {
            fn default() -> Self {
                match kind() {
                    $(Kind::$leaf => Self::$leaf(Default::default()),)*
                    $(Kind::$wrapper => Self::$wrapper(Default::default()),)*
                }
            }
        }
    };
}

kinds! {
    Unit(()) UnitStruct(Nothing) Bool(bool) I8(i8) U64(u64) I128(i128) U128(u128) F32(Float32) F64(Float64)
    Char(char) Text(String) Bytes(Bytes) Json(serde_json::Value) Raw(Raw) Tree(Tree) Pick(Pick);
    Opt(Option<Slot<0>>) of 1
    New(New) of 1
    Pair((Slot<0>, Slot<1>)) of 2
    Seq(Vec<Slot<0>>) of 1
    TextKeys(BTreeMap<String, Slot<0>>) of 1
    IntKeys(BTreeMap<u32, Slot<0>>) of 1
    BoolKeys(BTreeMap<bool, Slot<0>>) of 1
    CharKeys(BTreeMap<char, Slot<0>>) of 1
    PickKeys(BTreeMap<Pick, Slot<0>>) of 1
    WideKeys(BTreeMap<i128, Slot<0>>) of 1
    MaybeKeys(BTreeMap<Option<String>, Slot<0>>) of 1
    Plain(Plain) of 2
    Closed(Closed) of 2
    Skips(Skips) of 2
    SkipsDefault(SkipsDefault) of 2
    Flat(Flat) of 2
    External(External) of 2
    Internal(Internal) of 2
    Adjacent(Adjacent) of 2
    Untagged(Untagged) of 2
    TaggedStruct(TaggedStruct) of 2
}

thread_local! {
    static AT: RefCell<Rc<Desc>> = RefCell::new(Rc::new(Desc { kind: Kind::Unit, parts: Vec::new() }));
}

/// Makes this the type of [`Root`].
pub fn choose(desc: &Rc<Desc>) {
    AT.set(Rc::clone(desc));
}

fn kind() -> Kind {
    AT.with_borrow(|at| at.kind)
}

/// Runs with a part's type as the type.
pub fn below<R>(part: usize, run: impl FnOnce() -> R) -> R {
    let child = AT.with_borrow(|at| Rc::clone(&at.parts[part]));
    let parent = AT.replace(child);
    let done = run();
    AT.set(parent);
    done
}

/// A value of the chosen type: what a session stores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Root(pub Data);

/// A part of this number.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot<const N: usize>(pub Data);

impl<const N: usize> Serialize for Slot<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased_serde::serialize(&self.0 as &dyn erased_serde::Serialize, serializer)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Slot<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        below(N, || Data::deserialize(deserializer)).map(Self)
    }
}

impl<const N: usize> Default for Slot<N> {
    fn default() -> Self {
        Self(below(N, Data::default))
    }
}

/// Empty, nothing or zero: what an author leaves out.
fn is_nothing<const N: usize>(slot: &Slot<N>) -> bool {
    match &slot.0 {
        Data::Opt(inner) => inner.is_none(),
        Data::Seq(list) => list.is_empty(),
        Data::Text(text) => text.is_empty(),
        Data::U64(number) => *number < 3,
        Data::Unit(()) => true,
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Nothing;

/// Compared by their bits.
macro_rules! floats {
    ($($name:ident($float:ty))*) => {$(
        #[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $float);

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.to_bits() == other.0.to_bits()
            }
        }
    )*};
}

floats! { Float32(f32) Float64(f64) }

/// Written by `serialize_bytes`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Raw(pub Box<RawValue>);

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Default for Raw {
    fn default() -> Self {
        Self(RawValue::from_string("null".into()).unwrap())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    pub below: Vec<Self>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pick {
    #[default]
    TheFirst,
    #[serde(alias = "second", rename = "2")]
    TheSecond,
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct New(pub Slot<0>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plain {
    pub a: Slot<0>,
    #[serde(rename = "type", default)]
    pub b: Slot<1>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    pub kind: Slot<0>,
    #[serde(alias = "other")]
    pub b: Slot<1>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Skips {
    #[serde(skip_serializing_if = "is_nothing")]
    pub a: Slot<0>,
    pub b: Slot<1>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SkipsDefault {
    #[serde(skip_serializing_if = "is_nothing", default)]
    pub a: Slot<0>,
    pub b: Slot<1>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flat {
    pub b: Slot<1>,
    #[serde(flatten)]
    pub a: Slot<0>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub struct TaggedStruct {
    pub a: Slot<0>,
    pub b: Slot<1>,
}

macro_rules! enums {
    ($($name:ident $(#[$tag:meta])* { $($tuple:tt)* })*) => {$(
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        $(#[$tag])*
        pub enum $name {
            #[default]
            Nothing,
            New(Slot<0>),
            Named { a: Slot<0>, b: Slot<1> },
            $($tuple)*
        }
    )*};
}

enums! {
    External { Two(Slot<0>, Slot<1>) }
    Internal #[serde(tag = "kind")] {}
    Adjacent #[serde(tag = "t", content = "c")] { Two(Slot<0>, Slot<1>) }
    Untagged #[serde(untagged)] { Two(Slot<0>, Slot<1>) }
}
