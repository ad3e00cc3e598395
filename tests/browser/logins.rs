//! Names, passwords, attempts, and the way back after a login.

use crate::driver::{Browser, World};

async fn mistake(browser: &Browser) -> String {
    browser.find(".mistake").await.text().await.unwrap()
}

async fn status(browser: &Browser) -> u16 {
    browser.js("return performance.getEntriesByType('navigation')[0].responseStatus").await
}

/// C132: a name without an account gets the answer of a wrong password, to the word.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_does_not_show_which_names_have_an_account() {
    let world = World::new();
    let browser = world.browser().await;
    browser.sign_up("ann", "correct horse").await;
    browser.press("header form button").await;
    browser.expect("/login", "You are logged out.").await;
    let mut answers = Vec::new();
    for name in ["ann", "bob"] {
        browser.try_to_log_in(name, "wrong horse").await;
        browser.expect("/login?back=/", "The name or the password is wrong.").await;
        answers.push((status(&browser).await, browser.text().await));
        assert_eq!(browser.find("input[name=name]").await.value().await.unwrap().as_deref(), Some(name));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 422);
}

/// C132: after five wrong passwords the right one is refused as well, and nothing else changes.
#[tokio::test(flavor = "multi_thread")]
async fn the_sixth_attempt_is_refused() {
    let world = World::new();
    let (browser, other) = (world.browser().await, world.browser().await);
    other.sign_up("ann", "correct horse").await;
    for _ in 0..5 {
        browser.try_to_log_in("ann", "wrong horse").await;
        browser.expect("/login?back=/", "The name or the password is wrong.").await;
    }
    browser.try_to_log_in("ann", "correct horse").await;
    browser.expect("/login?back=/", "Too many attempts.").await;
    assert_eq!(status(&browser).await, 429);
    other.open("/").await;
    other.expect("/", "Hello, ann").await;
}

/// C133: after a login the visitor gets the page that was asked for, and never one of another site.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_leads_back_and_never_to_another_site() {
    let world = World::new();
    let browser = world.browser().await;
    browser.sign_up("ann", "correct horse").await;
    let ways = [
        ("/sessions", "/sessions", "Where you are logged in"),
        ("/login?back=//127.0.0.1:9/", "/", "Hello, ann"),
        ("/login?back=/%5C127.0.0.1:9/", "/", "Hello, ann"),
        ("/login?back=/%09/127.0.0.1:9/", "/", "Hello, ann"),
        ("/login?back=http://127.0.0.1:9/", "/", "Hello, ann"),
        ("/login?back=javascript:alert(1)", "/", "Hello, ann"),
    ];
    for (asked, led_to, text) in ways {
        browser.press("header form button").await;
        browser.expect("/login", "You are logged out.").await;
        browser.open(asked).await;
        browser.fill("name", "ann").await;
        browser.fill("password", "correct horse").await;
        browser.press("main button").await;
        browser.expect(led_to, text).await;
    }
}

/// C133: a new password needs a recent proof of identity. It ends the other sessions, and the old one opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_asks_for_the_present_one_and_ends_other_sessions() {
    let world = World::new();
    let (browser, other) = (world.browser().await, world.browser().await);
    browser.sign_up("ann", "correct horse").await;
    other.log_in("ann", "correct horse").await;
    forget_proofs(&world);

    browser.open("/password").await;
    browser.expect("/confirm?back=/password", "Please enter your password").await;
    for (password, path, text) in [
        ("wrong horse", "/confirm?back=/password", "This is not your password."),
        ("correct horse", "/password", "Change your password"),
        ("short", "/password", "The length of this password is not allowed."),
        ("a better horse", "/", "Your password is changed. 1 other session logged out."),
    ] {
        browser.fill("password", password).await;
        browser.press("main button").await;
        browser.expect(path, text).await;
    }

    other.open("/sessions").await;
    other.expect("/login?back=/sessions", "Log in").await;
    other.try_to_log_in("ann", "correct horse").await;
    other.expect("/login?back=/", "The name or the password is wrong.").await;
    other.log_in("ann", "a better horse").await;
}

/// C133: a page that a recent proof opened stays open to its user, and the form of one without a proof changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_a_recent_proof_changes_nothing() {
    let world = World::new();
    let (browser, other) = (world.browser().await, world.browser().await);
    browser.sign_up("ann", "correct horse").await;
    other.log_in("ann", "correct horse").await;
    browser.open("/sessions").await;
    forget_proofs(&world);
    browser.press("button[value=others]").await;
    browser.expect("/confirm?back=/sessions", "Please enter your password").await;
    other.open("/").await;
    other.expect("/", "Hello, ann").await;
    browser.fill("password", "correct horse").await;
    browser.press("main button").await;
    browser.expect("/sessions", "Where you are logged in").await;
    browser.press("button[value=others]").await;
    browser.expect("/sessions", "1 session logged out.").await;
}

/// Removes the stored proofs of identity, which stands for the ten minutes after them.
fn forget_proofs(world: &World) {
    let database = rusqlite::Connection::open(world.app.sessions()).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    let removed = database.execute("DELETE FROM entry WHERE name = 'session.proof'", ()).unwrap();
    assert!(removed > 0, "no proof is stored");
}

/// C132: a mistake in a sign-up is shown at its field, which keeps its text.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_up_names_its_field() {
    let world = World::new();
    let browser = world.browser().await;
    browser.sign_up("ann", "correct horse").await;
    for (name, password, field, text) in [
        ("ANN", "correct horse", "name", "This name is taken."),
        ("an<b>n", "correct horse", "name", "This name cannot be used."),
        ("bob", "short", "password", "The length of this password is not allowed."),
    ] {
        browser.open("/sign-up").await;
        browser.fill("name", name).await;
        browser.fill("password", password).await;
        browser.press("main button").await;
        browser.expect("/sign-up", text).await;
        assert_eq!(mistake(&browser).await, text);
        let invalid = browser.find("[aria-invalid=true]").await;
        assert_eq!(invalid.attr("name").await.unwrap().as_deref(), Some(field));
        assert!(invalid.attr("aria-describedby").await.unwrap().unwrap().split(' ').any(|id| id == "mistake"));
        assert_eq!(browser.find("#name").await.value().await.unwrap().as_deref(), Some(name));
    }
}
