//! The shapes of the standard library's types, as serde writes them to JSON.
//!
//! Deliberately absent: `SystemTime`, which serde cannot write for a time before 1970; `OsString`, whose stored form
//! depends on the platform; `Rc`, `Arc`, cells, locks and atomics, in which a session does not see changes.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8, NonZeroU16, NonZeroU32,
    NonZeroU64, NonZeroU128, NonZeroUsize, Saturating, Wrapping,
};
use std::ops::{Bound, Range, RangeFrom, RangeInclusive, RangeTo};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Enum, Key, SessionValue, Struct, Tag, Ty, Variant};

prims! {
    bool = "bool" char = "char" str = "str" String = "str" f32 = "f32" f64 = "f64" () = "unit"
    u8 = "u8" u16 = "u16" u32 = "u32" u64 = "u64" u128 = "u128" usize = "usize"
    i8 = "i8" i16 = "i16" i32 = "i32" i64 = "i64" i128 = "i128" isize = "isize"
    NonZeroU8 = "u8" NonZeroU16 = "u16" NonZeroU32 = "u32" NonZeroU64 = "u64" NonZeroU128 = "u128"
    NonZeroI8 = "i8" NonZeroI16 = "i16" NonZeroI32 = "i32" NonZeroI64 = "i64" NonZeroI128 = "i128"
    NonZeroUsize = "usize" NonZeroIsize = "isize"
    IpAddr = "ip" Ipv4Addr = "ipv4" Ipv6Addr = "ipv6"
    SocketAddr = "socket" SocketAddrV4 = "socket-v4" SocketAddrV6 = "socket-v6"
    Path = "str" PathBuf = "str"
}

impl<T: ?Sized> SessionValue for PhantomData<T> {
    const TY: Ty = <()>::TY;
}

/// Types around one other that leave no trace of themselves.
macro_rules! transparent {
    ($($wrapper:ident)*) => {$(
        impl<T: SessionValue> SessionValue for $wrapper<T> {
            const TY: Ty = T::TY;
        }
    )*};
}

transparent! { Wrapping Saturating Reverse }

impl<T: SessionValue + ?Sized> SessionValue for Box<T> {
    const TY: Ty = T::TY;
}

impl<T: SessionValue + ToOwned + ?Sized> SessionValue for Cow<'static, T> {
    const TY: Ty = T::TY;
}

impl<T: SessionValue> SessionValue for Option<T> {
    const TY: Ty = Ty::Nullable(&T::TY);
}

/// Any number of one type.
macro_rules! seqs {
    ($($ty:ty [$($hasher:ident)?])*) => {$(
        impl<T: SessionValue $(, $hasher)?> SessionValue for $ty {
            const TY: Ty = Ty::Seq(&T::TY);
        }
    )*};
}

seqs! { [T] [] Vec<T> [] VecDeque<T> [] LinkedList<T> [] BinaryHeap<T> [] BTreeSet<T> [] HashSet<T, S> [S] }

/// Of any length, although serde itself stops at 32.
impl<T: SessionValue, const N: usize> SessionValue for [T; N] {
    const TY: Ty = Ty::Array(&T::TY, N);
}

impl<K: SessionValue, V: SessionValue> SessionValue for BTreeMap<K, V> {
    const TY: Ty = Ty::Map(&K::TY, &V::TY);
}

impl<K: SessionValue, V: SessionValue, S> SessionValue for HashMap<K, V, S> {
    const TY: Ty = Ty::Map(&K::TY, &V::TY);
}

/// From the longest to that of one.
macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        impl<$first: SessionValue, $($rest: SessionValue),*> SessionValue for ($first, $($rest,)*) {
            const TY: Ty = Ty::Tuple(&[$first::TY, $($rest::TY),*]);
        }
        tuples! { $($rest)* }
    };
}

tuples! { A B C D E F G H I J K L M N O P }

/// Structs that serde knows by heart; all of them refuse other keys.
macro_rules! structs {
    ($($name:ident $(<$param:ident>)? { $($key:ident: $ty:ty),* })*) => {$(
        impl$(<$param: SessionValue>)? SessionValue for $name$(<$param>)? {
            const TY: Ty = Ty::Struct(Struct {
                keys: &[$(Key { name: stringify!($key), ty: <$ty>::TY }),*],
                closed: true,
            });
        }
    )*};
}

structs! {
    Duration { secs: u64, nanos: u32 }
    Range<T> { start: T, end: T }
    RangeInclusive<T> { start: T, end: T }
    RangeFrom<T> { start: T }
    RangeTo<T> { end: T }
}

impl<T: SessionValue, E: SessionValue> SessionValue for Result<T, E> {
    const TY: Ty = Ty::Enum(Enum {
        tag: Tag::External,
        variants: &[Variant { name: "Ok", content: Some(T::TY) }, Variant { name: "Err", content: Some(E::TY) }],
        open: false,
    });
}

impl<T: SessionValue> SessionValue for Bound<T> {
    const TY: Ty = Ty::Enum(Enum {
        tag: Tag::External,
        variants: &[
            Variant { name: "Unbounded", content: None },
            Variant { name: "Included", content: Some(T::TY) },
            Variant { name: "Excluded", content: Some(T::TY) },
        ],
        open: false,
    });
}
