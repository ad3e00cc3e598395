//! A disk that is full: a small file system in memory that only this server sees, as a tablespace.

use session_runtime::Store;
use session_runtime::store::{Created, StoreErrorKind, Wanted};
use session_tests::servers::postgres::Postgres;

use super::session::{NOW, add, assert_fails, at_last, counter, key, patient, record, visits};

/// C67: a disk that is full refuses writes as unavailable, loads go on, and with room again writes do.
#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let server = Postgres::start_with_small_disk(8);
    let small = server.small_disk().display().to_string();
    server.execute(&format!("CREATE TABLESPACE small LOCATION '{small}'")).await;
    server.execute("ALTER DATABASE sessions SET default_tablespace = small").await;
    let store = patient(server.url());
    counter(&store, key(1)).await;
    add(&store, key(1)).await.unwrap();

    let ballast = "CREATE TABLE ballast (piece text); ALTER TABLE ballast ALTER piece SET STORAGE EXTERNAL";
    server.execute(ballast).await;
    let client = server.client().await;
    let mut refused = false;
    for _ in 0..1_000 {
        refused = client.execute("INSERT INTO ballast VALUES (repeat('x', 65536))", &[]).await.is_err();
        if refused {
            break;
        }
    }
    assert!(refused, "the disk is not full");
    let large = format!("\"{}\"", random_digits(200_000));
    let outcome = store.create(key(2), record(&[("cart.note", &large)])).await;
    assert_fails(outcome, StoreErrorKind::Unavailable, "53100");
    assert_eq!(visits(&store, key(1)).await.unwrap(), 1);
    assert!(store.load(key(2), &Wanted::all(), NOW).await.unwrap().is_none(), "half a session was stored");

    server.execute("DROP TABLE ballast").await;
    let created = at_last(async || store.create(key(2), record(&[("cart.note", &large)])).await).await;
    assert_eq!(created, Created::Done);
    add(&store, key(1)).await.unwrap();
    let loaded = store.load(key(2), &Wanted::all(), NOW).await.unwrap().unwrap();
    assert_eq!(loaded.record.values.get("cart.note"), Some(&*large));
}

/// Digits that no compression makes much of.
fn random_digits(length: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + 2 + u8::try_from(state % 57).unwrap())
    });
    next.take(length).filter(|c| *c != '"' && *c != '\\').collect()
}
