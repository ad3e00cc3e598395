//! Random operations of three interleaved requests against a plain map.

use session_runtime::PostgresStore;
use session_tests::model::{check, one_in};
use session_tests::servers::postgres::Postgres;

use super::session::PATIENT;

/// C76: each case in a schema of its own.
#[test]
fn postgres_is_a_plain_map() {
    let server = Postgres::start("");
    one_in(4, |number, steps| {
        let schema = format!("case_{number}");
        let open = || PostgresStore::builder(server.url()).schema(&*schema).connect_timeout(PATIENT).open().unwrap();
        check(open, steps);
    });
}
