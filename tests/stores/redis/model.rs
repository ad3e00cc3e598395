//! Random operations of three interleaved requests against a plain map, with schemas in one hash and in two.

use session_runtime::{RedisStore, Store};
use session_tests::model::{check, one_in};
use session_tests::servers::cluster::Cluster;
use session_tests::servers::redis::Redis;

/// Each case in a namespace of its own.
fn is_a_plain_map(url: &str, lazy: &'static [&'static str]) {
    one_in(2, |number, steps| {
        let open = || {
            let store = RedisStore::builder(url).namespace(format!("case-{number}")).open().unwrap();
            store.set_lazy_schemas(lazy);
            store
        };
        check(open, steps);
    });
}

/// C76: in one hash.
#[test]
fn one_server_is_a_plain_map() {
    is_a_plain_map(&Redis::start().url(), &[]);
}

/// C76: in two hashes.
#[test]
fn a_schema_kept_apart_is_a_plain_map_too() {
    is_a_plain_map(&Redis::start().url(), &["cart"]);
}

/// C76: over the slots of three masters.
#[test]
fn a_cluster_is_a_plain_map() {
    is_a_plain_map(&Cluster::start().url(), &["auth"]);
}
