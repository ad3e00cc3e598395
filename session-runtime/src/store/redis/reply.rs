//! Views of a response that is not an error.

use std::slice::{ChunksExact, Iter};

use ::redis::Value;

use super::fault::Fault;

pub(super) fn text(value: &Value) -> Result<&[u8], Fault> {
    match value {
        Value::BulkString(text) => Ok(text),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text.as_bytes()),
        Value::Okay => Ok(b"OK"),
        _ => Err(Fault::unexpected()),
    }
}

pub(super) fn number(value: &Value) -> Result<i64, Fault> {
    if let Value::Int(number) = value { Ok(*number) } else { Err(Fault::unexpected()) }
}

pub(super) fn list(value: &Value) -> Result<&[Value], Fault> {
    if let Value::Array(values) = value { Ok(values) } else { Err(Fault::unexpected()) }
}

/// Returns the first elements of a list, which must exist.
pub(super) fn first<const N: usize>(value: &Value) -> Result<&[Value; N], Fault> {
    list(value)?.first_chunk().ok_or_else(Fault::unexpected)
}

/// Names and texts of a hash. RESP3 has a type for them; in RESP2 and in the response of a script they alternate in a
/// list.
pub(super) enum Pairs<'r> {
    Map(Iter<'r, (Value, Value)>),
    List(ChunksExact<'r, Value>),
}

pub(super) fn pairs(value: &Value) -> Result<Pairs<'_>, Fault> {
    match value {
        Value::Map(pairs) => Ok(Pairs::Map(pairs.iter())),
        Value::Array(values) if values.len().is_multiple_of(2) => Ok(Pairs::List(values.chunks_exact(2))),
        _ => Err(Fault::unexpected()),
    }
}

impl<'r> Iterator for Pairs<'r> {
    type Item = (&'r Value, &'r Value);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Map(pairs) => pairs.next().map(|(name, text)| (name, text)),
            Self::List(pairs) => pairs.next().map(|pair| (&pair[0], &pair[1])),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Map(pairs) => pairs.size_hint(),
            Self::List(pairs) => pairs.size_hint(),
        }
    }
}

impl ExactSizeIterator for Pairs<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn a_hash_is_the_same_in_both_protocols() {
        let map = Value::Map(vec![(word("a"), word("1")), (word("b"), word("2"))]);
        let list = Value::Array(["a", "1", "b", "2"].map(word).to_vec());
        for hash in [map, list] {
            let pairs = pairs(&hash).unwrap();
            assert_eq!(pairs.len(), 2);
            let texts: Vec<_> = pairs.map(|(name, value)| (text(name).unwrap(), text(value).unwrap())).collect();
            assert_eq!(texts, [(&b"a"[..], &b"1"[..]), (b"b", b"2")]);
        }
    }

    #[test]
    fn a_response_of_another_form_is_a_fault() {
        let lonely = Value::Array(vec![word("a")]);
        assert!(pairs(&lonely).is_err() && pairs(&Value::Nil).is_err() && first::<2>(&lonely).is_err());
        assert!(text(&Value::Int(1)).is_err() && number(&word("1")).is_err() && list(&word("1")).is_err());
        assert_eq!(text(&Value::SimpleString("a".into())).unwrap(), b"a");
    }
}
