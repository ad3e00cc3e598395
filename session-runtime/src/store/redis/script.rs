//! Scripts, each of which is one atomic step of the server. They begin with `#!lua`, so that a server that is out of
//! memory, cannot write to its disk or is no longer the master refuses a script before it has done anything.

use std::sync::LazyLock;

use super::call::Call;
use super::name::Name;

/// A script and the hash by which servers identify it.
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

    /// Starts a call with one key, with capacity for the rest.
    pub(super) fn call(&self, main: Name<'_>, args: usize, bytes: usize) -> Call {
        let mut call = Call::new("EVALSHA", args + 3, bytes + main.len() + self.hash.len() + 1);
        call.arg(&self.hash).arg("1").name(main);
        call
    }

    /// Returns the same call for a server that does not have the script.
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

/// SHA-1 in hexadecimal, as the server computes it, from the type of the client library that names scripts.
pub(super) fn sha1_hex(text: &str) -> String {
    ::redis::Script::new(text).get_hash().to_owned()
}
