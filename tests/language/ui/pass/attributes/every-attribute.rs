use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use session_runtime::Session;

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Currency {
    Eur,
    Usd,
}

fn longest(_base: &String, theirs: &String, ours: String) -> String {
    if theirs.len() > ours.len() { theirs.clone() } else { ours }
}

#[derive(Session)]
#[session(key = "cart", version = 1, crate = ::session_runtime)]
#[session(lazy, on_invalid = "reset")]
struct Cart {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    #[session(merge = keys)]
    names: HashMap<String, String>,
    #[session(merge(keys))]
    tags: BTreeSet<String>,
    #[session(merge = keys(sum), redact, rename = "Per-Day_1")]
    days: HashMap<char, i8>,
    #[session(merge = sum, default = 3)]
    visits: u64,
    #[session(merge = with = longest)]
    note: String,
    #[session(merge(with = longest))]
    other_note: String,
    #[session(merge = with(longest), redact)]
    secret: String,
    #[session(merge = reject, default = Currency::Eur)]
    currency: Currency,
    #[session(merge = last_write, default)]
    plain: u8,
    #[session(renew)]
    user: Option<String>,
    #[session(renew, merge = reject, redact)]
    admin: std::option::Option<u32>,
    seen: HashSet<u32>,
    #[session(merge = append(max = 20), redact, accessor = "messages")]
    notices: Vec<String>,
    #[session(merge(append(max = 1000)), expires_after = "1h 30m", rename = "Steps-2")]
    steps: Vec<(u32, Currency)>,
    #[session(expires_after = "90s", merge = reject)]
    code: Option<String>,
    #[session(expires_after = "10m", default = Currency::Eur)]
    shown_in: Currency,
    #[session(expires_after = "500ms", merge = sum)]
    tries: u32,
    #[session(default = HashMap::<u8, u8>::from([(1, 2)]), redact)]
    table: HashMap<u8, u8>,
    #[session(transient)]
    started: Option<std::time::Instant>,
    #[session(transient, default = Arc::from("x"), redact, accessor = "shared_name")]
    name: Arc<str>,
}

#[derive(Session)]
#[session(key = "auth", version = 1, on_invalid = refuse)]
struct Auth {
    #[session(renew)]
    user: Option<String>,
}

#[derive(Session)]
#[session(key = "prefs", version = 1, on_invalid = reset)]
struct Prefs {
    theme: Option<String>,
}

fn main() {
    let _ = (Currency::Usd, |cart: &mut CartMut, auth: &mut AuthMut, prefs: &mut PrefsMut| {
        *cart.items_mut().entry(7).or_default() += 1;
        cart.set_currency(Currency::Usd);
        cart.messages_mut().push("Saved.".to_owned());
        cart.set_code("7312".to_owned());
        cart.set_user("a".to_owned());
        cart.set_admin(1);
        auth.clear_user();
        prefs.take_theme()
    });
}
