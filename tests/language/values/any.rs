//! Arbitrary values of arbitrary types either come back in the next request or are refused at the save.
//!
//! `VALUES_CASES` sets the number of values; default: 4,000. Each goes through a real save and a real second request.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use serde_json::value::RawValue;
use session_runtime::{ErrorKind, Schema, Session};

use super::data::{
    Adjacent, Bytes, Closed, Data, Desc, External, Flat, Float32, Float64, Internal, Kind, LEAVES, New, Nothing, Pick,
    Plain, Raw, Root, Skips, SkipsDefault, Slot, TaggedStruct, Tree, Untagged, WRAPPERS, below, choose,
};
use super::shelf::Shelf;

/// A field that is not read again would take the whole schema along.
#[derive(Session)]
#[session(key = "doc", version = 1)]
struct Doc {
    value: Root,
    optional: Option<Root>,
    list: Vec<Root>,
    #[session(merge = keys)]
    entries: BTreeMap<u32, Root>,
}

#[derive(Session)]
#[session(key = "lax", version = 1, on_invalid = "reset")]
struct Lax {
    value: Root,
    optional: Option<Root>,
    list: Vec<Root>,
    #[session(merge = keys)]
    entries: BTreeMap<u32, Root>,
}

/// Numbers that look random; a case is its number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % sides
    }

    fn one<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.roll(among.len())]
    }

    fn desc(&mut self, depth: usize) -> Rc<Desc> {
        if depth == 0 || self.roll(5) == 0 {
            return Rc::new(Desc { kind: self.one(LEAVES), parts: Vec::new() });
        }
        let (kind, parts) = self.one(WRAPPERS);
        Rc::new(Desc { kind, parts: (0..parts).map(|_| self.desc(depth - 1)).collect() })
    }

    fn text(&mut self) -> String {
        self.one(&["", "a", "null", "7", "kind", "ü\n\"\u{0}", "true", "[1]", "🦀"]).to_owned()
    }

    fn slot<const N: usize>(&mut self, desc: &Desc) -> Slot<N> {
        Slot(self.data(&desc.parts[N]))
    }

    fn both(&mut self, desc: &Desc) -> (Slot<0>, Slot<1>) {
        (self.slot(desc), self.slot(desc))
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.roll(4)).map(|_| one(self)).collect()
    }

    fn map<K: Ord>(&mut self, desc: &Desc, key: impl Fn(&mut Self) -> K) -> Box<BTreeMap<K, Slot<0>>> {
        Box::new(self.list(|dice| (key(dice), dice.slot(desc))).into_iter().collect())
    }

    fn float(&mut self) -> f64 {
        self.one(&[0.0, -0.0, 0.1, 1e300, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, -1.5, 1e15])
    }

    fn json(&mut self, depth: usize) -> serde_json::Value {
        match self.roll(if depth == 0 { 4 } else { 7 }) {
            0 => serde_json::Value::Null,
            1 => self.text().into(),
            2 => self.float().into(),
            3 => u64::MAX.into(),
            4 => self.list(|dice| dice.json(depth - 1)).into(),
            5 => serde_json::Value::Object(self.list(|dice| (dice.text(), dice.json(depth - 1))).into_iter().collect()),
            // `serde_json` reads 127 levels.
            _ => (0..self.one(&[1, 5, 100, 120, 126, 127, 128, 140])).fold(1.into(), |json, _| vec![json].into()),
        }
    }

    fn leaf(&mut self, kind: Kind) -> Data {
        match kind {
            Kind::UnitStruct => Data::UnitStruct(Nothing),
            Kind::Bool => Data::Bool(self.roll(2) == 0),
            Kind::I8 => Data::I8(self.one(&[i8::MIN, -1, 0, 1, i8::MAX])),
            Kind::U64 => Data::U64(self.one(&[0, 2, 3, u64::MAX])),
            Kind::I128 => Data::I128(self.one(&[i128::MIN, -1, 0, 5, i128::MAX])),
            Kind::U128 => Data::U128(self.one(&[0, 5, u64::MAX.into(), u128::MAX])),
            #[expect(clippy::cast_possible_truncation, reason = "any float will do")]
            Kind::F32 => Data::F32(Float32(self.float() as f32)),
            Kind::F64 => Data::F64(Float64(self.float())),
            Kind::Char => Data::Char(self.one(&['a', '"', '\0', '🦀', '7'])),
            Kind::Text => Data::Text(self.text()),
            Kind::Bytes => Data::Bytes(Bytes(self.list(|dice| dice.one(&[0, 7, 255])))),
            Kind::Json => Data::Json(self.json(3)),
            Kind::Raw => Data::Raw(Raw(RawValue::from_string(self.json(2).to_string()).unwrap())),
            Kind::Tree => Data::Tree(
                (0..self.one(&[0, 1, 5, 50, 60, 62, 63, 64, 70]))
                    .fold(Tree::default(), |tree, _| Tree { below: vec![tree] }),
            ),
            Kind::Pick => Data::Pick(self.pick()),
            _ => Data::Unit(()),
        }
    }

    fn pick(&mut self) -> Pick {
        self.one(&[Pick::TheFirst, Pick::TheSecond, Pick::Unknown])
    }

    fn data(&mut self, desc: &Desc) -> Data {
        match desc.kind {
            Kind::Opt => Data::Opt(Box::new((self.roll(3) > 0).then(|| self.slot(desc)))),
            Kind::New => Data::New(Box::new(New(self.slot(desc)))),
            Kind::Pair => Data::Pair(Box::new(self.both(desc))),
            Kind::Seq => Data::Seq(Box::new(self.list(|dice| dice.slot(desc)))),
            Kind::TextKeys => Data::TextKeys(self.map(desc, Self::text)),
            Kind::IntKeys => Data::IntKeys(self.map(desc, |dice| dice.one(&[0, 7, u32::MAX]))),
            Kind::BoolKeys => Data::BoolKeys(self.map(desc, |dice| dice.roll(2) == 0)),
            Kind::CharKeys => Data::CharKeys(self.map(desc, |dice| dice.one(&['a', '"', '\n', '7']))),
            Kind::PickKeys => Data::PickKeys(self.map(desc, Self::pick)),
            Kind::WideKeys => Data::WideKeys(self.map(desc, |dice| dice.one(&[i128::MIN, 0, i128::MAX]))),
            Kind::MaybeKeys => Data::MaybeKeys(self.map(desc, |dice| (dice.roll(4) > 0).then(|| dice.text()))),
            Kind::Plain => self.struct_of(desc, |a, b| Data::Plain(Box::new(Plain { a, b }))),
            Kind::Closed => self.struct_of(desc, |kind, b| Data::Closed(Box::new(Closed { kind, b }))),
            Kind::Skips => self.struct_of(desc, |a, b| Data::Skips(Box::new(Skips { a, b }))),
            Kind::SkipsDefault => self.struct_of(desc, |a, b| Data::SkipsDefault(Box::new(SkipsDefault { a, b }))),
            Kind::Flat => self.struct_of(desc, |a, b| Data::Flat(Box::new(Flat { b, a }))),
            Kind::TaggedStruct => self.struct_of(desc, |a, b| Data::TaggedStruct(Box::new(TaggedStruct { a, b }))),
            Kind::External => Data::External(Box::new(self.external(desc))),
            Kind::Internal => Data::Internal(Box::new(self.internal(desc))),
            Kind::Adjacent => Data::Adjacent(Box::new(self.adjacent(desc))),
            Kind::Untagged => Data::Untagged(Box::new(self.untagged(desc))),
            leaf => self.leaf(leaf),
        }
    }

    fn struct_of(&mut self, desc: &Desc, make: impl FnOnce(Slot<0>, Slot<1>) -> Data) -> Data {
        let (a, b) = self.both(desc);
        make(a, b)
    }
}

macro_rules! variants {
    ($($method:ident $name:ident { $($two:tt)* })*) => {
        impl Dice {$(
            fn $method(&mut self, desc: &Desc) -> $name {
                let ((a, b), variant) = (self.both(desc), self.roll(4));
                match variant {
                    0 => $name::Nothing,
                    1 => $name::New(a),
                    $($two)*
                    _ => $name::Named { a, b },
                }
            }
        )*}
    };
}

variants! {
    external External {}
    internal Internal {}
    adjacent Adjacent {}
    untagged Untagged {}
}

/// True if the type alone does not decide which value a text is. An untagged enum is read as the first variant that
/// fits, a flattened part takes the keys of its neighbour, and below a tag serde writes the `null` of JSON as it writes
/// `{}`.
fn is_ambiguous(desc: &Desc) -> bool {
    matches!(desc.kind, Kind::Untagged | Kind::Flat | Kind::SkipsDefault)
        || desc.kind == Kind::Internal && has_json(desc)
        || desc.parts.iter().any(|part| is_ambiguous(part))
}

fn has_json(desc: &Desc) -> bool {
    desc.kind == Kind::Json || desc.parts.iter().any(|part| has_json(part))
}

/// The order of an object's keys means nothing: a map of JSON that stands in for a struct sorts them.
fn is_written_as(read: &Root, text: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    let written = serde_json::to_string(read).unwrap();
    written == text || written.len() == text.len() && json(&written).is_some_and(|value| Some(value) == json(text))
}

#[derive(Default)]
struct Tally {
    stored: usize,
    refused: usize,
    unreadable: usize,
}

/// One value through a save and the next request's guard.
async fn try_one<S: Schema>(
    shelf: &mut Shelf,
    tally: &mut Tally,
    what: &str,
    set: impl FnOnce(&mut S::Mut),
    is_there: impl FnOnce(&S) -> bool,
) {
    shelf.forget();
    if let Some(error) = shelf.edit::<S>(set).await {
        assert_eq!(error.kind(), ErrorKind::Unencodable, "{what}");
        assert!(error.field().is_some(), "{what}");
        tally.refused += 1;
    } else {
        let read = shelf.read::<S, _>(is_there).await;
        assert!(matches!(read, Ok(true)), "stored, and read as {read:?}: {what}");
        tally.stored += 1;
    }
}

macro_rules! places {
    ($schema:ident, $case:expr, $shelf:expr, $tally:expr, $what:expr, $root:expr, $same:expr) => {{
        let (root, same) = ($root, $same);
        match $case % 4 {
            0 => {
                try_one::<$schema>($shelf, $tally, $what, |doc| doc.set_value(root.clone()), |doc| same(doc.value()))
                    .await
            }
            1 => {
                let set = |doc: &mut <$schema as Schema>::Mut| doc.set_optional(root.clone());
                try_one::<$schema>($shelf, $tally, $what, set, |doc| doc.optional().as_ref().is_some_and(&same)).await;
            }
            2 => {
                let set = |doc: &mut <$schema as Schema>::Mut| doc.list_mut().extend([root.clone(), root.clone()]);
                try_one::<$schema>($shelf, $tally, $what, set, |doc| {
                    doc.list().len() == 2 && doc.list().iter().all(&same)
                })
                .await;
            }
            _ => {
                let set = |doc: &mut <$schema as Schema>::Mut| drop(doc.entries_mut().insert(7, root.clone()));
                try_one::<$schema>($shelf, $tally, $what, set, |doc| doc.entries().get(&7).is_some_and(&same)).await;
            }
        }
    }};
}

fn cases() -> u64 {
    std::env::var("VALUES_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4_000)
}

#[tokio::test]
async fn any_value_comes_back_or_is_refused() {
    let (mut shelf, mut tally, begun) = (Shelf::new::<(Doc, Lax)>(), Tally::default(), Instant::now());
    for case in 0..cases() {
        let mut dice = Dice(case << 20);
        let depth = 1 + dice.roll(4);
        let desc = dice.desc(depth);
        choose(&desc);
        let root = Root(dice.data(&desc));
        let text = serde_json::to_string(&root);
        let what = format!("case {case}: {text:?} of {desc:?}");
        let ambiguous = is_ambiguous(&desc);
        let same =
            |read: &Root| *read == root || ambiguous && text.as_ref().is_ok_and(|text| is_written_as(read, text));
        let unreadable = text.as_ref().map_or(true, |text| serde_json::from_str::<Root>(text).is_err());
        tally.unreadable += usize::from(unreadable);
        let refused = tally.refused;
        if case / 4 % 2 == 0 {
            places!(Doc, case, &mut shelf, &mut tally, &what, &root, same);
        } else {
            places!(Lax, case, &mut shelf, &mut tally, &what, &root, same);
        }
        assert!(!unreadable || tally.refused > refused, "{what}");
    }
    let Tally { stored, refused, unreadable } = tally;
    println!(
        "{} values in {:?}: {stored} stored and read, {refused} refused, {unreadable} of them unreadable",
        cases(),
        begun.elapsed()
    );
    assert!(stored > refused && unreadable > 0 && refused >= unreadable);
    assert!(below_restores());
}

/// The types of parts end with the parts.
fn below_restores() -> bool {
    let unit = Rc::new(Desc { kind: Kind::Unit, parts: Vec::new() });
    let text = Rc::new(Desc { kind: Kind::New, parts: vec![unit] });
    choose(&text);
    below(0, Data::default) == Data::Unit(()) && matches!(Data::default(), Data::New(_))
}
