//! The shapes of the standard library's types, and of JSON itself, are what serde writes.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{NonZero, Saturating, Wrapping};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use session_runtime::SessionValue;
use session_runtime::value::Ty;

use super::fits::check;

#[test]
fn primitives() {
    check(&true);
    check(&'x');
    check(&"x".to_owned());
    check(&1.5_f32);
    check(&f64::MIN);
    check(&());
    check(&PhantomData::<dyn Fn()>);
    check(&(u8::MAX, u16::MAX, u32::MAX, u64::MAX, usize::MAX, 1_u128));
    check(&(i8::MIN, i16::MIN, i32::MIN, i64::MIN, isize::MIN, -1_i128));
    check(&(NonZero::<u8>::MAX, NonZero::<u16>::MAX, NonZero::<u32>::MAX, NonZero::<u64>::MAX));
    check(&(NonZero::<i8>::MIN, NonZero::<i16>::MIN, NonZero::<i32>::MIN, NonZero::<i64>::MIN));
    check(&(NonZero::<usize>::MAX, NonZero::<isize>::MIN, NonZero::<u128>::MIN, NonZero::<i128>::new(-1)));
}

#[test]
fn wrappers() {
    check(&Box::new(1_u8));
    check(&Box::<str>::from("x"));
    check(&Box::<[u8]>::from([1, 2]));
    check(&Box::<Path>::from(Path::new("a/b")));
    check(&Cow::<'static, str>::Borrowed("x"));
    check(&Cow::<'static, [u8]>::Owned(vec![1]));
    check(&PathBuf::from("a/b"));
    check(&(Wrapping(1_u8), Saturating(2_i16), Reverse("x".to_owned())));
    check(&Some(1_u8));
    check(&None::<u8>);
}

#[test]
fn collections() {
    type Hasher = BuildHasherDefault<DefaultHasher>;
    check(&vec![1_u8]);
    check(&VecDeque::from([1_u8]));
    check(&LinkedList::from([1_u8]));
    check(&BinaryHeap::from([1_u8]));
    check(&BTreeSet::from([1_u8]));
    check(&HashSet::<u8>::from([1]));
    check(&HashSet::<u8, Hasher>::from_iter([1]));
    check(&BTreeMap::from([("a".to_owned(), vec![1_u8])]));
    check(&HashMap::<u32, Option<bool>>::from([(7, Some(true))]));
    check(&HashMap::<char, bool, Hasher>::from_iter([('x', true)]));
    check(&BTreeMap::from([(true, 1.5)]));
}

#[test]
fn arrays_and_tuples() {
    check(&[0_u8; 0]);
    check(&[true; 1]);
    check(&["x".to_owned(), "y".to_owned()]);
    check(&[7_u8; 32]);
    check(&(1_u8,));
    check(&(1_u8, "x".to_owned()));
    check(&(0_u8, 1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 'a', 'b', 'c', 'd', 'e', true));
}

/// They refuse unknown keys, which `check` tries.
#[test]
fn structs_and_enums_of_the_standard_library() {
    check(&Duration::new(3, 4));
    check(&(1_u8..2));
    check(&(1_u8..=2));
    check(&(1_u8..));
    check(&(..2_u8));
    check(&Ok::<u8, String>(1));
    check(&Err::<u8, String>("x".to_owned()));
    check(&Bound::<u8>::Unbounded);
    check(&[Bound::Included(1_u8), Bound::Excluded(2)]);
}

#[test]
fn addresses() {
    let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    check(&(v4, v6, IpAddr::V4(v4), IpAddr::V6(v6)));
    let (v4, v6) = (SocketAddrV4::new(v4, 80), SocketAddrV6::new(v6, 80, 0, 0));
    check(&(v4, v6, SocketAddr::V4(v4), SocketAddr::V6(v6)));
}

#[test]
fn json_itself() {
    check(&json!({"a": [1, "x", null]}));
    check(json!({"a": 1}).as_object().unwrap());
    check(&serde_json::Number::from(7));
    assert!(matches!(serde_json::Value::TY, Ty::Opaque("json")));
}
