//! No two shapes share the text that is hashed, and the pins of ordinary shapes do not change.

use std::collections::HashMap;

use super::super::shape::{BASIS, fold, pinned, shape};
use super::*;
use crate::SessionValue;
use crate::schema::value::Key;

/// Names and parts of names that look like types, or like the rest of one.
const PARTS: [&str; 22] = [
    "p", "pi", "ip", "v4", "v6", "v4port", "port", "via", "m", "item", "o", "json", "str", "u32", "a", "z", "-nonnil",
    ".", ";", "}", "u8", "t",
];
const PRIMS: [&str; 10] = ["ip", "ipv4", "str", "u32", "u8", "uuid", "uuid-nonnil", "unit", "v4", "own"];

/// Pseudo-random numbers, the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn name(&mut self) -> &'static str {
        let name: String = (0..=self.roll(3)).map(|_| PARTS[self.roll(PARTS.len())]).collect();
        name.leak()
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> &'static [T] {
        (0..self.roll(4)).map(|_| one(self)).collect::<Vec<_>>().leak()
    }

    fn inner(&mut self, depth: usize) -> &'static Ty {
        Box::leak(Box::new(self.ty(depth)))
    }

    fn ty(&mut self, depth: usize) -> Ty {
        if depth == 0 {
            return if self.roll(8) == 0 { Ty::Opaque(self.name()) } else { Ty::Prim(PRIMS[self.roll(PRIMS.len())]) };
        }
        let depth = depth - 1;
        match self.roll(10) {
            0 => Ty::Nullable(self.inner(depth)),
            1 => Ty::Seq(self.inner(depth)),
            2 => Ty::Set(self.inner(depth)),
            3 => Ty::Array(self.inner(depth), self.roll(12)),
            4 => Ty::Map(self.inner(depth), self.inner(depth)),
            5 => Ty::Tuple(self.list(|dice| dice.ty(depth))),
            6 => Ty::Enum(self.one(depth)),
            _ => Ty::Struct(Struct { keys: self.list(|dice| dice.key(depth)), closed: false }),
        }
    }

    fn key(&mut self, depth: usize) -> Key {
        let ty = if self.roll(6) == 0 { Ty::Skippable(self.inner(depth)) } else { self.ty(depth) };
        Key { name: self.name(), ty }
    }

    fn one(&mut self, depth: usize) -> Enum {
        let tag = match self.roll(3) {
            0 => Tag::External,
            1 => Tag::Internal(self.name()),
            _ => Tag::Adjacent(self.name(), self.name()),
        };
        let content = |dice: &mut Self| (dice.roll(2) == 0).then(|| dice.ty(depth));
        let variants = self.list(|dice| Variant { name: dice.name(), content: content(dice) });
        Enum { tag, variants, open: self.roll(3) == 0 }
    }
}

/// `pinned` and `exact` are hashes of 64 bits: among this many shapes, two share one by chance once in a billion runs.
#[test]
fn no_two_layouts_share_a_text() {
    let (mut dice, mut seen, mut plain) = (Dice(20_261_130), HashMap::new(), 0);
    for _ in 0..150_000 {
        let depth = dice.roll(4);
        let ty = dice.ty(depth);
        plain += usize::from(is_plain(&ty, true));
        let identity = exact(BASIS, &ty);
        let other = *seen.entry(pinned(BASIS, &ty)).or_insert(identity);
        assert_eq!(other, identity, "another shape has the text of {ty:?}");
    }
    assert!(plain > 20_000 && seen.len() > 50_000, "{plain} plain, {} different", seen.len());
}

/// The test for plain shapes is needed: without it, these shapes collide.
#[test]
fn the_plain_text_alone_is_ambiguous() {
    let hop = |keys| Ty::Struct(Struct { keys, closed: false });
    let one = hop(&[Key { name: "via", ty: Ty::Prim("ip") }, Key { name: "v4port", ty: Ty::Prim("u16") }]);
    let other = hop(&[Key { name: "via", ty: Ty::Prim("ipv4") }, Key { name: "port", ty: Ty::Prim("u16") }]);
    assert_eq!(shape(BASIS, &one), shape(BASIS, &other));
    assert_ne!(pinned(BASIS, &one), pinned(BASIS, &other));
    assert_eq!(pinned(BASIS, &other), shape(BASIS, &other), "the ordinary one keeps its pin");
}

#[test]
fn ordinary_names_are_plain() {
    let names = "id sku qty name items updated_at created_at item sum form address api recipient type_ price zip team \
                 stop tip_percent shipping_method OrderPlaced paid purchase phone lastSeen last-seen r#type ünits total";
    for name in names.split_whitespace().filter(|name| *name != "r#type") {
        assert!(is_plain_name(name) && !runs_on(name, &String::TY), "{name}");
    }
    for name in ["upstream", "pipeline", "v4port", "", "a[0]", "-nonnil", "purl", "a.b"] {
        assert!(!is_plain_name(name), "{name}");
    }
    assert!(runs_on("topi", &bool::TY), "`{{topipbool…` begins with a key `to` of type `ip`");
}

/// Every type without parts that this crate names is known, since a pin may contain it anywhere.
#[test]
fn built_in_names_are_known() {
    macro_rules! all {
        ($($ty:ty),* $(,)?) => {[$(<$ty>::TY),*]};
    }
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
    use std::num::NonZero;
    let standard = all! {
        bool, char, String, f32, f64, (), u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize,
        NonZero<u8>, NonZero<u16>, NonZero<u32>, NonZero<u64>, NonZero<u128>, NonZero<usize>,
        NonZero<i8>, NonZero<i16>, NonZero<i32>, NonZero<i64>, NonZero<i128>, NonZero<isize>,
        IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, serde_json::Number,
    };
    #[cfg(all(feature = "chrono", feature = "time"))]
    let times = all! {
        chrono::DateTime<chrono::FixedOffset>, chrono::NaiveDateTime, chrono::NaiveDate, chrono::NaiveTime, chrono::Weekday,
        chrono::Month, time::OffsetDateTime, time::UtcDateTime, time::PrimitiveDateTime, time::Date, time::Time,
        time::UtcOffset, time::Duration, time::Weekday, time::Month,
    };
    #[cfg(all(feature = "chrono", feature = "time"))]
    assert!(times.iter().all(|ty| is_plain(ty, false)));
    #[cfg(all(feature = "uuid", feature = "rust_decimal", feature = "url"))]
    assert!(
        all! { uuid::Uuid, uuid::NonNilUuid, rust_decimal::Decimal, url::Url }.iter().all(|ty| is_plain(ty, false))
    );
    assert!(standard.iter().all(|ty| is_plain(ty, false)));
}

/// A type that reads fewer of the same texts than another has a pin of its own.
#[test]
fn narrower_types_have_a_pin_of_their_own() {
    use std::collections::{BTreeSet, BinaryHeap, HashSet};
    use std::num::NonZero;
    let pin = |ty: Ty| fold(pinned(BASIS, &ty));
    assert_eq!((pin(<Vec<String>>::TY), pin(<Option<String>>::TY)), (0xd218_5aaa, 0xec0d_589b));
    assert_ne!(pin(<Vec<String>>::TY), pin(<BTreeSet<String>>::TY));
    assert_eq!(pin(<HashSet<String>>::TY), pin(<BTreeSet<String>>::TY));
    assert_ne!(pin(<Vec<u8>>::TY), pin(<BinaryHeap<u8>>::TY));
    assert_ne!(pin(u32::TY), pin(<NonZero<u32>>::TY));
    assert_ne!(pin(<Option<Vec<(i64, u8)>>>::TY), pin(<Option<Vec<(NonZero<i64>, u8)>>>::TY));
    let tags = |ty| Ty::Struct(Struct { keys: Box::leak(Box::new([Key { name: "tags", ty }])), closed: false });
    assert_ne!(pin(tags(<Vec<u8>>::TY)), pin(tags(Ty::Skippable(&<Vec<u8>>::TY))), "a key that may be missing");
    assert_eq!(pin(tags(<Option<u8>>::TY)), pin(tags(Ty::Skippable(&<Option<u8>>::TY))), "read where it is missing");
    let currency = |open| Ty::Enum(Enum { tag: Tag::External, variants: &[], open });
    assert_ne!(pin(currency(true)), pin(currency(false)), "a catch-all reads more");
}
