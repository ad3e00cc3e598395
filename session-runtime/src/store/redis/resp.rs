//! Answers of a server: where one ends in bytes that arrive piece by piece, and what it says. RESP2 and RESP3, as far as the
//! commands of this store are answered in them.
//!
//! Nothing is reserved for a length that is only announced, and nothing nests deeper than an answer may.

use ::redis::{Value, VerbatimFormat};

/// How deep an answer may nest. A load nests twice, a greeting three times.
const MOST_LEVELS: u32 = 8;

/// The longest line of a header, which is also what an error may be.
const LONGEST_LINE: usize = 64 * 1024;

/// The server is not one of Redis, or speaks another version of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Malformed;

/// An answer.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Value(Value),
    /// The first word of an error, which is its code. What follows may hold a key or a value.
    Error(String),
    /// Told without having been asked for.
    Push,
}

/// Looks for the end of an answer, and remembers how far it has looked.
#[derive(Debug)]
pub(super) struct Extent {
    at: usize,
    /// Values that have not begun yet.
    missing: usize,
}

impl Default for Extent {
    fn default() -> Self {
        Self { at: 0, missing: 1 }
    }
}

impl Extent {
    /// The length of the answer that `bytes` begin with; `None` if a part of it has not arrived yet.
    pub(super) fn of(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        while self.missing > 0 {
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

/// The first line of a value.
struct Header<'b> {
    kind: u8,
    line: &'b [u8],
    /// Where the line ends, its line break included.
    end: usize,
}

impl<'b> Header<'b> {
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

    /// How many bytes and how many values belong to it.
    fn announces(&self) -> Result<(usize, usize), Malformed> {
        match self.kind {
            b'$' | b'=' | b'!' => Ok((self.length()?.map_or(0, |length| length + 2), 0)),
            b'*' | b'~' | b'>' => Ok((0, self.length()?.unwrap_or(0))),
            b'%' => Ok((0, 2 * self.length()?.unwrap_or(0))),
            // Attributes stand in front of a value.
            b'|' => Ok((0, 2 * self.length()?.unwrap_or(0) + 1)),
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Ok((0, 0)),
            _ => Err(Malformed),
        }
    }

    /// `None`: what RESP2 has for nothing.
    fn length(&self) -> Result<Option<usize>, Malformed> {
        match self.line {
            b"-1" => Ok(None),
            // As many digits as 512 MiB have, which no answer exceeds.
            [_, ..] if self.line.len() <= 9 => {
                let digit = |&byte: &u8| byte.is_ascii_digit().then(|| usize::from(byte - b'0')).ok_or(Malformed);
                self.line.iter().try_fold(0, |number, byte| Ok(10 * number + digit(byte)?)).map(Some)
            }
            _ => Err(Malformed),
        }
    }
}

/// What an answer says that is there as a whole.
pub(super) fn answer(bytes: &[u8]) -> Result<Answer, Malformed> {
    match bytes.first() {
        Some(b'>') => Ok(Answer::Push),
        Some(b'-') => Ok(Answer::Error(code(&bytes[1..]))),
        Some(b'!') => Header::read(bytes, 0)?.map(|header| Answer::Error(code(&bytes[header.end..]))).ok_or(Malformed),
        _ => Rest { bytes, at: 0 }.value(MOST_LEVELS).map(Answer::Value),
    }
}

fn code(error: &[u8]) -> String {
    let word = error.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    String::from_utf8_lossy(word).into_owned()
}

/// What has not been read yet.
struct Rest<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Rest<'_> {
    fn value(&mut self, levels: u32) -> Result<Value, Malformed> {
        let header = Header::read(self.bytes, self.at)?.ok_or(Malformed)?;
        self.at = header.end;
        match header.kind {
            b'$' => self.bulk(header.length()?),
            b'*' | b'~' => match header.length()? {
                Some(length) => self.values(length, levels).map(Value::Array),
                None => Ok(Value::Nil),
            },
            b'%' => self.pairs(header.length()?.ok_or(Malformed)?, levels),
            b':' => number(header.line).map(Value::Int),
            b'+' | b',' | b'#' | b'(' => Ok(Value::SimpleString(String::from_utf8_lossy(header.line).into_owned())),
            b'_' => Ok(Value::Nil),
            b'=' => self.verbatim(header.length()?.ok_or(Malformed)?),
            // No command of this store is answered by an error inside of another answer, or by attributes.
            _ => Err(Malformed),
        }
    }

    fn bulk(&mut self, length: Option<usize>) -> Result<Value, Malformed> {
        length.map_or(Ok(Value::Nil), |length| self.take(length).map(|bytes| Value::BulkString(bytes.to_vec())))
    }

    /// Three letters for the format, a colon, the text.
    fn verbatim(&mut self, length: usize) -> Result<Value, Malformed> {
        let text = self.take(length)?.get(4..).ok_or(Malformed)?;
        Ok(Value::VerbatimString { format: VerbatimFormat::Text, text: String::from_utf8_lossy(text).into_owned() })
    }

    fn take(&mut self, length: usize) -> Result<&[u8], Malformed> {
        let from = self.at;
        self.at = from + length + 2;
        match self.bytes.get(from..self.at).ok_or(Malformed)?.split_last_chunk() {
            Some((taken, b"\r\n")) => Ok(taken),
            _ => Err(Malformed),
        }
    }

    fn values(&mut self, length: usize, levels: u32) -> Result<Vec<Value>, Malformed> {
        let levels = levels.checked_sub(1).ok_or(Malformed)?;
        (0..length).map(|_| self.value(levels)).collect()
    }

    fn pairs(&mut self, length: usize, levels: u32) -> Result<Value, Malformed> {
        let levels = levels.checked_sub(1).ok_or(Malformed)?;
        let pair = |_| Ok((self.value(levels)?, self.value(levels)?));
        (0..length).map(pair).collect::<Result<_, _>>().map(Value::Map)
    }
}

fn number(line: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

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

    #[test]
    fn each_kind_of_answer_is_understood() {
        let value = |of: usize| match answer(ANSWERS[of].as_bytes()) {
            Ok(Answer::Value(value)) => value,
            other => panic!("{other:?}"),
        };
        assert_eq!(value(0), Value::SimpleString("OK".into()));
        assert_eq!(value(1), Value::Int(-42));
        assert_eq!(value(2), text("he\r\no"));
        assert_eq!([3, 4, 6].map(value), [Value::Nil, Value::Nil, Value::Nil]);
        assert_eq!(value(5), Value::Array(vec![]));
        assert_eq!(value(7), Value::Array(vec![text("a"), Value::Array(vec![Value::Int(7)])]));
        assert_eq!(value(8), Value::Map(vec![(text("a"), text("")), (text("b"), Value::Int(1))]));
        assert_eq!(value(9), Value::VerbatimString { format: VerbatimFormat::Text, text: "ok".into() });
        assert_eq!(answer(ANSWERS[10].as_bytes()), Ok(Answer::Error("NOSCRIPT".into())));
        assert_eq!(answer(b"!6\r\nOOM no\r\n"), Ok(Answer::Error("OOM".into())));
        assert_eq!(answer(ANSWERS[11].as_bytes()), Ok(Answer::Push));
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
    fn what_is_no_answer_is_refused() {
        let long = format!("+{}", "x".repeat(LONGEST_LINE + 1));
        let nested = "*1\r\n".repeat(MOST_LEVELS as usize + 1) + ":1\r\n";
        for bytes in ["HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "$-2\r\n", "*9999999999\r\n", "$\r\n", "+a\rb", &*long] {
            assert_eq!(Extent::default().of(bytes.as_bytes()), Err(Malformed), "{bytes:.20}");
        }
        for bytes in ["$1\r\nabc", ":x\r\n", "*1\r\n-ERR no\r\n", "=1\r\nx\r\n", &nested] {
            assert_eq!(answer(bytes.as_bytes()), Err(Malformed), "{bytes:.20}");
        }
        // Announced, never sent: nothing is kept for it.
        assert_eq!(Extent::default().of(b"*999999999\r\n$999999999\r\n"), Ok(None));
    }
}
