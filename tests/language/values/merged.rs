//! The result of a merge is read again, or the request that merged is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use session_runtime::merge::Summable;
use session_runtime::{ErrorKind, Session};

use super::shelf::Shelf;

/// A number that is read up to a hundred, and summed without a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Points(u32);

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let points = u32::deserialize(deserializer)?;
        if points > 100 { Err(serde::de::Error::custom("too many")) } else { Ok(Self(points)) }
    }
}

impl Summable for Points {
    fn sum(theirs: Self, ours: Self, base: Self) -> Self {
        Self(u32::sum(theirs.0, ours.0, base.0))
    }
}

macro_rules! games {
    ($($name:ident $key:literal $($reset:literal)?;)*) => {$(
        #[derive(Session)]
        #[session(key = $key, version = 1 $(, on_invalid = $reset)?)]
        struct $name {
            #[session(merge = sum)]
            points: Points,
            #[session(merge = keys(sum))]
            by_level: BTreeMap<u32, Points>,
            #[session(merge = with = both)]
            best: Points,
        }
    )*};
}

games! {
    Game "game";
    Lax "lax" "reset";
}

fn both(_: &Points, theirs: &Points, ours: Points) -> Points {
    Points(theirs.0 + ours.0)
}

macro_rules! refused {
    ($($test:ident $schema:ident $field:literal $edit:expr;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let mut shelf = Shelf::new::<(Game, Lax)>();
            let start: fn(&mut <$schema as session_runtime::Schema>::Mut) = |game| game.set_points(Points(1));
            assert!(shelf.edit::<$schema>(start).await.is_none());
            let edit: fn(&mut <$schema as session_runtime::Schema>::Mut) = $edit;
            let slow = shelf.open();
            edit(&mut *slow.write::<$schema>().await.unwrap());
            assert!(shelf.edit::<$schema>(edit).await.is_none());
            let error = shelf.close(slow).await.unwrap();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Unencodable, Some($field)));
            assert!(shelf.read::<$schema, _>(|_| ()).await.is_ok());
        }
    )*};
}

refused! {
    a_sum_that_is_not_read_is_refused Game "points" |game| game.points_mut().0 += 60;
    a_sum_of_an_entry_that_is_not_read_is_refused Game "by_level"
        |game| game.by_level_mut().entry(1).or_default().0 += 60;
    a_merge_of_its_own_that_is_not_read_is_refused Game "best" |game| game.best_mut().0 += 60;
    a_reset_sum_that_is_not_read_is_refused Lax "points" |game| game.points_mut().0 += 60;
}
