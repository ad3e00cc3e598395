//! A small HTTP/1.1 client over a raw socket: what it sends is what the test wrote, to the byte.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::cookie::Cookie;

/// The longest time to wait for a server. A test that waits longer fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request without a body.
#[derive(Clone, Debug)]
pub struct Request {
    method: &'static str,
    path: String,
    cookie_lines: Vec<Vec<u8>>,
    /// Other header lines, without their line breaks.
    headers: Vec<String>,
}

impl Request {
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), cookie_lines: Vec::new(), headers: Vec::new() }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// Adds a `Cookie` line with this one cookie.
    pub fn cookie(self, cookie: &Cookie) -> Self {
        self.line(cookie.pair())
    }

    /// Adds a `Cookie` line with exactly these bytes.
    pub fn line(mut self, line: impl Into<Vec<u8>>) -> Self {
        self.cookie_lines.push(line.into());
        self
    }

    /// Adds several `Cookie` lines.
    pub fn lines<L: Into<Vec<u8>> + Clone>(self, lines: &[L]) -> Self {
        lines.iter().cloned().fold(self, Self::line)
    }

    /// Adds a header line, such as `Origin: null`.
    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nHost: shop.test\r\n", self.method, self.path).into_bytes();
        for line in &self.cookie_lines {
            bytes.extend_from_slice(b"Cookie: ");
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        for line in &self.headers {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        if self.method == "POST" {
            bytes.extend_from_slice(b"Content-Length: 0\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// An answer of a server.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// The values of all header lines of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }

    /// The number of occurrences of this word in a comma-separated header.
    pub fn count(&self, name: &str, word: &str) -> usize {
        let lines = self.all(name);
        let words = lines.iter().flat_map(|line| line.split(','));
        words.filter(|other| other.trim().eq_ignore_ascii_case(word)).count()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no such JSON ({error}): {self:?}"))
    }

    /// The `Set-Cookie` lines.
    pub fn set_cookies(&self) -> Vec<&str> {
        self.all("set-cookie")
    }

    /// The one cookie that this answer sets.
    #[track_caller]
    pub fn new_cookie(&self) -> Cookie {
        match self.set_cookies()[..] {
            [line] => Cookie::of(line),
            ref lines => panic!("expected one Set-Cookie line, got {}: {self:?}", lines.len()),
        }
    }

    /// Checks the status and, with it, that no cookie is set.
    #[track_caller]
    pub fn expect_silent(self, status: u16) -> Self {
        assert!(self.set_cookies().is_empty(), "this answer should set no cookie: {self:?}");
        self.expect(status)
    }

    /// Checks that the answer reports a failure of the store: 503, a time to retry, and no cookie.
    #[track_caller]
    pub fn expect_unavailable(self) -> Self {
        assert_eq!(self.all("retry-after").len(), 1, "this answer should have one Retry-After header: {self:?}");
        self.expect_silent(503)
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// One connection, kept alive.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(&request.bytes())?;
        self.receive(request.method == "HEAD")
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The next answer; one to `HEAD` has no body.
    pub fn receive(&mut self, head_only: bool) -> io::Result<Answer> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| garbled(&status))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| garbled(&line))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if !head_only && !matches!(status, 100..=199 | 204 | 304) {
            answer.body = self.body(&answer)?;
        }
        Ok(answer)
    }

    fn body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if answer.count("transfer-encoding", "chunked") > 0 {
            while self.chunk(&mut body)? {}
        } else if let [length] = answer.all("content-length")[..] {
            body.resize(length.parse().map_err(|_| garbled(length))?, 0);
            self.stream.read_exact(&mut body)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn chunk(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        let size = self.line()?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
        let size = size.map_err(|_| garbled("chunk size"))?;
        let start = body.len();
        body.resize(start + size, 0);
        self.stream.read_exact(&mut body[start..])?;
        self.line()?;
        Ok(size > 0)
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        match line.pop() {
            Some(b'\n') => Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned()),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn garbled(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("not HTTP/1.1: {what:?}"))
}
