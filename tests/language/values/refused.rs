//! Values that serde writes and does not read.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use session_runtime::value::Ty;
use session_runtime::{EntryKey, ErrorKind, Schema, Session, SessionError, SessionValue};

use super::shelf::Shelf;

/// Without `SessionValue`, so nothing is known of it at compile time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Payment {
    #[default]
    None,
    Card {
        last4: String,
    },
    Split {
        cents_by_person: BTreeMap<u32, u32>,
    },
    Gifts {
        wrapped: BTreeMap<bool, u32>,
    },
    Wide {
        wei: u128,
    },
    Deep {
        signed: i128,
    },
    Named(Inner),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inner {
    kind: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    page: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    below: Vec<Tree>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loose {
    #[default]
    Nothing,
    Wide(u128),
    Keyed(BTreeMap<u32, u32>),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flat {
    name: String,
    #[serde(flatten)]
    more: BTreeMap<u32, u32>,
}

/// Written whole, and read without its last part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forgetful {
    page: u32,
    #[serde(skip_deserializing)]
    total: u32,
}

/// A shape written by hand that accepts more than the serde impls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Percent(u8);

impl SessionValue for Percent {
    const TY: Ty = u8::TY;
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = u8::deserialize(deserializer)?;
        if percent > 100 { Err(serde::de::Error::custom("more than all")) } else { Ok(Self(percent)) }
    }
}

/// A key that is read in small letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Code(pub String);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|code| Self(code.to_lowercase()))
    }
}

impl EntryKey for Code {}

/// A key of which the stored key holds the first letter only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Short(String);

impl EntryKey for Short {
    fn write(&self, out: &mut String) -> Result<(), ()> {
        out.extend(self.0.chars().take(1));
        Ok(())
    }

    fn read(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }
}

macro_rules! shops {
    ($($name:ident $key:literal $($reset:literal)?;)*) => {$(
        #[derive(Session)]
        #[session(key = $key, version = 1 $(, on_invalid = $reset)?)]
        pub struct $name {
            payment: Payment,
            filter: Filter,
            tree: Tree,
            loose: Loose,
            flat: Flat,
            forgetful: Forgetful,
            percent: Percent,
            json: Vec<serde_json::Value>,
            #[session(merge = keys)]
            lines: BTreeMap<u32, Payment>,
            #[session(merge = keys)]
            codes: BTreeMap<Code, u32>,
            #[session(merge = keys)]
            shorts: BTreeMap<Short, u32>,
            visits: u64,
        }
    )*};
}

shops! {
    Shop "shop";
    Lax "lax" "reset";
}

fn nested(levels: usize) -> Tree {
    (0..levels).fold(Tree::default(), |tree, _| Tree { below: vec![tree] })
}

fn nested_json(levels: usize) -> Vec<serde_json::Value> {
    vec![(0..levels).fold(serde_json::Value::from(1), |json, _| vec![json].into())]
}

/// The save fails, names the field, and leaves what was stored as it was.
#[track_caller]
fn is_refused(error: Option<SessionError>, schema: &str, field: &str) {
    let error = error.unwrap_or_else(|| panic!("`{field}` of `{schema}` was stored"));
    assert_eq!((error.kind(), error.schema(), error.field()), (ErrorKind::Unencodable, Some(schema), Some(field)));
}

macro_rules! cases {
    ($($schema:ident $key:literal { $($test:ident $field:literal $edit:expr;)* })*) => {$($(
        #[tokio::test]
        async fn $test() {
            let edit: fn(&mut <$schema as Schema>::Mut) = $edit;
            let mut shelf = Shelf::new::<(Shop, Lax)>();
            assert!(shelf.edit::<$schema>(|shop| shop.set_visits(1)).await.is_none());
            let both = |shop: &mut <$schema as Schema>::Mut| {
                shop.set_visits(2);
                edit(shop);
            };
            is_refused(shelf.edit::<$schema>(both).await, $key, $field);
            let visits = async |shelf: &Shelf| shelf.read::<$schema, _>(|shop| *shop.visits()).await.unwrap();
            assert_eq!(visits(&shelf).await, 1, "nothing is stored");
            assert!(shelf.edit::<$schema>(|shop| shop.set_visits(3)).await.is_none(), "the session goes on");
            assert_eq!(visits(&shelf).await, 3);
        }
    )*)*};
}

cases! {
    Shop "shop" {
    integer_keys_below_a_tag_are_refused "payment"
        |shop| shop.set_payment(Payment::Split { cents_by_person: [(1, 50)].into() });
    bool_keys_below_a_tag_are_refused "payment" |shop| shop.set_payment(Payment::Gifts { wrapped: [(true, 50)].into() });
    a_wide_number_below_a_tag_is_refused "payment" |shop| shop.set_payment(Payment::Wide { wei: 5 });
    a_wide_signed_number_below_a_tag_is_refused "payment" |shop| shop.set_payment(Payment::Deep { signed: -5 });
    a_field_called_like_the_tag_is_refused "payment" |shop| shop.set_payment(Payment::Named(Inner { kind: 3 }));
    a_key_left_out_without_a_default_is_refused "filter" |shop| shop.filter_mut().page += 1;
    a_struct_too_deep_to_be_read_is_refused "tree" |shop| shop.set_tree(nested(65));
    json_too_deep_to_be_read_is_refused "json" |shop| shop.set_json(nested_json(127));
    a_wide_number_without_a_tag_is_refused "loose" |shop| shop.set_loose(Loose::Wide(u128::MAX));
    integer_keys_of_a_flattened_map_are_refused "flat" |shop| { shop.flat_mut().more.insert(7, 1); };
    a_part_that_is_not_read_is_refused "forgetful" |shop| shop.forgetful_mut().total = 7;
    a_shape_by_hand_that_reads_less_is_refused "percent" |shop| shop.set_percent(Percent(101));
    one_bad_entry_of_a_map_is_refused "lines" |shop| { shop.lines_mut().insert(7, Payment::Wide { wei: 5 }); };
    an_entry_key_that_is_read_as_another_is_refused "codes" |shop| { shop.codes_mut().insert(Code("ABC".into()), 1); };
    an_entry_key_that_loses_its_end_is_refused "shorts" |shop| { shop.shorts_mut().insert(Short("ab".into()), 1); };
    two_entries_under_one_key_are_refused "shorts"
        |shop| shop.set_shorts([(Short("a".into()), 1), (Short("ab".into()), 1)].into());
    }
    Lax "lax" {
    a_reset_field_with_integer_keys_below_a_tag_is_refused "payment"
        |shop| shop.set_payment(Payment::Split { cents_by_person: [(1, 50)].into() });
    a_reset_field_with_a_key_left_out_is_refused "filter" |shop| shop.filter_mut().page += 1;
    a_reset_field_that_is_too_deep_is_refused "tree" |shop| shop.set_tree(nested(65));
    one_bad_entry_of_a_reset_map_is_refused "lines" |shop| { shop.lines_mut().insert(7, Payment::Wide { wei: 5 }); };
    a_reset_entry_key_that_is_read_as_another_is_refused "codes"
        |shop| { shop.codes_mut().insert(Code("ABC".into()), 1); };
    }
}

/// The same types with values that are read again.
#[tokio::test]
async fn values_that_are_read_again_are_stored() {
    let mut shelf = Shelf::new::<Shop>();
    let card = Payment::Card { last4: "4242".into() };
    let error = shelf
        .edit::<Shop>(|shop| {
            shop.set_payment(card.clone());
            shop.filter_mut().tags.push("a".into());
            shop.set_tree(nested(62));
            shop.set_json(nested_json(125));
            shop.set_loose(Loose::Keyed(BTreeMap::new()));
            shop.flat_mut().name.push('x');
            shop.forgetful_mut().page = 2;
            shop.set_percent(Percent(100));
            shop.lines_mut().insert(7, card.clone());
            shop.codes_mut().insert(Code("abc".into()), 1);
            shop.shorts_mut().insert(Short("a".into()), 1);
        })
        .await;
    assert!(error.is_none(), "{error:?}");
    let look = |shop: &Shop| {
        assert_eq!((shop.payment(), &shop.lines()[&7]), (&card, &card));
        assert_eq!((shop.tree(), shop.json()), (&nested(62), &nested_json(125)));
        assert_eq!((shop.filter().tags.len(), shop.flat().name.as_str(), shop.forgetful().page), (1, "x", 2));
        assert_eq!((shop.percent(), shop.codes().len(), shop.shorts().len()), (&Percent(100), 1, 1));
    };
    shelf.read::<Shop, _>(look).await.unwrap();
}

/// A save in the middle of a handler returns the error there. The corrected value is stored.
#[tokio::test]
async fn a_refused_value_can_be_put_right_in_the_same_request() {
    let mut shelf = Shelf::new::<Shop>();
    let visit = shelf.open();
    {
        let mut shop = visit.write::<Shop>().await.unwrap();
        shop.set_payment(Payment::Wide { wei: 5 });
        is_refused(shop.save().await.err(), "shop", "payment");
        shop.set_payment(Payment::Card { last4: "1".into() });
        shop.save().await.unwrap();
    }
    assert!(shelf.close(visit).await.is_none());
    let stored = shelf.read::<Shop, _>(|shop| shop.payment().clone()).await.unwrap();
    assert_eq!(stored, Payment::Card { last4: "1".into() });
}

/// Outside of requests too.
#[tokio::test]
async fn a_job_is_refused_as_a_request_is() {
    let mut shelf = Shelf::new::<Shop>();
    assert!(shelf.edit::<Shop>(|shop| shop.set_visits(1)).await.is_none());
    let visit = shelf.open();
    visit.load().await.unwrap();
    let key = visit.key().unwrap();
    let update = shelf.sessions.update::<Shop, _>(&key, |shop| shop.set_payment(Payment::Wide { wei: 5 })).await;
    is_refused(update.err(), "shop", "payment");
}
