//! The scripts: each is one atomic step of the server. They begin with `#!lua`, so that a server out of memory, without
//! its disk or no longer the master refuses one before it has done anything.

use std::sync::LazyLock;

use super::call::Call;
use super::name::Name;

/// A script and the name under which servers know it.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

pub(super) static CREATE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("create.lua")));
pub(super) static LOAD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("load.lua")));
pub(super) static PATCH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("patch.lua")));
pub(super) static SET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("set.lua")));
pub(super) static NAMES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("names.lua")));
pub(super) static DELETE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("delete.lua")));

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: sha1_hex(text) }
    }

    /// The beginning of a call with one key, with room for what follows.
    pub(super) fn call(&self, main: Name<'_>, args: usize, bytes: usize) -> Call {
        let mut call = Call::new("EVALSHA", args + 3, bytes + main.len() + self.hash.len() + 1);
        call.arg(&self.hash).arg("1").name(main);
        call
    }

    /// The same call for a server that has not got the script.
    pub(super) fn in_full(&self, call: &Call) -> Call {
        let mut full =
            Call::new("EVAL", call.words().count(), self.text.len() + call.words().map(<[u8]>::len).sum::<usize>());
        full.arg(self.text);
        call.words().skip(2).for_each(|word| {
            full.arg(word);
        });
        full
    }
}

/// SHA-1 in hexadecimal, as the server computes it, by the client library's own way to name scripts.
pub(super) fn sha1_hex(text: &str) -> String {
    ::redis::Script::new(text).get_hash().to_owned()
}
