//! A database that another program has written to. With any damage, visitors are anonymous or refused, the row stays
//! unchanged, and the server stays up.

use crate::process::{Host, Profile, Storage};
use session_tests::http::Request;

/// B69, C38, `SQLite`: a head that is cut, that goes on, of another layout, with a kind of expiry that does not exist,
/// or no head at all.
#[test]
fn a_damaged_record_is_no_session_and_stays() {
    let damages = [
        "x''",
        "x'01'",
        "''",
        "'null'",
        "'[]'",
        "7",
        "CAST(substr(content, 1, 154) AS BLOB)",
        "CAST(content || x'00' AS BLOB)",
        "CAST(x'02' || substr(content, 2) AS BLOB)",
        "CAST(substr(content, 1, 2) || x'04' || substr(content, 4) AS BLOB)",
    ];
    let host = Host::new();
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let database = rusqlite::Connection::open(host.database()).unwrap();
    for damage in damages {
        let visitor = shop.visitor(7);
        let update = format!("UPDATE entry SET content = {damage} WHERE session = ?1 AND name = 0");
        assert_eq!(database.execute(&update, [visitor.key()]).unwrap(), 1);
        let damaged = host.rows_about(&visitor);
        for path in ["/cart", "/whoami"] {
            let answer = shop.get(path, &visitor);
            let anonymous = matches!(answer.text().as_str(), "{}" | r#"{"user":null}"#);
            assert!(answer.status == 200 && anonymous && answer.set_cookies().is_empty(), "{damage}: {answer:?}");
        }
        let new = shop.post("/cart/add/8", &visitor).expect(200).new_cookie();
        assert_ne!(new.key(), visitor.key(), "{damage}");
        assert_eq!(shop.cart(&new), r#"{"8":1}"#);
        assert_eq!(host.rows_about(&visitor), damaged, "{damage} was changed");
    }
    shop.assert_running();
}

/// C38, `SQLite`: values that are no JSON, of another type, of another version, or no UTF-8: the schema's routes answer
/// with an error, the others work, and the value stays.
#[test]
fn a_damaged_value_fails_its_schema_and_stays() {
    let damages = ["''", "'null'", "'[]'", "'{'", "'\"seven\"'", "'-1'", "'1.5'", "CAST(x'ff31' AS TEXT)", "char(0)"];
    let host = Host::new();
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let database = rusqlite::Connection::open(host.database()).unwrap();
    for damage in damages {
        let visitor = shop.visitor(7);
        let update =
            format!("UPDATE entry SET content = {damage} WHERE session = ?1 AND name = CAST('cart.items/7' AS BLOB)");
        assert_eq!(database.execute(&update, [visitor.key()]).unwrap(), 1);
        let damaged = host.rows_about(&visitor);
        for request in [Request::get("/cart"), Request::post("/cart/add/7"), Request::post("/cart/clear")] {
            let answer = shop.ask(&request.cookie(&visitor));
            assert!(answer.status == 500 && answer.set_cookies().is_empty(), "{damage}: {answer:?}");
            assert!(!answer.text().contains("seven"), "{damage}: {answer:?}");
        }
        assert_eq!(host.rows_about(&visitor), damaged, "{damage} was changed");
        assert_eq!(shop.user(&visitor), None, "{damage}: the other schemas work");
    }
    for metadata in ["{\"v\":2,\"r\":2,\"w\":2}", "{\"v\":\"one\"}", "7", ""] {
        let visitor = shop.visitor(7);
        let update = "UPDATE entry SET content = ?1 WHERE session = ?2 AND name = 'cart'";
        assert_eq!(database.execute(update, (metadata, visitor.key())).unwrap(), 1);
        let damaged = host.rows_about(&visitor);
        let answer = shop.post("/cart/add/7", &visitor);
        assert!(matches!(answer.status, 500 | 503) && answer.set_cookies().is_empty(), "{metadata}: {answer:?}");
        assert_eq!(host.rows_about(&visitor), damaged);
        assert_eq!(shop.user(&visitor), None, "{metadata}: the other schemas work");
    }
    shop.assert_running();
}
