//! Stores values of each kind and reads them in another request; fails where one does not come back.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use session_runtime::{ErrorKind, MemoryStore, Session, SessionError, SessionValue, Sessions};
use uuid::Uuid;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind")]
enum Payment {
    #[default]
    None,
    Card {
        cents: u32,
        rate: f64,
        below: i64,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Amount {
    #[default]
    None,
    Whole(u64),
    Part(f64),
    Text(String),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Page {
    number: u32,
    #[serde(flatten)]
    counts: BTreeMap<String, u32>,
}

/// A number that is taken for a map would be kept as an unknown variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SessionValue)]
#[serde(tag = "kind")]
enum Open {
    Card {
        cents: u32,
    },
    #[serde(untagged)]
    #[session(other)]
    Unknown(Value),
}

impl Default for Open {
    fn default() -> Self {
        Self::Unknown(Value::Null)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    text: Box<RawValue>,
    at: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SessionValue)]
struct Price {
    amount: Decimal,
}

#[derive(Session)]
#[session(key = "shop", version = 1)]
struct Shop {
    payment: Payment,
    amounts: Vec<Amount>,
    page: Page,
    open: Open,
    json: Value,
    note: Option<Note>,
    #[session(merge = keys)]
    lines: BTreeMap<u32, Payment>,
    #[session(merge = sum)]
    visits: i64,
    wide: u128,
    id: Option<Uuid>,
    #[session(merge = keys)]
    prices: BTreeMap<u32, Price>,
    price: Price,
}

struct Visitor {
    sessions: Sessions,
    cookie: Option<String>,
}

impl Visitor {
    async fn edit(&mut self, edit: impl FnOnce(&mut ShopMut)) -> Result<(), SessionError> {
        let visit = self.sessions.open(self.cookie.as_deref());
        edit(&mut *visit.write::<Shop>().await?);
        let finished = visit.finish(200).await;
        if let Some(header) = finished.cookie.header() {
            self.cookie = header.split(';').next().map(str::to_owned);
        }
        finished.error.map_or(Ok(()), Err)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Shop>().build().expect("sessions");
    let mut shop = Visitor { sessions, cookie: None };
    let card = Payment::Card { cents: 995, rate: 0.1, below: -7 };
    let amounts = vec![Amount::Whole(u64::MAX), Amount::Part(1e300), Amount::Part(0.1), Amount::Text("x".into())];
    let page = Page { number: 7, counts: [("a".to_owned(), 1)].into() };
    let json = serde_json::json!({"a": [1, 0.1, -5, u64::MAX, null], "b": "x"});
    let text = r#"{"b":1.50,"a":[1e2]}"#;
    let edited = shop.edit(|shop| {
        shop.set_payment(card.clone());
        shop.set_amounts(amounts.clone());
        shop.set_page(page.clone());
        shop.set_open(Open::Card { cents: 5 });
        shop.set_json(json.clone());
        shop.set_note(Note { text: RawValue::from_string(text.to_owned()).expect("JSON"), at: 3 });
        shop.lines_mut().insert(1, card.clone());
        *shop.visits_mut() += 3;
        shop.set_wide(u128::MAX);
        shop.set_id(Uuid::from_u128(7));
    });
    edited.await.expect("each of these is stored");
    {
        let visit = shop.sessions.open(shop.cookie.as_deref());
        let read = visit.read::<Shop>().await.expect("each of these is read");
        assert_eq!((read.payment(), read.amounts(), read.page()), (&card, &amounts, &page));
        assert_eq!((read.open(), read.json()), (&Open::Card { cents: 5 }, &json));
        assert_eq!((read.lines()[&1].clone(), *read.visits(), *read.wide()), (card, 3, u128::MAX));
        assert_eq!(read.note().as_ref().map(|note| note.text.get()), Some(text));
    }
    decimals(&mut shop).await;
    println!("all values came back");
}

/// All digits come back, or the save fails.
async fn decimals(shop: &mut Visitor) {
    let amount: Decimal = "0.1234567890123456789012345678".parse().expect("a number");
    let whole = shop.edit(|shop| shop.set_price(Price { amount })).await;
    let entry = shop.edit(|shop| drop(shop.prices_mut().insert(1, Price { amount }))).await;
    if cfg!(feature = "serde_float") {
        for (error, field) in [(whole, "price"), (entry, "prices")] {
            let error = error.expect_err("a `Decimal` is written as a float");
            assert_eq!((error.kind(), error.field()), (ErrorKind::Unencodable, Some(field)));
            assert!(error.to_string().contains("serde-float"), "{error}");
        }
        return;
    }
    whole.and(entry).expect("a `Decimal` is written with all digits");
    let visit = shop.sessions.open(shop.cookie.as_deref());
    let read = visit.read::<Shop>().await.expect("prices are read");
    assert_eq!((read.price().amount, read.prices()[&1].amount), (amount, amount));
}
