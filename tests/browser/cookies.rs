//! The cookie as the browser keeps it.

use thirtyfour::{Cookie, SameSite};

use crate::driver::{Browser, World};

/// The name in production, where the cookie is `Secure`.
const NAME: &str = "__Host-Http-id";

async fn cookies(browser: &Browser) -> Vec<Cookie> {
    browser.driver.get_all_cookies().await.unwrap()
}

/// C127: the browser accepts the prefix, and gives the cookie to no script.
#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_has_its_prefix_and_is_hidden_from_scripts() {
    let world = World::new();
    let browser = world.browser().await;
    browser.sign_up("ann", "correct horse").await;

    let all = cookies(&browser).await;
    let [cookie] = &all[..] else { panic!("one cookie: {all:?}") };
    assert_eq!((cookie.name.as_str(), cookie.path.as_deref()), (NAME, Some("/")));
    assert_eq!((cookie.secure, cookie.http_only, cookie.expiry), (Some(true), Some(true), None));
    assert_eq!(cookie.same_site, Some(SameSite::Lax));
    assert_eq!(cookie.domain.as_deref(), Some("localhost"), "the host alone, without a leading dot");

    let seen: String =
        browser.js(&format!("document.cookie = '{NAME}=x; Secure; Path=/'; return document.cookie")).await;
    assert_eq!(seen, "");
    assert_eq!(cookies(&browser).await[0].value, cookie.value, "a script replaced the cookie");
    browser.open("/").await;
    browser.expect("/", "Hello, ann").await;
}

/// C127: over plain HTTP in development the name has no prefix.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_debug_profile_the_name_has_no_prefix() {
    let world = World::with_profile("debug");
    let browser = world.browser().await;
    browser.sign_up("ann", "correct horse").await;
    let all = cookies(&browser).await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].name.as_str(), all[0].secure, all[0].http_only), ("id", Some(false), Some(true)));
}

/// C127: looking gives no cookie, and a login gives another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_changes_the_cookie() {
    let world = World::new();
    let browser = world.browser().await;
    browser.open("/login").await;
    assert_eq!(cookies(&browser).await.len(), 0, "the page of the login needs no session");
    browser.sign_up("ann", "correct horse").await;
    browser.press("header form button").await;
    browser.expect("/login", "You are logged out.").await;

    browser.try_to_log_in("ann", "wrong horse").await;
    browser.expect("/login?back=/", "The name or the password is wrong.").await;
    let before = cookies(&browser).await[0].value.clone();
    browser.log_in("ann", "correct horse").await;
    assert_ne!(cookies(&browser).await[0].value, before);
}

/// C127: "remember me" makes the cookie outlive the browser, for 30 days.
#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_login_keeps_the_cookie() {
    let world = World::new();
    let browser = world.browser().await;
    browser.sign_up("ann", "correct horse").await;
    assert_eq!(cookies(&browser).await[0].expiry, None);
    browser.press("header form button").await;
    browser.expect("/login", "You are logged out.").await;

    browser.fill("name", "ann").await;
    browser.fill("password", "correct horse").await;
    browser.press("label.check").await;
    browser.press("main button").await;
    browser.expect("/", "Hello, ann").await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let left = cookies(&browser).await[0].expiry.expect("an expiry").cast_unsigned() - now;
    let days_30 = 30 * 24 * 60 * 60;
    assert!((days_30 - 120..=days_30).contains(&left), "{left} s");
}
