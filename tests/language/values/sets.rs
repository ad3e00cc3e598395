//! A set is written in another order each time, and that is no change.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use session_runtime::{ErrorKind, Session, SessionValue};

use super::shelf::Shelf;

type Tags = HashSet<u32>;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SessionValue)]
struct Profile {
    name: String,
    tags: Tags,
    grid: Vec<(u8, Option<HashSet<u32>>)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SessionValue)]
enum Choice {
    #[default]
    None,
    Of(HashSet<u32>),
    Named {
        of: HashSet<u32>,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind")]
enum Tagged {
    #[default]
    None,
    Named {
        of: HashSet<String>,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SessionValue)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    #[default]
    None,
    Of(HashSet<u32>),
}

#[derive(Session)]
#[session(key = "user", version = 1)]
struct User {
    #[session(merge = reject)]
    alias: Tags,
    #[session(merge = reject)]
    optional: Option<HashSet<u32>>,
    #[session(merge = reject)]
    profile: Profile,
    #[session(merge = reject)]
    by_name: BTreeMap<String, HashSet<u32>>,
    #[session(merge = reject)]
    choices: Vec<Choice>,
    #[session(merge = reject)]
    tagged: Tagged,
    #[session(merge = reject)]
    adjacent: Adjacent,
    #[session(merge = reject)]
    maps: HashMap<u32, Vec<Tags>>,
}

/// Twenty elements: two sets with hashers of their own are hardly ever written alike.
fn set() -> HashSet<u32> {
    (0..20).collect()
}

/// Each time the same value, and another order.
fn fill(user: &mut User) {
    user.alias = set();
    user.optional = Some(set());
    user.profile = Profile { name: "A".into(), tags: set(), grid: vec![(1, Some(set())), (2, None)] };
    user.by_name = [("a".to_owned(), set()), ("b".to_owned(), set())].into();
    user.choices = vec![Choice::Of(set()), Choice::None, Choice::Named { of: set() }];
    user.tagged = Tagged::Named { of: set().iter().map(u32::to_string).collect() };
    user.adjacent = Adjacent::Of(set());
    user.maps = [(1, vec![set(), set()])].into();
}

/// One request changes the field; another, meanwhile, writes the same value in another order.
macro_rules! reordered {
    ($($field:ident $edit:expr;)*) => {$(
        mod $field {
            use super::*;

            #[tokio::test]
            async fn written_in_another_order_is_no_change() {
                let mut shelf = Shelf::new::<User>();
                assert!(shelf.edit::<User>(|user| user.update(fill)).await.is_none());
                let slow = shelf.open();
                let edit: fn(&mut User) = $edit;
                slow.write::<User>().await.unwrap().update(edit);
                assert!(shelf.edit::<User>(|user| user.update(fill)).await.is_none());
                let error = shelf.close(slow).await;
                assert!(error.is_none(), "{error:?}");
            }

            #[tokio::test]
            async fn a_real_change_is_rejected() {
                let mut shelf = Shelf::new::<User>();
                assert!(shelf.edit::<User>(|user| user.update(fill)).await.is_none());
                let slow = shelf.open();
                let edit: fn(&mut User) = $edit;
                slow.write::<User>().await.unwrap().update(edit);
                assert!(shelf.edit::<User>(|user| user.update(|user| *user = (<User as session_runtime::Schema>::NEW)())).await.is_none());
                assert_eq!(shelf.close(slow).await.map(|error| error.kind()), Some(ErrorKind::Rejected));
            }
        }
    )*};
}

reordered! {
    alias |user| { user.alias.insert(99); };
    optional |user| { user.optional.as_mut().unwrap().insert(99); };
    profile |user| { user.profile.grid[0].1.as_mut().unwrap().insert(99); };
    by_name |user| { user.by_name.get_mut("b").unwrap().insert(99); };
    choices |user| user.choices.push(Choice::None);
    tagged |user| user.tagged = Tagged::Named { of: HashSet::new() };
    adjacent |user| user.adjacent = Adjacent::Of(HashSet::new());
    maps |user| user.maps.get_mut(&1).unwrap().push(set());
}
