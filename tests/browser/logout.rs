//! A logout: the back button, and a second tab.

use std::time::Duration;

use crate::driver::World;

/// C129: the back button after a logout shows nothing of the user, by none of the pages before.
#[tokio::test(flavor = "multi_thread")]
async fn the_back_button_shows_nothing_of_the_user() {
    let world = World::new();
    let browser = world.browser().await;
    browser.sign_up("ann", "correct horse").await;
    browser.open("/sessions").await;
    browser.open("/password").await;
    browser.open("/").await;
    browser.expect("/", "Hello, ann").await;
    browser.press("header form button").await;
    browser.expect("/login", "You are logged out.").await;
    for _ in 0..4 {
        browser.driver.back().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (path, text) = (browser.path().await, browser.text().await);
        assert!(!text.contains("ann") && !text.contains("This session"), "{path}: {text}");
        assert!(path.starts_with("/login") || path.starts_with("/sign-up"), "{path}: {text}");
    }
}

/// C130: a logout in one tab closes what the other one shows, without a click in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_in_one_tab_closes_the_other() {
    let world = World::new();
    let browser = world.browser().await;
    browser.sign_up("ann", "correct horse").await;
    let first = browser.driver.window().await.unwrap();
    let second = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(second.clone()).await.unwrap();
    browser.open("/sessions").await;
    browser.expect("/sessions", "This session").await;

    browser.driver.switch_to_window(first).await.unwrap();
    browser.press("header form button").await;
    browser.expect("/login", "You are logged out.").await;

    browser.driver.switch_to_window(second).await.unwrap();
    browser.expect("/login?back=/sessions", "Log in").await;
    // A form that had been open in it does nothing for the user who is gone.
    browser.driver.back().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!browser.text().await.contains("This session"));
}
