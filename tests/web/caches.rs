//! Headers that instruct caches, beside a cookie of ours.

use rocket::http::Header;
use rocket::local::asynchronous::{Client, LocalResponse};
use rocket::response::Responder;
use rocket::{Request, Response, post, routes};
use session_runtime::{Session, SessionConfig, SessionHandle, Sessions};

use crate::app::Cart;
use crate::store::recording_store;

/// Headers that a cache obeys in place of `Cache-Control`.
const TARGETED: [&str; 8] = [
    "CDN-Cache-Control",
    "cdn-cache-control",
    "Cloudflare-CDN-Cache-Control",
    "Netlify-CDN-Cache-Control",
    "X-LiteSpeed-Cache-Control",
    "Surrogate-Control",
    "Edge-Control",
    "X-Accel-Expires",
];

struct Page;

impl<'r> Responder<'r, 'static> for Page {
    fn respond_to(self, _: &'r Request<'_>) -> rocket::response::Result<'static> {
        let mut response = Response::new();
        for name in TARGETED {
            response.adjoin_header(Header::new(name, "max-age=600"));
        }
        response.adjoin_header(Header::new("Surrogate-Key", "shop"));
        Ok(response)
    }
}

#[post("/?<write>")]
fn page(write: bool, mut cart: Session<Cart>) -> Page {
    if write {
        *cart.visits_mut() += 1;
    }
    Page
}

/// A logout that asks the browser to forget more than the cache.
#[derive(Responder)]
struct Forget((), Header<'static>);

#[post("/forget?<what>")]
fn forget(what: &str, session: &SessionHandle) -> Forget {
    session.destroy();
    Forget((), Header::new("Clear-Site-Data", format!("\"{what}\"")))
}

fn targeted(response: &LocalResponse<'_>) -> Vec<&'static str> {
    TARGETED.into_iter().filter(|name| response.headers().contains(name)).collect()
}

async fn client() -> Client {
    let rocket = rocket::custom(rocket::Config::figment().merge(("log_level", "off")))
        .attach(Sessions::fairing::<Cart>().store(recording_store()).config(SessionConfig::new().clear_site_data(true)))
        .mount("/", routes![page, forget]);
    Client::untracked(rocket).await.unwrap()
}

/// C46: a CDN that has a header of its own must not store the cookie of one visitor for all.
#[rocket::async_test]
async fn a_cookie_takes_the_headers_for_cdns_away() {
    let client = client().await;
    let response = client.post("/?write=true").dispatch().await;
    assert_eq!(response.headers().get("Set-Cookie").count(), 1);
    assert_eq!(response.headers().get("Cache-Control").collect::<Vec<_>>(), ["no-store"]);
    assert_eq!(targeted(&response), [""; 0]);
    assert_eq!(response.headers().get_one("Surrogate-Key"), Some("shop"), "it stores nothing by itself");
}

/// Without a new cookie, the headers are the application's.
#[rocket::async_test]
async fn without_a_cookie_the_headers_for_cdns_stay() {
    let client = client().await;
    let response = client.post("/?write=false").dispatch().await;
    assert_eq!(response.headers().get("Set-Cookie").count(), 0);
    assert_eq!(targeted(&response), TARGETED);
}

/// C84: the handler's own `Clear-Site-Data` is kept, and the cache is named in it once.
#[rocket::async_test]
async fn the_cache_joins_the_data_that_a_handler_clears() {
    let client = client().await;
    for (what, cleared) in
        [("cookies", "\"cookies\", \"cache\""), ("cache", "\"cache\""), ("*", "\"*\""), ("CACHE", "\"CACHE\"")]
    {
        let response = client.post(format!("/forget?what={what}")).dispatch().await;
        assert_eq!(response.headers().get("Clear-Site-Data").collect::<Vec<_>>(), [cleared], "{what}");
    }
}
