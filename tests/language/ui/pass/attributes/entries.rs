//! Single entries of maps and sets, and all that can be done with the `Option` of a value.
#![deny(warnings)]

mod shop {
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

    use serde::{Deserialize, Serialize};
    use session_runtime::EntryKey;

    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    pub enum Size {
        Small,
        Large,
    }
    impl EntryKey for Size {}

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct Line {
        pub quantity: u32,
    }

    /// The visitor's cart.
    #[derive(session_runtime::Session)]
    #[session(key = "cart", version = 1)]
    pub struct Cart {
        #[session(merge = keys(sum), entries)]
        pub items: BTreeMap<u32, u32>,
        #[session(entries, merge = keys, accessor = "lines", redact)]
        pub(crate) r#type: HashMap<String, Line>,
        #[session(merge = keys, entries, rename = "s")]
        pub sizes: BTreeSet<Size>,
        #[session(merge = keys, entries)]
        pub tags: HashSet<char>,
        pub coupon: Option<String>,
    }
}

use session_runtime::codec::Present;
use session_runtime::{EntryMut, MemoryStore, Read, Session, SessionError, Sessions, Visit};
use shop::{Cart, CartMut, Line, Size};

fn named(cart: &mut CartMut) -> EntryMut<'_, Cart, std::collections::BTreeMap<u32, u32>> {
    cart.items_entry(9)
}

fn edit(mut cart: Session<'_, Cart>) {
    *cart.items_entry(7) = Some(2);
    *cart.items_entry(7).get_or_insert_default() += 1;
    assert_eq!(cart.items_get(&7), Some(3));
    assert_eq!(cart.items_entry(7).take(), Some(3));
    assert!(cart.items_entry(7).is_none());
    *named(&mut cart) = Some(1);
    cart.lines_entry("a".to_owned()).get_or_insert_default().quantity += 1;
    let line: Option<Line> = cart.lines_get(&"a".to_owned());
    assert_eq!(line, Some(Line { quantity: 1 }));
    if let Some(line) = cart.lines_entry("a".to_owned()).as_mut() {
        line.quantity = 5;
    }
    *cart.sizes_entry(Size::Large) = Some(Present);
    *cart.tags_entry('x') = Some(Present);
    cart.set_coupon("SPRING".to_owned());
    assert!(cart.sizes().contains(&Size::Large) && !cart.sizes().contains(&Size::Small));
    assert_eq!(cart.type_len(), 1);
}

impl Cart {
    fn type_len(&self) -> usize {
        self.lines().len()
    }
}

async fn uses(visit: &Visit) -> Result<(), SessionError> {
    edit(visit.write::<Cart>().await?);
    let cart: Read<'_, Cart> = visit.read_entries::<Cart>().await?;
    assert_eq!((cart.items_get(&9), cart.tags_get(&'x'), cart.coupon().is_some()), (Some(1), Some(Present), true));
    Ok(())
}

fn main() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let visit = sessions.open([]);
    let future = uses(&visit);
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    runtime.block_on(is_send(future)).unwrap();
}
