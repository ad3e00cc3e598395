//! Scripts, each of which is one atomic step of the server. They begin with `#!lua`, so that a server that is out of
//! memory, cannot write to its disk or is no longer the master refuses a script before it has done anything.

use std::sync::LazyLock;

use ::redis::{Arg, Cmd};

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

pub(super) static INDEX_ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("index_add.lua")));
pub(super) static INDEX_FIND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("index_find.lua")));
pub(super) static INDEX_OLD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("index_old.lua")));
pub(super) static INDEX_REMOVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("index_remove.lua")));

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: sha1_hex(text) }
    }

    /// True if it changes nothing, so that it may be sent again. The server enforces this flag.
    pub(super) fn reads(&self) -> bool {
        self.text.starts_with("#!lua flags=no-writes\n")
    }

    /// Starts a command with one key, with capacity for `args` more arguments of `bytes` bytes in total.
    pub(super) fn command(&self, main: Name<'_>, args: usize, bytes: usize) -> Cmd {
        let mut command = command("EVALSHA", args + 3, bytes + main.len() + self.hash.len() + 1);
        command.arg(&self.hash).arg("1").arg(main);
        command
    }

    /// Starts a command whose key is the set of entries of an index.
    pub(super) fn command_on(&self, entries: &[u8]) -> Cmd {
        let mut command = command("EVALSHA", 8, 160);
        command.arg(&self.hash).arg("1").arg(entries);
        command
    }

    /// Returns the same command for a server that does not have the script.
    pub(super) fn in_full(&self, by_hash: &Cmd) -> Cmd {
        let mut full = Cmd::new();
        full.arg("EVAL").arg(self.text);
        for argument in by_hash.args_iter().skip(2) {
            if let Arg::Simple(argument) = argument {
                full.arg(argument);
            }
        }
        full
    }
}

/// Starts a command with capacity for `args` arguments of `bytes` bytes in total.
pub(super) fn command(name: &str, args: usize, bytes: usize) -> Cmd {
    let mut command = Cmd::with_capacity(args + 1, name.len() + bytes);
    command.arg(name);
    command
}

/// SHA-1 in hexadecimal, as the server computes it, from the type of the client library that names scripts.
pub(super) fn sha1_hex(text: &str) -> String {
    ::redis::Script::new(text).get_hash().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionKey;
    use crate::store::redis::name::Namespace;

    #[test]
    fn a_script_in_full_has_the_same_arguments() {
        let words = |command: &Cmd| -> Vec<Vec<u8>> {
            let word = |word| if let Arg::Simple(word) = word { <[u8]>::to_vec(word) } else { unreachable!() };
            command.args_iter().map(word).collect()
        };
        let namespace = Namespace::new("s").unwrap();
        let main = namespace.main(SessionKey::from_bytes([0; 16]));
        let mut by_hash = LOAD.command(main, 2, 2);
        by_hash.arg("").arg(b"\0\xff");
        let (hash, full) = (words(&by_hash), words(&LOAD.in_full(&by_hash)));
        assert_eq!(hash[..2], [b"EVALSHA".to_vec(), LOAD.hash.as_bytes().to_vec()]);
        assert_eq!(full[..2], [b"EVAL".to_vec(), LOAD.text.as_bytes().to_vec()]);
        let rest = [b"1".to_vec(), main.to_vec(), Vec::new(), vec![0, 255]];
        assert_eq!((&hash[2..], &full[2..]), (&rest[..], &rest[..]));
    }
}
