//! Visitors who fill their carts through a proxy while nodes come and go, and who count: `fleet-visitors ADDRESS SECONDS`.
//!
//! Each of them has one connection, one session, and a sum of its own: an add that was answered with 200 must be in the
//! cart at the end, one that was answered otherwise may be there or not. Ends with 1 if an add was lost.

use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

const VISITORS: usize = 16;
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, seconds] = &arguments[..] else {
        eprintln!("usage: fleet-visitors ADDRESS SECONDS");
        return ExitCode::FAILURE;
    };
    let Ok(seconds) = seconds.parse() else {
        eprintln!("`{seconds}` is no number of seconds");
        return ExitCode::FAILURE;
    };
    let until = Instant::now() + Duration::from_secs(seconds);
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let visits: Vec<_> = (0..VISITORS).map(|_| scope.spawn(|| visit(address, until))).collect();
        visits.into_iter().filter_map(|visit| visit.join().ok()).collect()
    });
    report(&tallies)
}

fn report(tallies: &[Tally]) -> ExitCode {
    let sum = |count: fn(&Tally) -> u64| tallies.iter().map(count).sum::<u64>();
    let (stored, unknown, found) = (sum(|t| t.stored), sum(|t| t.unknown), sum(|t| t.found));
    let (lost, too_many) = (sum(Tally::lost), sum(Tally::too_many));
    println!("{} visitors: {stored} adds answered with 200, {unknown} of unknown outcome", tallies.len());
    println!("in the carts at the end: {found}; lost {lost}, too many {too_many}");
    if tallies.len() == VISITORS && stored > 0 && lost + too_many == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What one visitor saw.
#[derive(Default)]
struct Tally {
    stored: u64,
    unknown: u64,
    found: u64,
}

impl Tally {
    fn lost(&self) -> u64 {
        self.stored.saturating_sub(self.found)
    }

    fn too_many(&self) -> u64 {
        self.found.saturating_sub(self.stored + self.unknown)
    }
}

fn visit(address: &str, until: Instant) -> Tally {
    let mut visitor = Visitor { address, connection: None, cookie: String::new() };
    let mut tally = Tally::default();
    // The first request of a session goes again until there is one: without an answer there is no cookie.
    while tally.stored == 0 && Instant::now() < until {
        tally.stored += u64::from(visitor.add());
    }
    while Instant::now() < until {
        if visitor.add() {
            tally.stored += 1;
        } else {
            tally.unknown += 1;
            thread::sleep(Duration::from_millis(50));
        }
    }
    tally.found = visitor.pieces();
    tally
}

struct Visitor<'a> {
    address: &'a str,
    connection: Option<BufReader<TcpStream>>,
    cookie: String,
}

impl Visitor<'_> {
    /// Whether the answer was 200.
    fn add(&mut self) -> bool {
        matches!(self.send("POST", "/cart/add/1"), Ok((200, _)))
    }

    /// What is in the cart, asked for until there is an answer.
    fn pieces(&mut self) -> u64 {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Ok((200, body)) = self.send("GET", "/cart") {
                // One product, `{"1":42}`.
                let number = body.trim_end_matches('}').rsplit(':').next();
                return number.and_then(|number| number.parse().ok()).unwrap_or(0);
            }
            thread::sleep(Duration::from_millis(50));
        }
        0
    }

    /// A connection that failed is not used again.
    fn send(&mut self, method: &str, path: &str) -> Result<(u16, String)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.address)?,
        };
        let Self { address, cookie, .. } = self;
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n");
        connection.get_mut().write_all(request.as_bytes())?;
        let answer = Answer::read(&mut connection)?;
        if let Some(cookie) = answer.cookie {
            self.cookie = cookie;
        }
        if !answer.closes {
            self.connection = Some(connection);
        }
        Ok((answer.status, answer.body))
    }
}

fn connect(address: &str) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

struct Answer {
    status: u16,
    cookie: Option<String>,
    body: String,
    closes: bool,
}

impl Answer {
    fn read(from: &mut impl BufRead) -> Result<Self> {
        let broken = |what| Error::new(ErrorKind::InvalidData, what);
        let first = line(from)?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Self {
            status: status.ok_or_else(|| broken("no status"))?,
            cookie: None,
            body: String::new(),
            closes: false,
        };
        let mut length = 0;
        loop {
            let header = line(from)?;
            let Some((name, value)) = header.split_once(": ") else { break };
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
