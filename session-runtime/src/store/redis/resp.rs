//! Parser of responses that arrive in pieces. It covers RESP2 and RESP3 as far as the commands of this store need them.
//!
//! No memory is reserved for an announced length, and a list is parsed only as far as it is read.

use super::reply::{Node, Nodes};

/// Longest line of a header, and so the longest error.
const LONGEST_LINE: usize = 64 * 1024;

/// The server is not Redis, or uses another version of its protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Malformed;

/// Kind of a response.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Value,
    /// First word of an error, which is its code. The rest may contain a key or a value.
    Error(String),
    /// Sent without a request.
    Push,
}

/// Finds the end of a response, and remembers the progress.
#[derive(Debug)]
pub(super) struct Extent {
    at: usize,
    /// Number of values that have not begun yet.
    missing: usize,
}

impl Default for Extent {
    fn default() -> Self {
        Self { at: 0, missing: 1 }
    }
}

impl Extent {
    /// Returns the length of the response at the start of `bytes`; `None` if part of it has not arrived yet.
    pub(super) fn of(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        while self.missing > 0 {
            if let Some((length, end)) = short(bytes, self.at) {
                self.at = end + length + 2;
                self.missing -= 1;
                continue;
            }
            let Some(header) = Header::read(bytes, self.at)? else { return Ok(None) };
            let (body, values) = header.announces()?;
            self.at = header.end + body;
            self.missing = (self.missing - 1).checked_add(values).ok_or(Malformed)?;
        }
        let length = self.at;
        Ok((length <= bytes.len()).then(|| {
            *self = Self::default();
            length
        }))
    }
}

/// Returns the length and the start of a text whose length has up to three digits, as nearly all have.
#[inline]
fn short(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| usize::from(byte - b'0'));
    match bytes.get(at..)? {
        [b'$', a, b'\r', b'\n', ..] => Some((digit(a)?, at + 4)),
        [b'$', a, b, b'\r', b'\n', ..] => Some((10 * digit(a)? + digit(b)?, at + 5)),
        [b'$', a, b, c, b'\r', b'\n', ..] => Some((100 * digit(a)? + 10 * digit(b)? + digit(c)?, at + 6)),
        _ => None,
    }
}

/// First line of a value.
struct Header<'b> {
    kind: u8,
    line: &'b [u8],
    /// End of the line, including its line break.
    end: usize,
}

impl<'b> Header<'b> {
    #[inline]
    fn read(bytes: &'b [u8], at: usize) -> Result<Option<Self>, Malformed> {
        let Some((&kind, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) else { return Ok(None) };
        match rest.iter().position(|&byte| byte == b'\r') {
            Some(length) if length + 1 < rest.len() => match rest[length + 1] {
                b'\n' => Ok(Some(Self { kind, line: &rest[..length], end: at + length + 3 })),
                _ => Err(Malformed),
            },
            _ if rest.len() > LONGEST_LINE => Err(Malformed),
            _ => Ok(None),
        }
    }

    /// Returns the number of bytes and of values that belong to it.
    #[inline]
    fn announces(&self) -> Result<(usize, usize), Malformed> {
        match self.kind {
            b'$' | b'=' | b'!' => Ok((self.length()?.map_or(0, |length| length + 2), 0)),
            b'*' | b'~' | b'>' => Ok((0, self.length()?.unwrap_or(0))),
            b'%' => Ok((0, 2 * self.length()?.unwrap_or(0))),
            // Attributes precede a value.
            b'|' => Ok((0, 2 * self.length()?.unwrap_or(0) + 1)),
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Ok((0, 0)),
            _ => Err(Malformed),
        }
    }

    const fn is_list(&self) -> bool {
        matches!(self.kind, b'*' | b'~' | b'%')
    }

    /// Parses the list in `bytes` that starts with this line.
    fn list(&self, bytes: &'b [u8]) -> Result<Node<'b>, Malformed> {
        let Some(_) = self.length()? else { return Ok(Node::Nothing) };
        let (_, left) = self.announces()?;
        Ok(Node::List(Nodes::Bytes(Values { bytes: &bytes[self.end..], left })))
    }

    const fn is_text(&self) -> bool {
        matches!(self.kind, b'$' | b'=')
    }

    /// Parses a value of a single line. A text is one only if it is nil.
    fn node(&self) -> Result<Node<'b>, Malformed> {
        match self.kind {
            b':' => number(self.line).map(Node::Number),
            b'+' | b',' | b'#' | b'(' => Ok(Node::Text(self.line)),
            b'_' | b'$' | b'=' => Ok(Node::Nothing),
            // The commands of this store return neither an error inside another response nor attributes.
            _ => Err(Malformed),
        }
    }

    /// Returns the length; `None` for the nil of RESP2.
    #[inline]
    fn length(&self) -> Result<Option<usize>, Malformed> {
        match self.line {
            [b'-', b'1'] => return Ok(None),
            // As many digits as 512 MiB, which no response exceeds.
            line if (1..=9).contains(&line.len()) => {}
            _ => return Err(Malformed),
        }
        let mut length = 0;
        for digit in self.line {
            if !digit.is_ascii_digit() {
                return Err(Malformed);
            }
            length = 10 * length + usize::from(digit - b'0');
        }
        Ok(Some(length))
    }
}

/// Returns the kind of a complete response.
pub(super) fn kind(answer: &[u8]) -> Result<Kind, Malformed> {
    match answer.first() {
        Some(b'>') => Ok(Kind::Push),
        Some(b'-') => Ok(Kind::Error(code(&answer[1..]))),
        Some(b'!') => Header::read(answer, 0)?.map(|header| Kind::Error(code(&answer[header.end..]))).ok_or(Malformed),
        _ => Ok(Kind::Value),
    }
}

fn code(error: &[u8]) -> String {
    let word = error.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    String::from_utf8_lossy(word).into_owned()
}

/// Parses a complete value.
pub(super) fn node(answer: &[u8]) -> Result<Node<'_>, Malformed> {
    match Header::read(answer, 0)? {
        Some(header) if header.is_list() => header.list(answer),
        _ => Values { bytes: answer, left: 1 }.node(),
    }
}

/// Consecutive complete values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Values<'b> {
    bytes: &'b [u8],
    left: usize,
}

impl<'b> Values<'b> {
    /// Number of remaining values, but at most as many as the bytes can hold.
    pub(super) fn len(&self) -> usize {
        // Each takes at least three bytes.
        self.left.min(self.bytes.len() / 3)
    }

    fn node(&mut self) -> Result<Node<'b>, Malformed> {
        if let Some((length, from)) = short(self.bytes, 0) {
            return self.take(from, length).map(Node::Text);
        }
        let header = Header::read(self.bytes, 0)?.ok_or(Malformed)?;
        if header.is_list() {
            let whole = Extent::default().of(self.bytes)?.ok_or(Malformed)?;
            let (list, rest) = self.bytes.split_at(whole);
            self.bytes = rest;
            return header.list(list);
        }
        let length = if header.is_text() { header.length()? } else { None };
        let Some(length) = length else {
            self.bytes = &self.bytes[header.end..];
            return header.node();
        };
        let text = self.take(header.end, length)?;
        // Skips three letters for the format, and a colon.
        let from = if header.kind == b'=' { 4 } else { 0 };
        text.get(from..).map(Node::Text).ok_or(Malformed)
    }

    #[inline]
    fn take(&mut self, from: usize, length: usize) -> Result<&'b [u8], Malformed> {
        match self.bytes.split_at_checked(from + length + 2) {
            Some(([.., b'\r', b'\n'], rest)) => {
                let taken = &self.bytes[from..from + length];
                self.bytes = rest;
                Ok(taken)
            }
            _ => Err(Malformed),
        }
    }
}

impl<'b> Iterator for Values<'b> {
    type Item = Result<Node<'b>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let node = self.node();
        if node.is_err() {
            // The start of the next value is unknown.
            self.left = 0;
        }
        Some(node)
    }
}

fn number(line: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERS: [&str; 12] = [
        "+OK\r\n",
        ":-42\r\n",
        "$5\r\nhe\r\no\r\n",
        "$-1\r\n",
        "_\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*2\r\n$1\r\na\r\n*1\r\n:7\r\n",
        "%2\r\n$1\r\na\r\n$0\r\n\r\n$1\r\nb\r\n:1\r\n",
        "=6\r\ntxt:ok\r\n",
        "-NOSCRIPT No matching script\r\n",
        ">2\r\n$10\r\ninvalidate\r\n_\r\n",
    ];

    /// Formats the content of a response.
    fn shown(node: Result<Node<'_>, Malformed>) -> String {
        match node {
            Err(Malformed) => "malformed".to_owned(),
            Ok(Node::Nothing) => "nothing".to_owned(),
            Ok(Node::Number(number)) => number.to_string(),
            Ok(Node::Text(text)) => format!("{:?}", text.escape_ascii().to_string()),
            Ok(Node::List(Nodes::Bytes(values))) => {
                format!("[{}]", values.map(shown).collect::<Vec<_>>().join(" "))
            }
            Ok(Node::List(Nodes::Values(_))) => unreachable!("the library read nothing"),
        }
    }

    #[test]
    fn each_kind_of_answer_is_understood() {
        let nodes = [
            r#""OK""#,
            "-42",
            r#""he\\r\\no""#,
            "nothing",
            "nothing",
            "[]",
            "nothing",
            r#"["a" [7]]"#,
            r#"["a" "" "b" 1]"#,
            r#""ok""#,
        ];
        for (answer, expected) in ANSWERS.iter().zip(nodes) {
            assert_eq!(kind(answer.as_bytes()), Ok(Kind::Value));
            assert_eq!(shown(node(answer.as_bytes())), expected);
            // The same inside another response.
            let list = format!("*2\r\n{answer}:7\r\n");
            assert_eq!(shown(node(list.as_bytes())), format!("[{expected} 7]"));
        }
        assert_eq!(kind(ANSWERS[10].as_bytes()), Ok(Kind::Error("NOSCRIPT".into())));
        assert_eq!(kind(b"!6\r\nOOM no\r\n"), Ok(Kind::Error("OOM".into())));
        assert_eq!(kind(ANSWERS[11].as_bytes()), Ok(Kind::Push));
    }

    #[test]
    fn the_end_is_found_however_the_bytes_arrive() {
        let all = ANSWERS.concat().into_bytes();
        let ends: Vec<usize> = ANSWERS.iter().map(|answer| answer.len()).collect();
        for piece in 1..=all.len() {
            let (mut extent, mut from, mut found) = (Extent::default(), 0, Vec::new());
            for arrived in (0..all.len()).step_by(piece).map(|start| (start + piece).min(all.len())) {
                while let Some(length) = extent.of(&all[from..arrived]).unwrap() {
                    found.push(length);
                    from += length;
                }
            }
            assert_eq!(found, ends, "in pieces of {piece}");
        }
    }

    #[test]
    fn malformed_answers_are_refused() {
        let long = format!("+{}", "x".repeat(LONGEST_LINE + 1));
        for bytes in ["HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "$-2\r\n", "*9999999999\r\n", "$\r\n", "+a\rb", &*long]
        {
            assert_eq!(Extent::default().of(bytes.as_bytes()), Err(Malformed), "{bytes:.20}");
        }
        for bytes in ["$1\r\nabc", ":x\r\n", "-ERR no\r\n", "=1\r\nx\r\n"] {
            assert_eq!(node(bytes.as_bytes()), Err(Malformed), "{bytes:.20}");
            let list = format!("*1\r\n{bytes}");
            assert_eq!(shown(node(list.as_bytes())), "[malformed]");
        }
        // Nothing after it is parsed: its start is unknown.
        assert_eq!(shown(node(b"*3\r\n:1\r\n:x\r\n:7\r\n")), "[1 malformed]");
        // Announced but never sent: no memory is reserved for it.
        assert_eq!(Extent::default().of(b"*999999999\r\n$999999999\r\n"), Ok(None));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in "[$*%=!>+:|,_\r\n\\-0-9]{0,40}") {
            let _ = (Extent::default().of(bytes.as_bytes()), kind(bytes.as_bytes()), shown(node(bytes.as_bytes())));
        }
    }
}
