//! A TCP proxy between a program and its server: it delays, cuts, resets, swallows answers, and counts what passes.
//!
//! Each fault is a switch; what it did is counted, so that a test can prove that its fault happened.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy that listens on a port of its own until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    faults: Arc<Faults>,
    listening: JoinHandle<()>,
}

/// The faults of a proxy, and its counts.
struct Faults {
    /// New connections are closed at once.
    refuses: AtomicBool,
    /// Answers are read and thrown away.
    swallows: AtomicBool,
    /// Milliseconds that each answer waits.
    delay: AtomicU64,
    /// Milliseconds that each piece of a request waits.
    hold: AtomicU64,
    /// Milliseconds by which an answer that is a time of the server is made earlier.
    backdate: AtomicU64,
    /// Pieces of requests until one is lost with its connection.
    requests_left: AtomicU64,
    /// Pieces of answers until one is lost with its connection.
    answers_left: AtomicU64,
    /// The connection of the next piece of a request is reset, and the piece is thrown away.
    resets: AtomicBool,
    /// Raised to close every connection.
    cuts: watch::Sender<u64>,
    connections: AtomicU64,
    refused: AtomicU64,
    swallowed: AtomicU64,
    delayed: AtomicU64,
    held: AtomicU64,
    backdated: AtomicU64,
    lost: AtomicU64,
    cut: AtomicU64,
    reset: AtomicU64,
    to_server: AtomicU64,
    from_server: AtomicU64,
}

/// The direction of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A piece that the program sends.
    Request,
    /// A piece that the server answers.
    Answer,
}

/// The counts of a proxy since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were passed on.
    pub connections: u64,
    /// Connections that were closed at once.
    pub refused: u64,
    /// Bytes of answers that were thrown away.
    pub swallowed: u64,
    /// Pieces of answers that were held back.
    pub delayed: u64,
    /// Pieces of requests that were held back.
    pub held: u64,
    /// Answers with an earlier time.
    pub backdated: u64,
    /// Pieces that were lost with their connections.
    pub lost: u64,
    /// Connections that were cut.
    pub cut: u64,
    /// Connections that were reset.
    pub reset: u64,
    /// Bytes that reached the server.
    pub to_server: u64,
    /// Bytes that came back, thrown away or not.
    pub from_server: u64,
}

impl Proxy {
    /// A proxy in front of `server`.
    ///
    /// # Panics
    ///
    /// If no port can be listened on.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let faults = Arc::new(Faults {
            refuses: false.into(),
            swallows: false.into(),
            delay: 0.into(),
            hold: 0.into(),
            backdate: 0.into(),
            requests_left: NEVER.into(),
            answers_left: NEVER.into(),
            resets: false.into(),
            cuts: watch::Sender::new(0),
            connections: 0.into(),
            refused: 0.into(),
            swallowed: 0.into(),
            delayed: 0.into(),
            held: 0.into(),
            backdated: 0.into(),
            lost: 0.into(),
            cut: 0.into(),
            reset: 0.into(),
            to_server: 0.into(),
            from_server: 0.into(),
        });
        let listening = tokio::spawn(listen(listener, server, faults.clone()));
        Self { address, faults, listening }
    }

    /// The address of the proxy.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes new connections at once, or no longer. Those that are open go on.
    pub fn refuse(&self, refuses: bool) {
        self.faults.refuses.store(refuses, SeqCst);
    }

    /// Throws answers away, or no longer: what is sent reaches the server, and nothing comes back.
    pub fn swallow(&self, swallows: bool) {
        self.faults.swallows.store(swallows, SeqCst);
    }

    /// Holds every piece of an answer back for so long; zero ends that.
    pub fn delay(&self, delay: Duration) {
        self.faults.delay.store(millis(delay), SeqCst);
    }

    /// Holds every piece of a request back for so long, before it reaches the server; zero ends that.
    pub fn hold(&self, hold: Duration) {
        self.faults.hold.store(millis(hold), SeqCst);
    }

    /// Makes each answer of Redis that is a time in milliseconds earlier by this; zero ends that.
    pub fn backdate(&self, by: Duration) {
        self.faults.backdate.store(millis(by), SeqCst);
    }

    /// Lets so many pieces of a kind pass, then loses one and closes its connection.
    pub fn lose(&self, kind: Piece, after: u64) {
        self.faults.left(kind).store(after, SeqCst);
    }

    /// Resets the connection over which the next piece of a request arrives. The server does not get that piece.
    pub fn reset_next(&self) {
        self.faults.resets.store(true, SeqCst);
    }

    /// Closes every open connection.
    pub fn cut(&self) {
        self.faults.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let faults = &*self.faults;
        Counts {
            connections: faults.connections.load(SeqCst),
            refused: faults.refused.load(SeqCst),
            swallowed: faults.swallowed.load(SeqCst),
            delayed: faults.delayed.load(SeqCst),
            held: faults.held.load(SeqCst),
            backdated: faults.backdated.load(SeqCst),
            lost: faults.lost.load(SeqCst),
            cut: faults.cut.load(SeqCst),
            reset: faults.reset.load(SeqCst),
            to_server: faults.to_server.load(SeqCst),
            from_server: faults.from_server.load(SeqCst),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

/// A piece that is never reached.
const NEVER: u64 = u64::MAX;

impl Faults {
    const fn left(&self, kind: Piece) -> &AtomicU64 {
        match kind {
            Piece::Request => &self.requests_left,
            Piece::Answer => &self.answers_left,
        }
    }

    /// True if this piece is the one that is lost.
    fn loses(&self, kind: Piece) -> bool {
        let left = |left| (left != NEVER).then(|| if left == 0 { NEVER } else { left - 1 });
        let is_lost = self.left(kind).fetch_update(SeqCst, SeqCst, left) == Ok(0);
        self.lost.fetch_add(is_lost.into(), SeqCst);
        is_lost
    }

    /// Makes a time in an answer earlier: a line with a number of 13 digits.
    fn backdate(&self, answer: &mut [u8]) {
        let by = self.backdate.load(SeqCst);
        let Some(number) = answer.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b"\r\n")) else { return };
        let time = str::from_utf8(number).ok().filter(|_| by > 0 && number.len() == 13);
        if let Some(time) = time.and_then(|time| time.parse::<u64>().ok()) {
            answer[1..14].copy_from_slice((time - by).to_string().as_bytes());
            self.backdated.fetch_add(1, SeqCst);
        }
    }
}

async fn listen(listener: TcpListener, server: SocketAddr, faults: Arc<Faults>) {
    while let Ok((client, _)) = listener.accept().await {
        if faults.refuses.load(SeqCst) {
            faults.refused.fetch_add(1, SeqCst);
            continue;
        }
        tokio::spawn(pass(client, server, faults.clone()));
    }
}

async fn pass(client: TcpStream, server: SocketAddr, faults: Arc<Faults>) {
    let mut cuts = faults.cuts.subscribe();
    cuts.mark_unchanged();
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    faults.connections.fetch_add(1, SeqCst);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        _ = requests(from_client, to_server, &faults) => {}
        _ = answers(from_server, to_client, &faults) => {}
        _ = cuts.changed() => drop(faults.cut.fetch_add(1, SeqCst)),
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: impl AsyncWriteExt + Unpin, faults: &Faults) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        if faults.loses(Piece::Request) {
            return Ok(());
        }
        if faults.resets.swap(false, SeqCst) {
            faults.reset.fetch_add(1, SeqCst);
            return from.as_ref().set_zero_linger();
        }
        wait(&faults.hold, &faults.held).await;
        to.write_all(&piece[..length]).await?;
        faults.to_server.fetch_add(length as u64, SeqCst);
    }
}

async fn answers(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    faults: &Faults,
) -> io::Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        faults.from_server.fetch_add(length as u64, SeqCst);
        if faults.loses(Piece::Answer) {
            return Ok(());
        }
        faults.backdate(&mut piece[..length]);
        wait(&faults.delay, &faults.delayed).await;
        if faults.swallows.load(SeqCst) {
            faults.swallowed.fetch_add(length as u64, SeqCst);
        } else {
            to.write_all(&piece[..length]).await?;
        }
    }
}

/// Waits for so many milliseconds, and counts it.
async fn wait(millis: &AtomicU64, waited: &AtomicU64) {
    let millis = millis.load(SeqCst);
    if millis > 0 {
        waited.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
