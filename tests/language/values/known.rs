//! A release build stores values of known types without reading them first, so these must always be read.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU128, Saturating, Wrapping};
use std::ops::Bound;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use session_runtime::SessionValue;
use session_runtime::value::Reads;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SessionValue)]
struct Line<T> {
    sku: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<u128>,
    unit: (),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, SessionValue)]
struct Sku(String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SessionValue)]
enum Kind<T> {
    Nothing,
    One(T),
    Two(T, Option<T>),
    Named { of: BTreeMap<u32, T> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SessionValue)]
#[serde(tag = "t", content = "c")]
enum Adjacent<T> {
    Nothing,
    One(T),
    Two(T, Option<T>),
    Named { of: BTreeMap<bool, T> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind")]
enum Tagged {
    Nothing,
}

#[track_caller]
fn always<T: Serialize + DeserializeOwned + SessionValue + PartialEq + Debug>(values: impl IntoIterator<Item = T>) {
    assert_eq!(T::__reads(), Reads::Always, "{}", std::any::type_name::<T>());
    for value in values {
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
    }
}

#[test]
fn values_that_are_never_checked_are_always_read() {
    let texts = ["", "null", "\u{0}\"\\\n", "7", "true", "🦀"].map(str::to_owned);
    always(texts.clone());
    always(['\0', '"', '🦀']);
    always([u128::MAX, 0]);
    always([i128::MIN, i128::MAX]);
    always([Some(i64::MIN), None]);
    always([vec![Some(Some("x".to_owned())).flatten(), None]]);
    always([[(1_u8, 'x', Some(false)), (2, 'y', None)]]);
    always([texts.clone().map(|text| (text, None::<u8>)).into_iter().collect::<HashMap<_, _>>()]);
    always([BTreeMap::from([(u128::MAX, ()), (0, ())])]);
    always([BTreeMap::from([(NonZeroU128::MAX, [1_u8; 32])])]);
    always([BTreeMap::from([(true, 'x'), (false, 'y')])]);
    always([BTreeMap::from([('"', Sku(String::new())), ('\n', Sku("x".into()))])]);
    always([BTreeMap::from([(Sku("a/b".into()), i8::MIN)])]);
    always([BTreeMap::from([(IpAddr::from(Ipv4Addr::LOCALHOST), Wrapping(7_u8))])]);
    always([HashSet::from(texts.clone())]);
    always([BTreeSet::from([BTreeSet::from([1, 2]), BTreeSet::new()])]);
    always([Duration::MAX, Duration::ZERO]);
    always([Ok::<_, u8>(Saturating(7_i16)), Err(3)]);
    always([Bound::Unbounded, Bound::Included(1_u8), Bound::Excluded(2)]);
    always([1_u8..0, 0..1]);
    always([SocketAddr::from(([127, 0, 0, 1], 80)), "[::1]:80".parse().unwrap()]);
    always([PathBuf::from("a/ü")]);
    always([BinaryHeap::from([3, 1, 2]).into_sorted_vec()]);
    always([
        Line { sku: Sku("x".into()), price: Some(u128::MAX), unit: () },
        Line { sku: Sku(String::new()), price: None, unit: () },
    ]);
    let of = [(7, "x".to_owned())].into();
    always([Kind::Nothing, Kind::One("x".to_owned()), Kind::Two("x".to_owned(), None), Kind::Named { of }]);
    let of = [(true, 7_u128)].into();
    always([Adjacent::Nothing, Adjacent::One(u128::MAX), Adjacent::Two(1, Some(2)), Adjacent::Named { of }]);
}

#[test]
fn values_that_might_not_be_read_are_checked() {
    let where_null =
        [<f64>::__reads(), <Option<()>>::__reads(), <Vec<Option<f32>>>::__reads(), <Option<Option<u8>>>::__reads()];
    assert_eq!(where_null, [Reads::UnlessNull; 4]);
    assert_eq!(<Line<Option<Option<u8>>>>::__reads(), Reads::UnlessNull);
    let checked = [
        <serde_json::Value>::__reads(),
        <Vec<serde_json::Map<String, serde_json::Value>>>::__reads(),
        Tagged::__reads(),
    ];
    assert_eq!(checked, [Reads::Perhaps; 3]);
    assert_eq!(<Line<Vec<Tagged>>>::__reads(), Reads::Perhaps);
}
