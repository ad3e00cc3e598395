//! The servers that are measured: the same routes over bare Rocket and with a session.

use std::collections::BTreeMap;
use std::hint::black_box;

use rocket::config::LogLevel;
use rocket::fairing::AdHoc;
use rocket::serde::json::Json;
use rocket::{Build, Config, Rocket, get, post, routes};
use session_runtime::{Session, SessionConfig, Sessions};

/// The visitor's shopping cart.
#[derive(Session)]
#[session(key = "cart", version = 1)]
pub(crate) struct Cart {
    /// Quantity by product.
    #[session(merge = keys(sum))]
    pub(crate) items: BTreeMap<u32, u32>,
}

/// Small things.
#[derive(Session)]
#[session(key = "prefs", version = 1)]
struct Prefs {
    theme: u32,
}

/// A list that grows. Lazy: fetched only when a route asks for it.
#[derive(Session)]
#[session(key = "history", version = 1, lazy)]
struct History {
    #[session(merge = keys)]
    lines: BTreeMap<u32, String>,
    page: String,
}

/// The border between two measurements: callgrind writes its counts when this is called.
#[inline(never)]
pub(crate) fn callgrind_mark() {
    black_box(());
}

#[get("/mark")]
fn mark() {
    callgrind_mark();
}

#[get("/ping")]
fn ping() -> &'static str {
    "pong"
}

mod bare {
    use std::collections::BTreeMap;

    use rocket::serde::json::Json;
    use rocket::{State, get, post};

    /// The cart that every visitor of the bare server sees.
    pub(super) struct Shelf(pub(super) BTreeMap<u32, u32>);

    #[get("/cart")]
    pub(super) fn cart(shelf: &State<Shelf>) -> Json<&BTreeMap<u32, u32>> {
        Json(&shelf.inner().0)
    }

    #[post("/cart/add/<product>")]
    pub(super) fn add(product: u32, shelf: &State<Shelf>) -> Json<u32> {
        Json(shelf.0.get(&product).copied().unwrap_or_default() + 1)
    }
}

#[get("/cart")]
fn cart(cart: &Cart) -> Json<&BTreeMap<u32, u32>> {
    Json(cart.items())
}

#[post("/cart/add/<product>")]
fn add(product: u32, mut cart: Session<Cart>) -> Json<u32> {
    let quantity = cart.items_mut().entry(product).or_default();
    *quantity += 1;
    Json(*quantity)
}

#[post("/theme")]
fn theme(mut prefs: Session<Prefs>) -> Json<u32> {
    *prefs.theme_mut() += 1;
    Json(*prefs.theme())
}

/// A session that holds nothing but a small value.
#[post("/fill/empty")]
fn fill_empty(mut prefs: Session<Prefs>) {
    prefs.set_theme(1);
}

/// A thousand keys of twenty bytes.
#[post("/fill/keys")]
fn fill_keys(mut history: Session<History>) {
    history.lines_mut().extend((0..1_000).map(|line| (line, "a line of the past..".to_owned())));
}

/// 100 KB in one value.
#[post("/fill/page")]
fn fill_page(mut history: Session<History>) {
    history.set_page("x".repeat(100_000));
}

/// Runs until it is killed. Prints its port on standard output.
pub(crate) fn serve(app: &str, store: &str, workers: &str) {
    let workers: usize = workers.parse().expect("a number of workers");
    let config = Config { port: 0, workers, log_level: LogLevel::Off, cli_colors: false, ..Config::release_default() };
    let rocket = rocket::custom(config).mount("/", routes![ping, mark]).attach(AdHoc::on_liftoff("Port", |rocket| {
        println!("{}", rocket.config().port);
        Box::pin(async {})
    }));
    let rocket = match app {
        "bare" => rocket.manage(bare::Shelf(BTreeMap::from([(7, 1)]))).mount("/", routes![bare::cart, bare::add]),
        _ => with_session(rocket, store),
    };
    rocket::execute(rocket.launch()).expect("a server that runs until it is killed");
}

fn with_session(rocket: Rocket<Build>, store: &str) -> Rocket<Build> {
    let config = SessionConfig::new().store(store);
    let fairing = Sessions::fairing::<(Cart, Prefs, History)>().config(config);
    rocket.mount("/", routes![cart, add, theme, fill_empty, fill_keys, fill_page]).attach(fairing)
}
