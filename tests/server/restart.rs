//! Data that outlives the process: with `SQLite` all, with the memory store none.

use std::os::unix::process::ExitStatusExt;

use crate::process::{Host, Profile, Storage};

/// B14: cart, preferences, login and logout are as they were after a stop by SIGTERM.
#[test]
fn sessions_outlive_a_stop() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    shop.post("/cart/add/8", &visitor).expect_silent(200);
    let anna = shop.post("/login/anna", &visitor).expect(204).new_cookie();
    shop.post("/prefs/lang/de", &anna).expect_silent(204);
    let ended = shop.visitor(9);
    shop.post("/logout", &ended).expect(204);
    let before = host.rows();
    shop.stop();

    let shop = host.open(Profile::Debug, Storage::Sqlite);
    assert_eq!(host.rows(), before, "a restart alone changed the store");
    assert_eq!(shop.cart(&anna), r#"{"7":1,"8":1}"#);
    assert_eq!(shop.get("/prefs", &anna).expect_silent(200).text(), r#"{"lang":"de"}"#);
    assert_eq!(shop.user(&anna).as_deref(), Some("anna"));
    assert_eq!(shop.post("/cart/add/7", &anna).expect_silent(200).text(), "2");
    shop.assert_anonymous(&visitor);
    shop.assert_anonymous(&ended);
}

/// The same after a kill, without load.
#[test]
fn sessions_outlive_a_kill() {
    let host = Host::new();
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    assert_eq!(shop.kill().signal(), Some(9));
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    assert_eq!(shop.cart(&visitor), r#"{"7":1}"#);
}

/// Two processes on one `SQLite` file serve one session.
#[test]
fn two_processes_share_the_sessions_of_one_file() {
    let host = Host::new();
    let one = host.open(Profile::Debug, Storage::Sqlite);
    let two = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = one.visitor(7);
    for quantity in 1..20 {
        let shop = if quantity % 2 == 0 { &one } else { &two };
        assert_eq!(shop.post("/cart/add/7", &visitor).expect_silent(200).text(), (quantity + 1).to_string());
    }
    let anna = two.post("/login/anna", &visitor).expect(204).new_cookie();
    assert_eq!(one.user(&anna).as_deref(), Some("anna"));
    one.assert_anonymous(&visitor);
    one.post("/logout", &anna).expect(204);
    two.assert_anonymous(&anna);
}

/// C19b: what one process cleared is empty in another, and the session lives on.
#[test]
fn a_cleared_cart_is_empty_in_another_process() {
    let host = Host::new();
    let one = host.open(Profile::Debug, Storage::Sqlite);
    let two = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = one.visitor(7);
    one.post("/cart/add/8", &visitor).expect_silent(200);
    assert_eq!(two.cart(&visitor), r#"{"7":1,"8":1}"#);
    one.post("/cart/clear", &visitor).expect_silent(204);
    assert_eq!(two.cart(&visitor), "{}");
    assert!(!host.rows_about(&visitor).iter().any(|row| row.contains("cart.items")));
    two.post("/cart/add/9", &visitor).expect_silent(200);
    assert_eq!(one.cart(&visitor), r#"{"9":1}"#);
}

/// The memory store forgets, and an id of the past is like any unknown one.
#[test]
fn the_memory_store_ends_with_the_process() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Memory);
    let visitor = shop.visitor(7);
    shop.stop();
    let shop = host.open(Profile::Debug, Storage::Memory);
    shop.assert_anonymous(&visitor);
    let new = shop.post("/cart/add/7", &visitor).expect(200).new_cookie();
    assert_ne!(new.key(), visitor.key());
}
