//! A schema with every attribute of versions, nested types included.

use serde::{Deserialize, Serialize};
use session_runtime::{Session, SessionValue};

use super::program::{cookie, program, stores, text};

/// One line of the cart.
#[derive(Serialize, Deserialize, SessionValue)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) qty: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, SessionValue)]
pub(crate) enum Currency {
    Eur,
    Usd,
}

/// Shopping cart, version 3.
#[derive(Session)]
#[session(
    key = "cart", version = 3,
    previous = CartV2,                                    // typed step: From or TryFrom
    layout = "items:3b9dea59 coupon:ec0d589b curr:eb9ccb64", // drift pin, one hash per key
    retired("basket", "old_total"),                       // may never be used again
)]
pub(crate) struct CartSession {
    items: Vec<Line>,
    coupon: Option<String>,
    #[session(rename = "curr", default = Currency::Eur)]
    currency: Currency,
}

/// Frozen: read only, used by the upgrade.
#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, archived, layout = "basket:ec0d589b")]
pub(crate) struct CartV2 {
    basket: Option<String>,
}

#[derive(Debug)]
pub(crate) struct BadBasket;

impl std::fmt::Display for BadBasket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the basket is no list of products")
    }
}

impl std::error::Error for BadBasket {}

impl TryFrom<CartV2> for CartSession {
    type Error = BadBasket;

    fn try_from(cart: CartV2) -> Result<Self, BadBasket> {
        let basket = cart.basket.unwrap_or_default();
        let line = |sku: &str| if sku.is_empty() { Err(BadBasket) } else { Ok(Line { sku: sku.to_owned(), qty: 1 }) };
        let items = basket.split(' ').map(line).collect::<Result<_, _>>()?;
        Ok(Self { items, coupon: None, currency: Currency::Eur })
    }
}

/// The program of version 2, as it was deployed.
mod old {
    use session_runtime::Session;

    #[derive(Session)]
    #[session(key = "cart", version = 2, oldest = 2, layout = "basket:ec0d589b")]
    pub(crate) struct Cart {
        pub(crate) basket: Option<String>,
    }
}

#[tokio::test]
async fn a_basket_becomes_a_cart() {
    for (store, _folder) in stores() {
        let visit = program::<old::Cart>(&store).open([]);
        visit.write::<old::Cart>().await.unwrap().set_basket("a b".to_owned());
        let cookie = cookie(visit).await;
        let visit = program::<CartSession>(&store).open([cookie.as_str()]);
        {
            let mut cart = visit.write::<CartSession>().await.unwrap();
            assert_eq!((cart.items().len(), cart.currency(), cart.coupon()), (2, &Currency::Eur, &None));
            cart.items_mut()[1].qty = 5;
            cart.set_currency(Currency::Usd);
        }
        let key = visit.key().unwrap();
        assert!(visit.finish(200).await.error.is_none());
        assert_eq!(text(&store, key, "cart.items").await.unwrap(), r#"[{"sku":"a","qty":1},{"sku":"b","qty":5}]"#);
        assert_eq!(text(&store, key, "cart.curr").await.unwrap(), r#""Usd""#);
        assert_eq!(text(&store, key, "cart.basket").await, None);
    }
}
