//! Labels, focus, contrast, sizes, both colour schemes and a narrow window, as a browser computes them; and pictures of all
//! pages, to be looked at.

use std::path::PathBuf;

use serde::Deserialize;

use crate::driver::{Browser, FIREFOX, World, assert_none};

/// Width and height of the windows: a desk, a phone, and the narrowest that WCAG 1.4.10 asks for.
const SIZES: [(u32, u32); 3] = [(1280, 800), (390, 844), (320, 640)];
const SCHEMES: [&str; 2] = ["light", "dark"];
/// The longest name of an account.
const NAME: &str = "anne-of-green_gables.in.avonlea1";

#[derive(Deserialize)]
struct Audit {
    faults: Vec<String>,
    texts: u32,
    /// Lowest contrast, as a multiple of the one that is needed.
    lowest: f64,
}

/// Folder for the pictures: `target/accounts-pages`.
fn pictures() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(3).unwrap().join("accounts-pages");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Checks the page that is shown in each size and each scheme, and takes a picture of each.
async fn look(browser: &Browser, name: &str) {
    for scheme in SCHEMES {
        browser.set_scheme(scheme).await;
        for (width, height) in SIZES {
            browser.set_size(width, height).await;
            let audit: Audit = browser.js_with(include_str!("audit.js"), vec![width.into()]).await;
            assert_none(&audit.faults, &format!("{name}, {scheme}, {width} px"));
            println!("{name}, {scheme}, {width} px: {} texts, {:.2} of the contrast", audit.texts, audit.lowest);
            let tall: u32 = browser.js("return document.documentElement.scrollHeight").await;
            browser.set_size(width, height.max(tall)).await;
            let path = pictures().join(format!("{name}-{scheme}-{width}.png"));
            browser.driver.screenshot(&path).await.unwrap();
        }
    }
}

/// C134: every page in both colour schemes and three widths.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_accessible_in_both_schemes_and_in_narrow_windows() {
    let world = World::new();
    let (browser, other) = (world.browser().await, world.browser_as(FIREFOX).await);
    browser.open("/sign-up").await;
    look(&browser, "1-sign-up").await;
    browser.fill("name", "an").await;
    browser.fill("password", "correct horse").await;
    browser.press("main button").await;
    browser.expect("/sign-up", "cannot be used").await;
    look(&browser, "2-sign-up-refused").await;
    browser.sign_up(NAME, "correct horse").await;
    look(&browser, "3-home").await;
    look_at_login(&other).await;
    other.log_in(NAME, "correct horse").await;
    for (name, path) in
        [("6-sessions", "/sessions"), ("7-password", "/password"), ("8-confirm", "/confirm"), ("9-users", "/users")]
    {
        browser.open(path).await;
        look(&browser, name).await;
    }
    browser.open("/nowhere").await;
    look(&browser, "10-not-found").await;
}

async fn look_at_login(browser: &Browser) {
    browser.open("/login").await;
    look(browser, "4-login").await;
    browser.try_to_log_in(NAME, "wrong horse").await;
    browser.expect("/login?back=/", "The name or the password is wrong.").await;
    look(browser, "5-login-refused").await;
}

/// Returns the focused element, with the style of its outline.
const FOCUSED: &str = "
    const element = document.activeElement, style = getComputedStyle(element);
    return [element.outerHTML.slice(0, 200), element.matches(':focus-visible') && style.outlineStyle !== 'none'
        && parseFloat(style.outlineWidth) >= 2];";

/// Returns the elements that take the focus, in the order of the document, which is that of reading.
const FOCUSABLE: &str = "
    const all = [...document.querySelectorAll('a[href], button, input')].filter((element) => element.checkVisibility());
    return all.map((element) => element.outerHTML.slice(0, 200));";

/// C134: the key Tab goes through every control in the order of the page, and each one shows that it has the focus.
#[tokio::test(flavor = "multi_thread")]
async fn the_focus_is_visible_and_follows_the_page() {
    let world = World::new();
    let (browser, other) = (world.browser().await, world.browser().await);
    for (path, least) in [("/sign-up", 5), ("/login", 6)] {
        follow_the_focus(&browser, path, least).await;
    }
    browser.sign_up(NAME, "correct horse").await;
    other.log_in(NAME, "correct horse").await;
    for (path, least) in [("/", 8), ("/sessions", 8), ("/password", 8), ("/confirm", 8), ("/users", 6)] {
        follow_the_focus(&browser, path, least).await;
    }
}

async fn follow_the_focus(browser: &Browser, path: &str, least: usize) {
    browser.open(path).await;
    let order: Vec<String> = browser.js(FOCUSABLE).await;
    assert!(order.len() >= least, "{path}: {order:#?}");
    for expected in &order {
        browser.tab_key().await;
        let (element, is_visible): (String, bool) = browser.js(FOCUSED).await;
        assert_eq!((&element, is_visible), (expected, true), "{path}");
    }
}
