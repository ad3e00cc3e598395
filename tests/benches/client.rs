//! The load: connections that are kept alive, a session each.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rocket::tokio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One visitor's connection.
pub(crate) struct Client {
    stream: TcpStream,
    cookie: Option<String>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a server that listens");
        stream.set_nodelay(true).expect("a socket that takes settings");
        Self { stream, cookie: None, buffer: Vec::with_capacity(1 << 14) }
    }

    /// The bytes of a request of this visitor.
    pub(crate) fn request(&self, method: &str, path: &str) -> Vec<u8> {
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{cookie}{length}\r\n").into_bytes()
    }

    /// Asks once, and keeps the cookie that comes back.
    pub(crate) async fn ask(&mut self, method: &str, path: &str) {
        let request = self.request(method, path);
        self.send(&request).await;
        let answer = String::from_utf8_lossy(&self.buffer);
        let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        if let Some(pair) = set.and_then(|set| set.split(';').next()) {
            self.cookie = Some(pair.to_owned());
        }
    }

    /// A cookie that means nothing to the server.
    pub(crate) fn give_cookie(&mut self, cookie: &str) {
        self.cookie = Some(cookie.to_owned());
    }

    /// Sends and waits for the whole answer, which must be a success.
    pub(crate) async fn send(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.expect("a server that reads");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("a server that answers");
            assert!(read > 0, "the server closed the connection");
            if is_whole(&self.buffer) {
                return;
            }
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { return false };
    let text = std::str::from_utf8(&answer[..head]).expect("an HTTP head");
    assert!(text.starts_with("HTTP/1.1 2"), "not a success: {}", text.lines().next().unwrap_or_default());
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    answer.len() >= head + 4 + length
}

/// Runs on one thread, so that the server has the rest of the machine.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// Visitors with a session each, made by `POST` of this path; without one if there is none.
pub(crate) async fn visitors(address: SocketAddr, number: usize, first: Option<&str>) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..number {
        let mut client = Client::connect(address).await;
        if let Some(path) = first {
            client.ask("POST", path).await;
        }
        clients.push(client);
    }
    clients
}

/// Requests per second of all these visitors, each asking again as soon as it has its answer.
pub(crate) async fn rate(clients: &mut [Client], method: &str, path: &str, time: Duration) -> f64 {
    let started = Instant::now();
    let work = clients.iter_mut().map(|client| async move {
        let request = client.request(method, path);
        let mut answers = 0_u32;
        while started.elapsed() < time {
            client.send(&request).await;
            answers += 1;
        }
        answers
    });
    let answers: u32 = rocket::futures::future::join_all(work).await.into_iter().sum();
    f64::from(answers) / started.elapsed().as_secs_f64()
}
