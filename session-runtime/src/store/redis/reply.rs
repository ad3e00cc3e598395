//! Response of a server: the bytes of this library's own connections, or a value of the client library.

use ::redis::Value;

use super::fault::Fault;
use super::resp;

/// A response that is not an error.
pub(super) enum Reply {
    /// Complete, as it arrived.
    Bytes(Vec<u8>),
    Value(Value),
}

/// Content of a response, borrowed.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'r> {
    Nothing,
    Number(i64),
    Text(&'r [u8]),
    /// The pairs of a map follow each other, as in the older protocol.
    List(Nodes<'r>),
}

/// Content of a list, parsed on demand.
#[derive(Debug, PartialEq)]
pub(super) enum Nodes<'r> {
    Bytes(resp::Values<'r>),
    Values(Vec<&'r Value>),
}

impl Reply {
    pub(super) fn node(&self) -> Result<Node<'_>, Fault> {
        match self {
            Self::Bytes(bytes) => resp::node(bytes).map_err(|_| Fault::unexpected()),
            Self::Value(value) => of_library(value),
        }
    }
}

impl<'r> Node<'r> {
    pub(super) fn list(self) -> Result<Nodes<'r>, Fault> {
        if let Self::List(nodes) = self { Ok(nodes) } else { Err(Fault::unexpected()) }
    }

    pub(super) fn text(&self) -> Result<&'r [u8], Fault> {
        if let Self::Text(text) = self { Ok(text) } else { Err(Fault::unexpected()) }
    }

    pub(super) fn number(&self) -> Result<i64, Fault> {
        if let Self::Number(number) = self { Ok(*number) } else { Err(Fault::unexpected()) }
    }
}

impl<'r> Nodes<'r> {
    /// Number of remaining elements.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(values) => values.len(),
            Self::Values(values) => values.len(),
        }
    }

    /// Returns the next element, which must exist.
    pub(super) fn need(&mut self) -> Result<Node<'r>, Fault> {
        self.next().unwrap_or_else(|| Err(Fault::unexpected()))
    }
}

impl<'r> Iterator for Nodes<'r> {
    type Item = Result<Node<'r>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Bytes(values) => values.next().map(|node| node.map_err(|_| Fault::unexpected())),
            Self::Values(values) => values.pop().map(of_library),
        }
    }
}

fn of_library(value: &Value) -> Result<Node<'_>, Fault> {
    let list = |values: Vec<_>| Ok(Node::List(Nodes::Values(values)));
    match value {
        Value::Nil => Ok(Node::Nothing),
        Value::Int(number) => Ok(Node::Number(*number)),
        Value::BulkString(text) => Ok(Node::Text(text)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(Node::Text(text.as_bytes())),
        Value::Okay => Ok(Node::Text(b"OK")),
        // Reversed, because elements are taken from the end.
        Value::Array(values) => list(values.iter().rev().collect()),
        Value::Map(pairs) => list(pairs.iter().rev().flat_map(|(name, value)| [value, name]).collect()),
        _ => Err(Fault::unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_protocols_and_the_library_say_the_same() {
        let text = |text: &str| Value::BulkString(text.into());
        let replies = [
            Reply::Bytes(b"*2\r\n$1\r\na\r\n:7\r\n".to_vec()),
            Reply::Bytes(b"%1\r\n$1\r\na\r\n:7\r\n".to_vec()),
            Reply::Value(Value::Array(vec![text("a"), Value::Int(7)])),
            Reply::Value(Value::Map(vec![(text("a"), Value::Int(7))])),
        ];
        for reply in replies {
            let nodes: Vec<_> = reply.node().unwrap().list().unwrap().map(Result::unwrap).collect();
            assert_eq!(nodes, [Node::Text(b"a"), Node::Number(7)]);
        }
    }
}
