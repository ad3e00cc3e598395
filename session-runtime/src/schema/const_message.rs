//! Compiler messages, built in const evaluation, which has no `format!`.

/// Text of at most 4,096 bytes; the parts beyond that are cut off.
pub struct Message {
    bytes: [u8; 4096],
    length: usize,
    full: bool,
}

impl Message {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; 4096], length: 0, full: false }
    }

    pub(crate) const fn parts(&mut self, parts: &[&str]) {
        let mut at = 0;
        while at < parts.len() {
            self.push(parts[at]);
            at += 1;
        }
    }

    pub(crate) const fn push(&mut self, part: &str) {
        // Cut between parts, so never inside a character.
        self.full = self.full || self.length + part.len() > self.bytes.len();
        let mut at = 0;
        while !self.full && at < part.len() {
            self.bytes[self.length] = part.as_bytes()[at];
            self.length += 1;
            at += 1;
        }
    }

    pub(crate) const fn number(&mut self, number: u64) {
        const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        if number > 9 {
            self.number(number / 10);
        }
        self.push(DIGITS[(number % 10) as usize]);
    }

    /// Appends eight hexadecimal digits.
    pub(crate) const fn hex(&mut self, number: u32) {
        const DIGITS: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];
        let mut shift = 32;
        while shift > 0 {
            shift -= 4;
            self.push(DIGITS[(number >> shift & 15) as usize]);
        }
    }

    /// Returns the text.
    #[must_use]
    pub const fn text(&self) -> &str {
        match str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

/// Fails the build at the call site if there is a message.
///
/// # Panics
///
/// Panics with the message, if there is one.
#[track_caller]
pub const fn refuse(message: Option<Message>) {
    if let Some(message) = message {
        panic!("{}", message.text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The compiler's own text around a const panic changes between releases, so this test covers only our text.
    #[test]
    fn a_message_is_put_together() {
        let mut message = Message::new();
        message.parts(&["schema `", "Cart", "`, version "]);
        message.number(1203);
        message.push(" ");
        message.hex(0x00c0_ffee);
        assert_eq!(message.text(), "schema `Cart`, version 1203 00c0ffee");
    }

    #[test]
    fn text_that_does_not_fit_is_cut() {
        let mut message = Message::new();
        for _ in 0..1000 {
            message.push("five ");
        }
        assert_eq!(message.text().len(), 4095);
    }
}
