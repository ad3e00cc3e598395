//! Shapes of the standard library's types, as serde writes them to JSON.
//!
//! Deliberately absent: `SystemTime`, which serde cannot write for a time before 1970; `OsString`, whose stored form
//! depends on the platform; `Rc`, `Arc`, cells, locks and atomics, whose changes a session cannot detect.

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

use super::{Enum, Key, Reads, SessionValue, Struct, Tag, Ty, Variant};

prims! {
    bool = "bool" as Always char = "char" as Always str = "str" as Always String = "str" as Always
    f32 = "f32" as UnlessNull f64 = "f64" as UnlessNull () = "unit" as Always
    u8 = "u8" as Always u16 = "u16" as Always u32 = "u32" as Always
    u64 = "u64" as Always u128 = "u128" as Always usize = "usize" as Always
    i8 = "i8" as Always i16 = "i16" as Always i32 = "i32" as Always
    i64 = "i64" as Always i128 = "i128" as Always isize = "isize" as Always
    NonZeroU8 = "nonzero-u8" as Always NonZeroU16 = "nonzero-u16" as Always NonZeroU32 = "nonzero-u32" as Always
    NonZeroU64 = "nonzero-u64" as Always NonZeroU128 = "nonzero-u128" as Always
    NonZeroUsize = "nonzero-usize" as Always
    NonZeroI8 = "nonzero-i8" as Always NonZeroI16 = "nonzero-i16" as Always NonZeroI32 = "nonzero-i32" as Always
    NonZeroI64 = "nonzero-i64" as Always NonZeroI128 = "nonzero-i128" as Always
    NonZeroIsize = "nonzero-isize" as Always
    IpAddr = "ip" as Always Ipv4Addr = "ipv4" as Always Ipv6Addr = "ipv6" as Always
    SocketAddr = "socket" as Always SocketAddrV4 = "socket-v4" as Always SocketAddrV6 = "socket-v6" as Always
    Path = "str" as Always PathBuf = "str" as Always
}

impl<T: ?Sized> SessionValue for PhantomData<T> {
    const TY: Ty = <()>::TY;
    fn __reads() -> Reads {
        Reads::Always
    }
}

/// Implements `SessionValue` for wrappers that serde writes as the type inside.
macro_rules! transparent {
    ($($wrapper:ident)*) => {$(
        impl<T: SessionValue> SessionValue for $wrapper<T> {
            const TY: Ty = T::TY;
            fn __reads() -> Reads {
                T::__reads()
            }
        }
    )*};
}

transparent! { Wrapping Saturating Reverse }

impl<T: SessionValue + ?Sized> SessionValue for Box<T> {
    const TY: Ty = T::TY;
    fn __reads() -> Reads {
        T::__reads()
    }
}

impl<T: SessionValue + ToOwned + ?Sized> SessionValue for Cow<'static, T> {
    const TY: Ty = T::TY;
    fn __reads() -> Reads {
        T::__reads()
    }
}

impl<T: SessionValue> SessionValue for Option<T> {
    const TY: Ty = Ty::Nullable(&T::TY);
    fn __reads() -> Reads {
        T::__reads().optional(&T::TY)
    }
}

/// Implements `SessionValue` for collections of one type.
macro_rules! many {
    ($kind:ident: $($ty:ty [$($hasher:ident)?])*) => {$(
        impl<T: SessionValue $(, $hasher)?> SessionValue for $ty {
            const TY: Ty = Ty::$kind(&T::TY);
            fn __reads() -> Reads {
                T::__reads()
            }
        }
    )*};
}

many! { Seq: [T] [] Vec<T> [] VecDeque<T> [] LinkedList<T> [] }

// Reading drops duplicates and the order, so a set preserves less than a list.
many! { Set: BinaryHeap<T> [] BTreeSet<T> [] HashSet<T, S> [S] }

/// Covers any length, although serde itself stops at 32.
impl<T: SessionValue, const N: usize> SessionValue for [T; N] {
    const TY: Ty = Ty::Array(&T::TY, N);
    fn __reads() -> Reads {
        T::__reads()
    }
}

impl<K: SessionValue, V: SessionValue> SessionValue for BTreeMap<K, V> {
    const TY: Ty = Ty::Map(&K::TY, &V::TY);
    fn __reads() -> Reads {
        K::__reads().and(V::__reads())
    }
}

impl<K: SessionValue, V: SessionValue, S> SessionValue for HashMap<K, V, S> {
    const TY: Ty = Ty::Map(&K::TY, &V::TY);
    fn __reads() -> Reads {
        K::__reads().and(V::__reads())
    }
}

/// Implements `SessionValue` for tuples, from the longest down to one element.
macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        impl<$first: SessionValue, $($rest: SessionValue),*> SessionValue for ($first, $($rest,)*) {
            const TY: Ty = Ty::Tuple(&[$first::TY, $($rest::TY),*]);
            fn __reads() -> Reads {
                $first::__reads()$(.and($rest::__reads()))*
            }
        }
        tuples! { $($rest)* }
    };
}

tuples! { A B C D E F G H I J K L M N O P }

/// Implements `SessionValue` for structs that serde itself supports, all of which refuse other keys.
macro_rules! structs {
    ($($name:ident $(<$param:ident>)? { $($key:ident: $ty:ty),* })*) => {$(
        impl$(<$param: SessionValue>)? SessionValue for $name$(<$param>)? {
            const TY: Ty = Ty::Struct(Struct {
                keys: &[$(Key { name: stringify!($key), ty: <$ty>::TY }),*],
                closed: true,
            });
            fn __reads() -> Reads {
                Reads::Always$(.and(<$ty>::__reads()))*
            }
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
    fn __reads() -> Reads {
        T::__reads().and(E::__reads())
    }
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
    fn __reads() -> Reads {
        T::__reads()
    }
}
