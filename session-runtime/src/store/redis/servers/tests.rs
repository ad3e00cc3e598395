//! Connections to a test server, which counts them, records each command and answers as the test specifies.

use std::sync::Mutex;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::address::Timeouts;
use super::super::name::Namespace;
use super::super::{reply, script, write};
use super::*;
use crate::store::StoreErrorKind;
use crate::store::tls::Certificates;

const TIMEOUT: Duration = Duration::from_millis(200);

/// Far above the time that a test needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Action of the server after a command.
enum Act {
    Answer(&'static str),
    Wait,
    Close,
}

use Act::{Answer, Close, Wait};

/// Answer to a command, by the number of the connection and by the first word of the command.
type Behaviour = dyn Fn(usize, &str) -> Act + Send + Sync;

struct TestServer {
    port: u16,
    /// Each command with the number of its connection. An empty one stands for the beginning of the connection.
    seen: Mutex<mpsc::UnboundedReceiver<(usize, String)>>,
}

impl TestServer {
    async fn start(behaviour: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sees, seen) = mpsc::unbounded_channel();
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        tokio::spawn(async move {
            for number in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, number, Arc::clone(&behaviour), sees.clone()));
            }
        });
        Self { port, seen: Mutex::new(seen) }
    }

    fn servers(&self, connections: usize) -> Servers {
        self.servers_at(connections, "", "")
    }

    /// Connections with a user and password before the host, and a database and parameters after it.
    fn servers_at(&self, connections: usize, user: &str, rest: &str) -> Servers {
        let url = format!("redis://{user}127.0.0.1:{}/{rest}", self.port);
        let timeouts = Timeouts { connect: TIMEOUT, answer: TIMEOUT };
        let address = Arc::new(Address::parse(&url, Certificates::default(), timeouts).unwrap());
        // A failed connection stays down until the end of the test.
        let backoff = Backoff::new(PATIENCE, PATIENCE);
        Servers::new(&address, connections, backoff, TIMEOUT)
    }

    /// Waits until the server sees this command.
    async fn sees(&self, connection: usize, command: &str) {
        let seen = async {
            loop {
                let next = std::future::poll_fn(|context| self.seen.lock().unwrap().poll_recv(context)).await;
                if next.unwrap() == (connection, command.to_owned()) {
                    return;
                }
            }
        };
        let seen = tokio::time::timeout(PATIENCE, seen).await;
        seen.unwrap_or_else(|_| panic!("connection {connection} should have got {command}"));
    }
}

async fn serve(
    stream: TcpStream,
    number: usize,
    behaviour: Arc<Behaviour>,
    sees: mpsc::UnboundedSender<(usize, String)>,
) {
    let _ = sees.send((number, String::new()));
    let (from, mut to) = stream.into_split();
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(header)) = lines.next_line().await {
        let mut words = Vec::new();
        for _ in 0..header[1..].parse::<usize>().unwrap() {
            let _length = lines.next_line().await;
            words.push(lines.next_line().await.unwrap().unwrap());
        }
        let _ = sees.send((number, words[0].clone()));
        match behaviour(number, &words[0]) {
            Answer(answer) => to.write_all(answer.as_bytes()).await.unwrap(),
            Wait => {}
            Close => return,
        }
    }
}

/// Accepts a greeting. `otherwise` is the action for any other command.
fn greets(command: &str, otherwise: Act) -> Act {
    if matches!(command, "HELLO" | "AUTH" | "SELECT") { Answer("+OK\r\n") } else { otherwise }
}

async fn load(servers: &Servers) -> Result<Value, Fault> {
    let namespace = Namespace::new("s").unwrap();
    let main = namespace.main(write::UNUSED_KEY);
    servers.read(&write::load_main(main), Route::Name(main)).await
}

async fn delete(servers: &Servers) -> Result<Value, Fault> {
    let namespace = Namespace::new("s").unwrap();
    let main = namespace.main(write::UNUSED_KEY);
    servers.run(&script::DELETE, main, &write::delete(main, write::Doomed::Always, &[], &[])).await
}

fn message(fault: Fault) -> (StoreErrorKind, String) {
    let error = fault.during("test");
    (error.kind(), std::error::Error::source(&error).unwrap().to_string())
}

/// Waits until a load succeeds.
async fn until_loaded(servers: &Servers) {
    let loaded = async {
        while load(servers).await.is_err() {
            tokio::time::sleep(TIMEOUT / 20).await;
        }
    };
    tokio::time::timeout(PATIENCE, loaded).await.expect("a connection");
}

/// Requests took the connections in turn. After a restart of the server, every second request failed for as long as the
/// second connection paused after a refused attempt.
#[tokio::test]
async fn a_request_got_a_connection_that_was_down_while_another_was_open() {
    let server = TestServer::start(|number, command| match number {
        // Ended by a restart of the server, which then takes only one connection.
        1 | 2 if command == "EVALSHA" => Close,
        1..=3 => greets(command, Answer("%0\r\n")),
        _ => Close,
    })
    .await;
    let servers = server.servers(2);
    servers.connect().await.unwrap();
    let loaded = tokio::join!(load(&servers), load(&servers));
    assert!(loaded.0.is_ok() && loaded.1.is_ok());
    let ended = tokio::join!(delete(&servers), delete(&servers));
    assert!(ended.0.is_err() && ended.1.is_err());
    until_loaded(&servers).await;
    server.sees(4, "HELLO").await;
    for _ in 0..100 {
        load(&servers).await.unwrap();
    }
}

/// While no connection is open, a request waits for any of those that are being opened.
#[tokio::test]
async fn a_request_waits_for_the_connection_that_opens_first() {
    let server = TestServer::start(|number, command| match number {
        1 => Close,
        2 => Wait,
        _ => greets(command, Answer("%0\r\n")),
    })
    .await;
    load(&server.servers(3)).await.unwrap();
}

#[tokio::test]
async fn requests_fail_with_the_cause_while_every_connection_is_down() {
    let server = TestServer::start(|_, _| Answer("-ERR max number of clients reached\r\n")).await;
    let servers = server.servers(2);
    for _ in 0..3 {
        let (kind, why) = message(load(&servers).await.unwrap_err());
        assert_eq!(kind, StoreErrorKind::Unavailable);
        assert_eq!(why, "the server has no room for another connection");
    }
}

#[tokio::test]
async fn an_overdue_answer_replaces_the_connection() {
    let server = TestServer::start(|number, command| match number {
        1 => greets(command, Wait),
        _ => greets(command, Answer("%0\r\n")),
    })
    .await;
    let servers = server.servers(1);
    let overdue = message(load(&servers).await.unwrap_err());
    assert_eq!(overdue, (StoreErrorKind::Unavailable, "no answer in time".to_owned()));
    // Never answered: the next attempt follows after the pause.
    let refused = message(load(&servers).await.unwrap_err());
    assert_eq!(refused, (StoreErrorKind::Unavailable, "the server does not answer".to_owned()));
}

/// A request that gave up at its deadline leaves its command in the connection. Without an answer, the server is frozen
/// or out of reach.
#[tokio::test]
async fn a_command_that_a_request_gave_up_on_ends_a_silent_connection() {
    let server = TestServer::start(|number, command| match (number, command) {
        (1, "EVALSHA" | "PING") => Wait,
        _ => greets(command, Answer("%0\r\n")),
    })
    .await;
    let servers = server.servers(1);
    load(&servers).await.unwrap();
    assert!(give_up(&servers).await.is_none());
    server.sees(1, "PING").await;
    server.sees(2, "HELLO").await;
    load(&servers).await.unwrap();
}

/// The response is not taken for that of a later request, and the connection stays.
#[tokio::test]
async fn the_answer_to_an_abandoned_command_reaches_no_other() {
    let server = TestServer::start(|_, command| match command {
        "EVALSHA" => Wait,
        // Behind the response that was due.
        "PING" => Answer(":1\r\n+PONG\r\n"),
        _ => greets(command, Answer("%0\r\n")),
    })
    .await;
    let servers = server.servers(1);
    assert!(give_up(&servers).await.is_none());
    server.sees(1, "PING").await;
    assert_eq!(reply::pairs(&load(&servers).await.unwrap()).unwrap().len(), 0);
    server.sees(1, "HGETALL").await;
}

/// Sends a command, and gives up long before a response is overdue.
async fn give_up(servers: &Servers) -> Option<Result<Value, Fault>> {
    tokio::time::timeout(TIMEOUT / 4, delete(servers)).await.ok()
}

#[tokio::test]
async fn a_connection_that_ends_while_idle_is_replaced_in_both_protocols() {
    for protocol in ["", "?protocol=resp2"] {
        let (close, closed) = tokio::sync::watch::channel(());
        let server = ends_idle(closed).await;
        let servers = server.servers_at(1, "", protocol);
        load(&servers).await.unwrap();
        close.send(()).unwrap();
        server.sees(2, "").await;
        until_loaded(&servers).await;
        for _ in 0..10 {
            load(&servers).await.unwrap();
        }
    }
}

/// Starts a server that ends its first connection at a signal.
async fn ends_idle(mut close: tokio::sync::watch::Receiver<()>) -> TestServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sees, seen) = mpsc::unbounded_channel();
    let behaviour: Arc<Behaviour> = Arc::new(|_, command: &str| greets(command, Answer("*0\r\n")));
    tokio::spawn(async move {
        let (first, _) = listener.accept().await.unwrap();
        tokio::select! {
            () = serve(first, 1, Arc::clone(&behaviour), sees.clone()) => {}
            _ = close.changed() => {}
        }
        let (second, _) = listener.accept().await.unwrap();
        serve(second, 2, behaviour, sees).await;
    });
    TestServer { port, seen: Mutex::new(seen) }
}

/// The tasks of a connection end with their runtime. The next use starts them in another runtime.
#[test]
fn a_runtime_that_ended_fails_no_request_in_another() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let of_the_server = runtime();
    let server = of_the_server.block_on(TestServer::start(|_, command| greets(command, Answer("%0\r\n"))));
    let servers = server.servers(2);
    for _ in 0..3 {
        let runtime = runtime();
        runtime.block_on(async {
            for _ in 0..4 {
                load(&servers).await.unwrap();
            }
        });
    }
}

#[tokio::test]
async fn a_refused_greeting_is_reported_by_its_cause() {
    use StoreErrorKind::{Setup, Unavailable};
    const NO_RESP3: &str = "the server does not speak RESP3; `?protocol=resp2` may help";
    const NOT_REDIS: &str = "the server does not speak the protocol of Redis";
    const WRONG: &str = "user or password are wrong or missing";
    for (user, rest, command, answer, kind, why) in [
        ("", "", "HELLO", "-ERR unknown command 'HELLO', with args beginning with: '3'\r\n", Setup, NO_RESP3),
        ("", "", "HELLO", "-NOPROTO unsupported protocol version\r\n", Setup, NO_RESP3),
        ("", "", "HELLO", "-NOAUTH HELLO must be called with the client already authenticated\r\n", Setup, WRONG),
        (":pw@", "?protocol=resp2", "AUTH", "-WRONGPASS invalid username-password pair\r\n", Setup, WRONG),
        ("", "99", "SELECT", "-ERR DB index is out of range\r\n", Setup, "the server has no database of this number"),
        ("", "", "HELLO", "-LOADING\r\n", Unavailable, "the server answered `LOADING`"),
        ("", "", "HELLO", "HTTP/1.1 400 Bad Request\r\n", Unavailable, NOT_REDIS),
    ] {
        let refuses = move |_, sent: &str| if sent == command { Answer(answer) } else { Answer("+OK\r\n") };
        let server = TestServer::start(refuses).await;
        let refused = load(&server.servers_at(1, user, rest)).await.unwrap_err();
        assert_eq!(message(refused), (kind, why.to_owned()), "{answer}");
    }
}
