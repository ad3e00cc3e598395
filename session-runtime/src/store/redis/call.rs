//! A command and its arguments in wire format.

use std::fmt::Display;

use ::redis::Cmd;

use super::name::Name;

/// Bytes reserved for the line before an argument and the line break after it.
const FRAME: usize = 16;

/// A command that is ready to be sent.
pub(super) struct Call {
    words: usize,
    /// Words, each after its length. The number of words is sent before them.
    packed: Vec<u8>,
}

impl Call {
    /// Creates a command with capacity for `args` arguments of `bytes` bytes in total.
    pub(super) fn new(name: &str, args: usize, bytes: usize) -> Self {
        let mut call = Self { words: 0, packed: Vec::with_capacity(name.len() + bytes + (args + 1) * FRAME) };
        call.arg(name);
        call
    }

    pub(super) fn arg(&mut self, word: impl AsRef<[u8]>) -> &mut Self {
        let word = word.as_ref();
        put_line(&mut self.packed, b'$', word.len());
        self.packed.extend_from_slice(word);
        self.packed.extend_from_slice(b"\r\n");
        self.words += 1;
        self
    }

    pub(super) fn name(&mut self, name: Name<'_>) -> &mut Self {
        put_line(&mut self.packed, b'$', name.len());
        name.write(&mut self.packed);
        self.packed.extend_from_slice(b"\r\n");
        self.words += 1;
        self
    }

    pub(super) fn number(&mut self, number: impl Display) -> &mut Self {
        self.arg(number.to_string())
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(FRAME + self.packed.len());
        put_line(out, b'*', self.words);
        out.extend_from_slice(&self.packed);
    }

    /// Returns the name and the arguments.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.packed;
        std::iter::from_fn(move || {
            let line = rest.iter().position(|&byte| byte == b'\r')?;
            let length: usize = std::str::from_utf8(&rest[1..line]).ok()?.parse().ok()?;
            let (word, after) = rest[line + 2..].split_at(length);
            rest = &after[2..];
            Some(word)
        })
    }

    /// Returns the same command for a connection of the client library.
    pub(super) fn for_library(&self) -> Cmd {
        let mut command = Cmd::with_capacity(self.words, self.packed.len());
        self.words().for_each(|word| {
            command.arg(word);
        });
        command
    }
}

fn put_line(out: &mut Vec<u8>, kind: u8, number: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_packed_as_the_library_packs_it() {
        let mut call = Call::new("HSET", 3, 8);
        call.arg("a\r\nb").arg([0, 255]).arg("").number(-7);
        let mut packed = Vec::new();
        call.write(&mut packed);
        assert_eq!(packed, b"*5\r\n$4\r\nHSET\r\n$4\r\na\r\nb\r\n$2\r\n\0\xff\r\n$0\r\n\r\n$2\r\n-7\r\n");
        assert_eq!(packed, call.for_library().get_packed_command());
        assert_eq!(call.words().collect::<Vec<_>>(), [&b"HSET"[..], b"a\r\nb", &[0, 255], b"", b"-7"]);
    }
}
