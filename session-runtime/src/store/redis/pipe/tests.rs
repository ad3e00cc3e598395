//! Tests of the connection over an in-memory stream, whose other end the test holds.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, DuplexStream};
use tokio::task::JoinHandle;

use super::*;
use crate::store::StoreErrorKind;

const TIMEOUT: Duration = Duration::from_secs(2);

struct Connected {
    pipe: Pipe,
    server: DuplexStream,
    lost: Arc<AtomicUsize>,
}

/// Creates a connection over a stream that buffers `room` bytes.
fn connected(room: usize) -> Connected {
    let (stream, server) = tokio::io::duplex(room);
    let lost = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lost);
    let pipe = Pipe::over(tokio::io::split(stream), TIMEOUT, move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    Connected { pipe, server, lost }
}

impl Connected {
    /// Sends a command in its own task, which gets time to start.
    async fn ask(&self, word: &str) -> JoinHandle<Result<Vec<u8>, Fault>> {
        let (pipe, call) = (self.pipe.clone(), Call::new(word, 0, 0));
        let asked = tokio::spawn(async move { pipe.ask(&call).await.expect("a connection") });
        tokio::task::yield_now().await;
        asked
    }

    async fn sends(&mut self, answer: &str) {
        self.server.write_all(answer.as_bytes()).await.unwrap();
    }

    async fn receives(&mut self, call: &str) {
        let mut heard = vec![0; call.len()];
        self.server.read_exact(&mut heard).await.unwrap();
        assert_eq!(std::str::from_utf8(&heard).unwrap(), call);
    }

    /// True if the connection sends nothing any more.
    async fn refuses(&self) -> bool {
        self.pipe.ask(&Call::new("PING", 0, 0)).await.is_none()
    }
}

fn message(fault: Fault) -> String {
    let error = fault.during("test");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    std::error::Error::source(&error).unwrap().to_string()
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_commands() {
    let mut connected = connected(1024);
    let (first, second, third) = (connected.ask("A").await, connected.ask("B").await, connected.ask("C").await);
    connected.receives("*1\r\n$1\r\nA\r\n*1\r\n$1\r\nB\r\n*1\r\n$1\r\nC\r\n").await;
    connected.sends("+a\r\n>1\r\n+told\r\n-OOM not a byte is left\r\n$1").await;
    assert_eq!(first.await.unwrap().unwrap(), b"+a\r\n");
    let full = second.await.unwrap().unwrap_err();
    assert!(!full.is_dropped());
    assert_eq!(message(full), "the server answered `OOM`");
    connected.sends("\r\nc\r\n").await;
    assert_eq!(third.await.unwrap().unwrap(), b"$1\r\nc\r\n");
}

/// Another request may start between the arrival of a response and the time its task takes it.
#[tokio::test]
async fn an_answer_that_was_not_taken_yet_is_kept() {
    let mut connected = connected(1024);
    let first = connected.ask("A").await;
    connected.sends("+a\r\n").await;
    let second = connected.ask("B").await;
    connected.sends("+b\r\n").await;
    assert_eq!(first.await.unwrap().unwrap(), b"+a\r\n");
    assert_eq!(second.await.unwrap().unwrap(), b"+b\r\n");
}

#[tokio::test]
async fn the_answer_to_an_aborted_command_reaches_no_other() {
    let mut connected = connected(1024);
    let (first, second) = (connected.ask("A").await, connected.ask("B").await);
    first.abort();
    connected.sends("+a\r\n+b\r\n").await;
    assert_eq!(second.await.unwrap().unwrap(), b"+b\r\n");
}

/// A slow server: neither a request that writes by itself nor the driver loses a byte or its place.
#[tokio::test]
async fn commands_that_do_not_fit_are_written_on() {
    let mut connected = connected(8);
    let mut asked = Vec::new();
    let words = ["a word that is longer than the stream has room for", "B", "and another one of that kind", "C"];
    for word in words {
        asked.push(connected.ask(word).await);
    }
    for word in words {
        connected.receives(&format!("*1\r\n${}\r\n{word}\r\n", word.len())).await;
    }
    for (number, asked) in asked.into_iter().enumerate() {
        connected.sends(&format!(":{number}\r\n")).await;
        assert_eq!(asked.await.unwrap().unwrap(), format!(":{number}\r\n").into_bytes());
    }
    let again = connected.ask("D").await;
    connected.receives("*1\r\n$1\r\nD\r\n").await;
    connected.sends("+d\r\n").await;
    assert_eq!(again.await.unwrap().unwrap(), b"+d\r\n");
}

#[tokio::test(start_paused = true)]
async fn an_overdue_answer_ends_the_connection() {
    let mut connected = connected(1024);
    // Idle for longer than the response timeout.
    tokio::time::sleep(3 * TIMEOUT).await;
    let first = connected.ask("A").await;
    connected.sends("+a\r\n").await;
    first.await.unwrap().unwrap();
    let second = connected.ask("B").await;
    tokio::time::sleep(TIMEOUT / 2).await;
    let third = connected.ask("C").await;
    assert!(!second.is_finished());
    tokio::time::sleep(TIMEOUT / 2 + Duration::from_millis(1)).await;
    assert!(second.is_finished() && third.is_finished());
    assert_eq!(message(second.await.unwrap().unwrap_err()), "no answer in time");
    assert_eq!(message(third.await.unwrap().unwrap_err()), "no answer in time");
    assert_eq!((connected.refuses().await, connected.lost.load(Ordering::SeqCst)), (true, 1));
}

#[tokio::test]
async fn a_malformed_answer_ends_the_connection() {
    let mut connected = connected(1024);
    let asked = connected.ask("A").await;
    connected.sends("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(message(asked.await.unwrap().unwrap_err()), "the server does not speak the protocol of Redis");
    assert!(connected.refuses().await);
}

#[tokio::test]
async fn an_unrequested_answer_ends_the_connection() {
    let mut connected = connected(1024);
    connected.sends("+a\r\n").await;
    while connected.lost.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(connected.refuses().await);
}

/// A request that is alone reads by itself, and detects before it sends anything that the server is gone.
#[tokio::test]
async fn a_connection_that_ends_after_direct_reads_takes_no_command() {
    let mut connected = connected(1024);
    for _ in 0..3 {
        let asked = connected.ask("A").await;
        connected.receives("*1\r\n$1\r\nA\r\n").await;
        connected.sends("+a\r\n").await;
        asked.await.unwrap().unwrap();
    }
    connected.server.shutdown().await.unwrap();
    assert!(connected.refuses().await);
    drop(connected.pipe);
    let mut heard = Vec::new();
    connected.server.read_to_end(&mut heard).await.unwrap();
    assert!(heard.is_empty(), "a command was sent after the connection had ended");
}

/// The driver detects the end by itself, even if no request is sent.
#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_after_direct_reads_is_noticed_in_time() {
    let mut connected = connected(1024);
    let asked = connected.ask("A").await;
    connected.sends("+a\r\n").await;
    asked.await.unwrap().unwrap();
    connected.server.shutdown().await.unwrap();
    tokio::time::sleep(2 * TIMEOUT + Duration::from_millis(1)).await;
    assert_eq!(connected.lost.load(Ordering::SeqCst), 1);
}

/// Some requests give up, and the server responds at irregular times. Each request gets its own response, and none
/// waits for a wake-up that never comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_stay_in_order_when_requests_lead_join_or_give_up() {
    for tasks in [1, 2, 3, 16] {
        answers_stay_in_order(tasks, 400).await;
    }
}

async fn answers_stay_in_order(tasks: u64, rounds: u64) {
    let Connected { pipe, server, lost } = connected(256);
    let (from, mut to) = tokio::io::split(server);
    tokio::spawn(async move {
        let mut lines = tokio::io::BufReader::new(from).lines();
        let mut number = 0_u64;
        while let Ok(Some(line)) = lines.next_line().await {
            // Only the last of a command's three lines is a word.
            if !line.starts_with(['*', '$']) {
                number += 1;
                if number.is_multiple_of(7) {
                    tokio::time::sleep(Duration::from_micros(number % 300)).await;
                }
                to.write_all(format!("+{line}\r\n").as_bytes()).await.unwrap();
            }
        }
    });
    let asking = (0..tasks).map(|task| {
        let pipe = pipe.clone();
        tokio::spawn(async move {
            let mut answered = 0;
            for round in 0..rounds {
                // Now and then one task is alone.
                if (round + task).is_multiple_of(5) || (round % 50 > 25 && task > 0) {
                    tokio::time::sleep(Duration::from_micros((37 * round + 50 * task) % 400)).await;
                }
                let word = format!("{task}.{round}");
                let (call, patience) = (Call::new(&word, 0, 0), Duration::from_micros(20 * (round % 40)));
                let asked = pipe.ask(&call);
                let answer = match round % 3 {
                    0 => tokio::time::timeout(patience, asked).await.ok(),
                    _ => Some(asked.await),
                };
                if let Some(answer) = answer {
                    assert_eq!(answer.unwrap().unwrap(), format!("+{word}\r\n").into_bytes());
                    answered += 1;
                }
            }
            answered
        })
    });
    let mut answered = 0;
    for task in asking.collect::<Vec<_>>() {
        answered += task.await.unwrap();
    }
    assert!(answered >= tasks * rounds / 2, "{answered} answers");
    assert_eq!(lost.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_goes_fails_who_waits() {
    let mut connected = connected(1024);
    let asked = connected.ask("A").await;
    connected.sends("$5\r\nhal").await;
    connected.server.shutdown().await.unwrap();
    assert_eq!(message(asked.await.unwrap().unwrap_err()), "the connection ended");
    assert!(connected.refuses().await);
}

/// Accepts bytes, and fails to send them.
struct Unsent;

impl AsyncWrite for Unsent {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// An encrypted stream accepts a command before sending it. If sending fails, no request keeps waiting for the
/// response.
#[tokio::test]
async fn a_command_that_was_taken_and_cannot_leave_ends_the_connection() {
    let (from, _server) = tokio::io::duplex(64);
    let pipe = Pipe::over((from, Unsent), TIMEOUT, || ());
    let asked = tokio::time::timeout(TIMEOUT / 4, async { pipe.ask(&Call::new("A", 0, 0)).await });
    let fault = asked.await.expect("an answer long before one is overdue").unwrap().unwrap_err();
    assert!(fault.is_dropped());
}

#[tokio::test]
async fn the_last_handle_ends_the_connection() {
    let mut connected = connected(1024);
    let another = connected.pipe.clone();
    drop(connected.pipe);
    tokio::task::yield_now().await;
    assert_eq!(connected.lost.load(Ordering::SeqCst), 0);
    drop(another);
    assert_eq!(connected.server.read(&mut [0; 8]).await.unwrap(), 0);
}

/// The driver's runtime is gone: no request waits for it.
#[test]
fn a_runtime_that_ended_fails_who_asks_in_another() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let first = runtime();
    let connected = first.block_on(async { connected(1024) });
    drop(first);
    assert!(runtime().block_on(connected.refuses()));
}
