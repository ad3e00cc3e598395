//! Arbitrary bytes as choices, numbers and texts. What is missing at the end is zero or empty.

/// The rest of the input.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of `among` choices.
    pub fn choice(&mut self, among: usize) -> usize {
        usize::from(self.byte()) % among
    }

    pub fn number(&mut self) -> i64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.byte());
        i64::from_le_bytes(bytes)
    }

    /// Takes the bytes before the next 0x1f, and that byte.
    pub fn piece(&mut self) -> &'a [u8] {
        let all = self.0;
        let end = all.iter().position(|byte| *byte == 0x1f);
        let (piece, rest) = end.map_or((all, &[][..]), |end| (&all[..end], &all[end + 1..]));
        self.0 = rest;
        piece
    }
}

/// The bytes as a text in which a low byte may stand for a longer piece; what is not UTF-8 becomes U+FFFD.
pub fn text(bytes: &[u8], pieces: &[(u8, &str)]) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match pieces.iter().find(|(short, _)| short == byte) {
            Some((_, long)) => text.extend_from_slice(long.as_bytes()),
            None => text.push(*byte),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
