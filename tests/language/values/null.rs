//! A `null` is not always `None`, and an absent key is not always `null`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use session_runtime::{ErrorKind, Session};

use super::shelf::Shelf;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Accepted;

/// Its shape is not known, so that the compiler cannot refuse an `Option` of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Maybe<T>(Option<T>);

/// `None` is no default here.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Limit(Option<u32>);

impl Default for Limit {
    fn default() -> Self {
        Self(Some(10))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row {
    seen: Option<Maybe<u8>>,
    price: Option<f64>,
}

#[derive(Session)]
#[session(key = "shop", version = 1)]
struct Shop {
    terms: Option<Accepted>,
    json: Option<Value>,
    late: Option<Maybe<u8>>,
    price: Option<f64>,
    rows: Vec<Row>,
    #[session(merge = keys)]
    by_key: BTreeMap<u32, Option<Maybe<u8>>>,
    limit: Limit,
    #[session(default = Value::from(7))]
    value: Value,
    #[session(merge = with = lowest)]
    lowest: Limit,
}

fn lowest(_: &Limit, theirs: &Limit, ours: Limit) -> Limit {
    if theirs.0 < ours.0 { *theirs } else { ours }
}

macro_rules! refused {
    ($($test:ident $field:literal $edit:expr;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let mut shelf = Shelf::new::<Shop>();
            let error = shelf.edit::<Shop>($edit).await.unwrap();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Unencodable, Some($field)));
        }
    )*};
}

refused! {
    some_unit_struct_is_refused "terms" |shop| shop.set_terms(Accepted);
    some_unit_struct_edited_in_place_is_refused "terms" |shop| *shop.terms_mut() = Some(Accepted);
    some_null_is_refused "json" |shop| shop.set_json(Value::Null);
    some_none_behind_an_alias_is_refused "late" |shop| shop.set_late(Maybe(None));
    some_nan_is_refused "price" |shop| shop.set_price(f64::NAN);
    some_infinity_is_refused "price" |shop| shop.set_price(f64::INFINITY);
    some_none_deep_inside_is_refused "rows" |shop| shop.rows_mut().push(Row { seen: Some(Maybe(None)), price: None });
    some_nan_deep_inside_is_refused "rows" |shop| shop.rows_mut().push(Row { seen: None, price: Some(f64::NAN) });
    some_none_in_an_entry_is_refused "by_key" |shop| { shop.by_key_mut().insert(1, Some(Maybe(None))); };
}

#[tokio::test]
async fn none_and_some_that_is_read_are_stored() {
    let mut shelf = Shelf::new::<Shop>();
    let error = shelf
        .edit::<Shop>(|shop| {
            shop.set_late(Maybe(Some(3)));
            shop.set_json(1.into());
            shop.rows_mut().extend([Row { seen: Some(Maybe(Some(1))), price: Some(0.5) }, Row::default()]);
            shop.by_key_mut().extend([(1, None), (2, Some(Maybe(Some(2))))]);
        })
        .await;
    assert!(error.is_none(), "{error:?}");
    let look = |shop: &Shop| {
        assert_eq!((shop.late(), shop.json()), (&Some(Maybe(Some(3))), &Some(1.into())));
        assert_eq!(shop.rows(), &[Row { seen: Some(Maybe(Some(1))), price: Some(0.5) }, Row::default()]);
        assert_eq!(shop.by_key(), &[(1, None), (2, Some(Maybe(Some(2))))].into());
    };
    shelf.read::<Shop, _>(look).await.unwrap();
}

/// An absent key would be read as the default, ten.
#[tokio::test]
async fn a_null_that_is_not_the_default_is_stored() {
    let mut shelf = Shelf::new::<Shop>();
    assert!(shelf.edit::<Shop>(|shop| shop.set_limit(Limit(None))).await.is_none());
    assert_eq!(shelf.read::<Shop, _>(|shop| *shop.limit()).await.unwrap(), Limit(None));
    assert!(shelf.edit::<Shop>(|shop| shop.set_value(Value::Null)).await.is_none());
    assert_eq!(shelf.read::<Shop, _>(|shop| shop.value().clone()).await.unwrap(), Value::Null);
    assert!(shelf.edit::<Shop>(ShopMut::clear_limit).await.is_none());
    assert_eq!(shelf.read::<Shop, _>(|shop| *shop.limit()).await.unwrap(), Limit(Some(10)));
}

/// A merge whose result is written as `null`.
#[tokio::test]
async fn a_merged_null_that_is_not_the_default_is_stored() {
    let mut shelf = Shelf::new::<Shop>();
    assert!(shelf.edit::<Shop>(|shop| shop.set_lowest(Limit(Some(5)))).await.is_none());
    let slow = shelf.open();
    slow.write::<Shop>().await.unwrap().set_lowest(Limit(Some(3)));
    assert!(shelf.edit::<Shop>(|shop| shop.set_lowest(Limit(None))).await.is_none());
    assert!(shelf.close(slow).await.is_none());
    assert_eq!(shelf.read::<Shop, _>(|shop| *shop.lowest()).await.unwrap(), Limit(None));
}
