//! Minimal HTTP client for the visitors: one kept connection, one cookie, bodies with a length.
//!
//! Deliberately absent: retries. The caller decides whether a request may count twice.

use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Time limit for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Browser with one tab.
pub(crate) struct Client<'a> {
    address: &'a str,
    connection: Option<BufReader<TcpStream>>,
    /// `name=value`, or empty.
    pub(crate) cookie: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    cookie: Option<String>,
    closes: bool,
}

impl<'a> Client<'a> {
    pub(crate) fn new(address: &'a str) -> Self {
        Self { address, connection: None, cookie: String::new() }
    }

    /// Sends a request. A connection that failed is not used again.
    pub(crate) fn send(&mut self, method: &str, path: &str) -> Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.address)?,
        };
        let Self { address, cookie, .. } = self;
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n");
        connection.get_mut().write_all(request.as_bytes())?;
        let mut answer = Answer::read(&mut connection)?;
        if let Some(cookie) = answer.cookie.take() {
            self.cookie = cookie;
        }
        if !answer.closes {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

fn connect(address: &str) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

impl Answer {
    fn read(from: &mut impl BufRead) -> Result<Self> {
        let broken = |what| Error::new(ErrorKind::InvalidData, what);
        let first = line(from)?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| broken("no status"))?;
        let mut answer = Self { status, body: String::new(), cookie: None, closes: false };
        let mut length = 0;
        while let Some((name, value)) = line(from)?.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "set-cookie" => answer.cookie = value.split(';').next().map(str::to_owned),
                "content-length" => length = value.parse().map_err(|_| broken("no length"))?,
                "connection" => answer.closes = value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).map_err(|_| broken("not text"))?;
        Ok(answer)
    }
}

fn line(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
