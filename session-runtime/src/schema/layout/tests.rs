//! Texts of the compile errors of this library; the compiler's own text around them changes between releases. The
//! schemas are written by hand, since their mistakes would not compile with the derive.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;
use crate::__private::{Chain, Current, Tracked, Unchained, pinned as whole, pinned_entries as entries, transient};
use crate::SessionValue;
use crate::schema::history::History;
use crate::schema::value::{Key, Struct, Ty};
use crate::schema::{SchemaSpec, field_access};

macro_rules! schema {
    ($name:ident $key:literal $version:literal { $($at:literal $field:ident: $ty:ty as $kind:ident,)* } $history:expr) => {
        #[derive(Default)]
        struct $name {
            $($field: $ty,)*
        }
        impl Schema for $name {
            const NAME: &'static str = stringify!($name);
            const KEY: &'static str = $key;
            const VERSION: u16 = $version;
            const SPEC: &'static SchemaSpec = &crate::version::spec::spec::<Self>();
            const HISTORY: History<Self> = $history;
            const FIELDS: &'static [FieldOps<Self>] = &[$(
                $kind::<Self, $ty>(
                    concat!($key, ".", stringify!($field), slash!($kind)),
                    &const { field_access($at, Default::default, |s| &s.$field, |s| &mut s.$field) },
                ),
            )*];
            type Role = Current;
            type Mut = Tracked<Self>;
            type Marks = [u64; 1];
            const WRAP: fn(Tracked<Self>) -> Self::Mut = |tracked| tracked;
            const TRACKED: fn(&mut Self::Mut) -> &mut Tracked<Self> = |tracked| tracked;
            const NEW: fn() -> Self = Self::default;
        }
    };
}

macro_rules! slash {
    (entries) => {
        "/"
    };
    ($kind:ident) => {
        ""
    };
}

macro_rules! upgrades {
    ($($old:ident to $new:ident)*) => {$(
        impl From<$old> for $new {
            fn from(_: $old) -> Self {
                Self::default()
            }
        }
    )*};
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Line {
    sku: String,
    qty: u64,
}

impl SessionValue for Line {
    const TY: Ty = Ty::Struct(Struct {
        keys: &[Key { name: "sku", ty: String::TY }, Key { name: "qty", ty: u64::TY }],
        closed: false,
    });
}

/// Returns the current pin of the field under `key`.
fn pin<S: Schema>(key: &str) -> u32 {
    hash(field_of::<S>(key).unwrap()).unwrap()
}

schema!(Changed "cart" 3 {
    0 items: Vec<Line> as whole,
    1 coupon: Option<String> as whole,
    2 note: String as whole,
    3 seen: bool as transient,
} History::new().layout(&[("items", 0x3b9d_ea59), ("coupon", 0xec0d_589b), ("gift", 0x4fb0_f3d8)]));

#[test]
fn a_changed_layout_is_reported_key_by_key() {
    assert_eq!(
        drift::<Changed>(false).unwrap().text(),
        "stored layout of session schema `cart` changed but `version` is still 3\
         \n    key `items` changed type; it is now [{sku: str, qty: u64}]\
         \n    key `note` was added: str; if it is `gift` under a new name, write `#[session(rename = \"gift\")]` on it\
         \n    key `gift` was removed\
         \n    if version 3 was deployed, bump to `version = 4` and keep the old struct as `previous`\
         \n    otherwise record the new layout: layout = \"items:e85afc95 coupon:ec0d589b note:4fb0f3d8\""
    );
}

schema!(Added "cart" 3 {
    0 count: u32 as whole,
    1 note: Option<String> as whole,
    2 seen: bool as whole,
} History::new()
    .layout(&[("count", 0x4d0f_51c1), ("note", 0xec0d_589b)])
    .was(&[(2, &[("count", 0x4d0f_51c1)])]));

#[test]
fn an_added_key_gives_the_finished_line_for_the_next_version() {
    let text = drift::<Added>(false).unwrap();
    let was = "bump to `version = 4` and write `was(3 = \"count:4d0f51c1 note:ec0d589b\", 2 = \"count:4d0f51c1\")`\n    in \
               both cases record the new layout: layout = \"count:4d0f51c1 note:ec0d589b seen:";
    assert!(text.text().contains(was), "{}", text.text());
}

schema!(Deep "deep" 1 {
    0 a: BTreeMap<String, Vec<Option<u32>>> as whole,
    1 b: Vec<Vec<BTreeMap<String, Option<Line>>>> as whole,
    2 c: BTreeMap<u32, u32> as entries,
} History::new().layout(&[("a", 0), ("b", 0), ("c", 0xe0b2_dfa2)]));

#[test]
fn a_change_deep_inside_is_found() {
    let text = drift::<Deep>(false).unwrap();
    assert!(text.text().contains("key `a` changed type; it is now map of str to [Option<u32>]\n"), "{}", text.text());
    let b = "key `b` changed type; it is now [[map of str to Option<{sku: str, qty: u64}>]]\n";
    assert!(text.text().contains(b), "{}", text.text());
    // The pin of `c` is the hash of the same map under one key.
    let c = "key `c` changed type; it is now map of u32 to u32, entry by entry\n";
    assert!(text.text().contains(c), "{}", text.text());
}

schema!(Unrecorded "cart" 1 { 0 count: u32 as whole, 1 note: Option<String> as whole, } History::new().layout(&[]));

#[test]
fn an_empty_pin_prints_the_layout_to_paste() {
    assert_eq!(
        drift::<Unrecorded>(false).unwrap().text(),
        "the stored layout of session schema `cart` is not recorded yet: layout = \"count:4d0f51c1 note:ec0d589b\""
    );
    assert_eq!(to_paste::<Unrecorded>().unwrap().text(), "layout = \"count:4d0f51c1 note:ec0d589b\"");
}

schema!(Passing "cart" 1 { 0 count: u32 as whole, 1 scratch: BTreeMap<u8, Line> as transient, }
    History::new().layout(&[("count", 0x4d0f_51c1)]));

/// A field that is never stored needs no pin, whatever its type.
#[test]
fn a_transient_field_is_no_part_of_the_layout() {
    assert!(drift::<Passing>(false).is_none());
    assert_eq!(to_paste::<Passing>().unwrap().text(), "layout = \"count:4d0f51c1\"");
}

/// A release build refuses a layout that is not recorded. This depends on the build, so both cases are tested here.
#[test]
fn an_unreleased_layout_is_for_builds_with_debug_assertions() {
    assert!(unreleased::<Unrecorded>(true).is_none());
    assert_eq!(
        unreleased::<Unrecorded>(false).unwrap().text(),
        "version 1 of session schema `cart` is not pinned; record it: layout = \"count:4d0f51c1 note:ec0d589b\""
    );
}

schema!(Third "cart" 3 { 0 items: Vec<u64> as whole, 1 note: Option<String> as whole, }
    History::new().was(&[(2, &[("items", 0xc799_2f67), ("coupon", 0xec0d_589b)]), (1, &[("items", 0xc7b9_c7f8)])]));

#[test]
fn changes_that_are_not_additive_are_reported_key_by_key() {
    assert!(not_additive::<Third>(1).is_none());
    assert_eq!(
        not_additive::<Third>(0).unwrap().text(),
        "version 3 is not an additive change of 2 of session schema `cart`\
         \n    key `items` changed type; it is now [u64]\
         \n    key `coupon` was removed\
         \n    keep the old struct as `previous`"
    );
}

schema!(First "cart" 1 { 0 count: u32 as whole, 1 gift: bool as whole, } History::new().retired(&["total"]));
schema!(Other "basket" 1 { 0 count: u32 as whole, } History::new());
schema!(Refused "cart!" 1 { 0 count: u32 as whole, } History::new().refused());
schema!(Newest "cart" 3 { 0 count: u64 as whole, }
    History::new().was(&[(2, &[("count", 0x4d0f_e23a)])]).readers(1).previous(Chain::<Self, First>::__PREVIOUS, None));
schema!(Gap "cart" 3 { 0 count: u32 as whole, } History::new());
upgrades!(First to Newest First to Gap Other to Gap Refused to Gap);

#[test]
fn a_gap_in_the_chain_is_reported() {
    let gap = "migration chain of session schema `cart` has a gap: version 3 names a previous struct of version 1, \
               expected 2";
    assert_eq!(Chain::<Gap, First>::GAP.unwrap().text(), gap);
    assert!(Chain::<Newest, First>::GAP.is_none());
}

#[test]
fn a_previous_struct_of_another_schema_is_reported() {
    let other = "`Other` belongs to session schema \"basket\", not to \"cart\"";
    assert_eq!(Chain::<Gap, Other>::GAP.unwrap().text(), other);
}

#[test]
fn two_upgrades_from_one_version_are_reported() {
    let both = "`previous = Gap` cannot be combined with `was` or `migrate` for the same version, 3";
    schema!(Fourth "cart" 4 { 0 count: u32 as whole, } History::new().was(&[(3, &[("count", 0x4d0f_51c1)])]));
    assert_eq!(not_next::<Fourth, Gap>().text(), both);
}

#[test]
fn keys_that_are_lost_are_named_at_once() {
    let keys = "keys `gift`, `total` of version 1 are neither kept nor retired: add `retired(\"gift\", \"total\")`, or \
                `renamed_from` where a field holds it under a new name";
    assert_eq!(Chain::<Newest, First>::__FORGOTTEN.unwrap().text(), keys);
    schema!(Fifth "cart" 2 { 0 gift: bool as whole, } History::new().retired(&["total"]));
    let key = "key `count` of version 1 is neither kept nor retired: add `retired(\"count\")`, or `renamed_from` where a \
               field holds it under a new name";
    assert_eq!(Chain::<Fifth, First>::__FORGOTTEN.unwrap().text(), key);
}

#[test]
fn a_struct_that_names_itself_is_reported() {
    let itself = "`previous = Gap` names the struct itself: keep a copy of the struct as version 2 had it, under another name \
                  or in another module, marked `archived`, and name that";
    assert_eq!(not_next::<Gap, Gap>().text(), itself);
    assert!(Chain::<Gap, Gap>::__PREVIOUS.is_none() && Chain::<First, Newest>::__PREVIOUS.is_none());
}

#[test]
fn readers_that_promise_too_much_are_reported() {
    assert_eq!(
        not_readable::<Newest>().unwrap().text(),
        "old code at version 1 cannot read session schema `cart` of version 3: key `count` is not what version 1 stored\
         \n    `readers` may only tighten what the layouts allow: `readers = 2` or more, or none at all"
    );
}

/// One mistake causes one error: the macro or the compiler already reports the mistake in the previous struct.
#[test]
fn a_chain_is_not_judged_by_what_is_refused_already() {
    assert!(Chain::<Gap, Refused>::GAP.is_none() && Chain::<Gap, Refused>::__FORGOTTEN.is_none());
    assert!(Chain::<Gap, String>::__PREVIOUS.is_none());
    let _ = Chain::<Gap, String>::__UPGRADE;
    assert!(Chain::<Gap, Newest>::__PREVIOUS.is_none(), "no impl leads from one to the other");
}

/// Pins in source code outlive a release of this library, so the hashes must never change.
#[test]
fn hashes_stay_what_they_are() {
    let pins = [pin::<Changed>("items"), pin::<Changed>("coupon"), pin::<Changed>("note"), pin::<Deep>("c")];
    assert_eq!(pins, [0xe85a_fc95, 0xec0d_589b, 0x4fb0_f3d8, 0x118a_68db]);
}
