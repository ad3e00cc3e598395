//! The page "where you are logged in", and sessions that are ended from another browser.

use thirtyfour::By;

use crate::driver::{CHROMIUM, FIREFOX, World};

/// C131: a session is ended from another browser; its open page goes to the login by itself, and its cookie opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_ended_from_another_browser() {
    let world = World::new();
    let (browser, other) = (world.browser_as(CHROMIUM).await, world.browser_as(FIREFOX).await);
    browser.sign_up("ann", "correct horse").await;
    other.log_in("ann", "correct horse").await;
    other.open("/sessions").await;
    other.expect("/sessions", "Firefox on Windows This session").await;

    browser.open("/sessions").await;
    browser.expect("/sessions", "Chrome on Linux This session").await;
    browser.expect("/sessions", "Firefox on Windows").await;
    browser.press("button[aria-label='Log out Firefox on Windows']").await;
    browser.expect("/sessions", "1 session logged out.").await;
    assert!(!browser.text().await.contains("Firefox"));

    other.expect("/login?back=/sessions", "Log in").await;
    other.open("/").await;
    other.expect("/login?back=/", "Log in").await;
    browser.open("/").await;
    browser.expect("/", "You have 1 session.").await;
}

/// C131: an open page shows a new login of its user, and of no other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_login_is_shown_on_open_pages_of_its_user() {
    let world = World::new();
    let (browser, other) = (world.browser().await, world.browser_as(FIREFOX).await);
    browser.sign_up("ann", "correct horse").await;
    browser.open("/password").await;
    other.sign_up("bob", "correct horse").await;
    other.press("header form button").await;
    other.expect("/login", "You are logged out.").await;
    other.log_in("bob", "correct horse").await;
    other.press("header form button").await;
    other.expect("/login", "You are logged out.").await;
    other.log_in("ann", "correct horse").await;
    browser.expect("/password", "New login: Firefox on Windows").await;
    let notices = browser.driver.find_all(By::Css("#notices .notice")).await.unwrap();
    assert_eq!(notices.len(), 1, "the login of another user was shown");
}

/// C131: the key of another user's session ends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn no_user_ends_the_session_of_another_one() {
    let world = World::new();
    let (ann, second, bob) = (world.browser().await, world.browser().await, world.browser().await);
    ann.sign_up("ann", "correct horse").await;
    second.log_in("ann", "correct horse").await;
    bob.sign_up("bob", "correct horse").await;
    ann.open("/sessions").await;
    let key = ann.find("button[name=end]").await.attr("value").await.unwrap().unwrap();
    bob.open("/sessions").await;
    let add = "document.querySelector('main form').innerHTML += '<button id=forged name=end>End</button>'";
    let () = bob.js(&format!("{add}; document.getElementById('forged').value = '{key}'")).await;
    bob.press("#forged").await;
    bob.expect("/sessions", "0 sessions logged out.").await;
    second.open("/").await;
    second.expect("/", "Hello, ann").await;
}

/// C131: the administrator ends all sessions of a user; another user has no such page.
#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_ends_the_sessions_of_a_user() {
    let world = World::new();
    let (ann, bob) = (world.browser().await, world.browser().await);
    ann.sign_up("ann", "correct horse").await;
    bob.sign_up("bob", "correct horse").await;
    bob.open("/users").await;
    bob.expect("/users", "This page is for the administrator.").await;
    bob.open("/").await;
    ann.open("/users").await;
    ann.press("button[aria-label='Log out bob']").await;
    ann.expect("/users", "1 session logged out.").await;
    bob.expect("/login?back=/", "Log in").await;
}
