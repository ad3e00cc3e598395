//! Connections that do not behave like a browser's: `HEAD`, pipelining, hanging up, headers far too long.

use std::thread;
use std::time::Duration;

use session_tests::http::Request;

use crate::process::{Host, Profile, Shop, Storage, poll};

/// `HEAD` answers as `GET` does, without the body.
#[test]
fn head_answers_like_get_without_the_body() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let mut connection = shop.connect();
    let head = connection.ask(&Request::new("HEAD", "/cart").cookie(&visitor)).unwrap().expect_silent(200);
    let get = connection.ask(&Request::get("/cart").cookie(&visitor)).unwrap().expect_silent(200);
    assert_eq!(get.text(), r#"{"7":1}"#, "a body after HEAD would be read as the next answer");
    for name in ["vary", "content-type", "content-length", "cache-control"] {
        assert_eq!(head.all(name), get.all(name), "{name}");
    }
    assert_eq!(head.count("vary", "cookie"), 1);
}

/// Requests sent without waiting are answered in their order, and each sees what the one before wrote.
#[test]
fn pipelined_requests_see_each_others_writes() {
    for storage in [Storage::Memory, Storage::Sqlite] {
        let host = Host::new();
        let shop = host.open(Profile::Debug, storage);
        let visitor = shop.visitor(7);
        let mut connection = shop.connect();
        let add = Request::post("/cart/add/7").cookie(&visitor).bytes();
        let show = Request::get("/cart").cookie(&visitor).bytes();
        let ping = Request::get("/ping").bytes();
        connection.send(&[&add[..], &add, &ping, &add, &show].concat()).unwrap();
        for expected in ["2", "3", "ok", "4", r#"{"7":4}"#] {
            assert_eq!(connection.receive(false).unwrap().expect_silent(200).text(), expected);
        }
    }
}

/// C74: a client that hangs up takes nothing back: every request that reached the application is saved. One whose end
/// of the connection closes sooner never gets there, since the HTTP layer drops it.
#[test]
fn a_client_that_hangs_up_does_not_undo_its_write() {
    for storage in [Storage::Memory, Storage::Sqlite] {
        let host = Host::new();
        let mut shop = host.open(Profile::Debug, storage);
        let visitor = shop.visitor(7);
        let add = Request::post("/cart/add/7").cookie(&visitor).bytes();
        let reached = |shop: &Shop| shop.reached("POST /cart/add/7");
        let mut patience = (0..5_000).map(|client| Duration::from_micros(client % 100 * 20));
        poll("requests to reach the application", || {
            let mut connection = shop.connect();
            connection.send(&add).unwrap();
            // The answer is never read; how far the server is by now varies from client to client.
            thread::sleep(patience.next().unwrap_or_default());
            (reached(&shop) > 50).then_some(())
        });
        let saved = || shop.cart(&visitor) == format!("{{\"7\":{}}}", reached(&shop));
        poll("the writes of clients that hung up", || saved().then_some(()));
        shop.assert_running();
    }
}

/// Half a request is no request.
#[test]
fn half_a_request_does_nothing() {
    let host = Host::new();
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let before = host.rows();
    let add = Request::post("/cart/add/7").cookie(&visitor).bytes();
    for end in [1, add.len() / 2, add.len() - 2] {
        shop.connect().send(&add[..end]).unwrap();
    }
    assert_eq!(shop.cart(&visitor), r#"{"7":1}"#);
    assert_eq!(host.rows(), before);
    shop.assert_running();
}

/// C31: a long `Cookie` header with the good cookie at its end works, or is too long; the server stays up either way.
#[test]
fn a_long_cookie_header_works_or_is_refused() {
    let host = Host::new();
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    for bytes in [8_000, 200_000, 2_000_000] {
        let one = format!("filler={}; {}", "x".repeat(bytes), visitor.pair());
        let many = format!("{}{}", "f=x; ".repeat(bytes / 5), visitor.pair());
        for line in [one, many] {
            let mut connection = shop.connect();
            // The server may answer 431 and close before everything is sent.
            let answer = match connection.ask(&Request::get("/cart").line(line)) {
                Ok(answer) => answer,
                Err(_) if bytes > 200_000 => continue,
                Err(error) => panic!("no answer to a Cookie header of {bytes} bytes: {error}"),
            };
            match answer.status {
                200 => assert_eq!(answer.text(), r#"{"7":1}"#, "a Cookie header of {bytes} bytes lost the session"),
                431 if bytes > 8_000 => {}
                status => panic!("a Cookie header of {bytes} bytes is answered with {status}"),
            }
        }
        assert_eq!(shop.cart(&visitor), r#"{"7":1}"#);
    }
    shop.assert_running();
}

/// C31: thousands of cookies of the name make none, and cost no session.
#[test]
fn thousands_of_session_cookies_make_none() {
    let host = Host::new();
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let line = vec![visitor.pair(); 2000].join("; ");
    let answer = shop.ask(&Request::get("/cart").line(line)).expect_silent(200);
    assert_eq!(answer.text(), "{}");
    assert_eq!(shop.cart(&visitor), r#"{"7":1}"#);
    shop.assert_running();
}

/// C31: headers of ten megabytes and of 20,000 cookies, from many clients, leave no memory behind and lock no client
/// out.
#[test]
fn huge_headers_cost_no_memory() {
    const KILOBYTES: u64 = 64 * 1024;
    let host = Host::new();
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let huge = [
        format!("filler={}; {}", "x".repeat(420_000), visitor.pair()),
        format!("{}{}", "f=x; ".repeat(20_000), visitor.pair()),
        format!("{}{}", "id=x; ".repeat(20_000), visitor.pair()),
        "x".repeat(1 << 20),
        "id=".repeat(10 << 20),
    ];
    let before = shop.memory();
    for _ in 0..3 {
        for line in &huge {
            let mut connection = shop.connect();
            match connection.ask(&Request::get("/cart").line(line.as_str())) {
                Ok(answer) => assert!(matches!(answer.status, 200 | 400 | 431), "{answer:?}"),
                // Refused and closed before everything was sent.
                Err(_) => assert!(line.len() > 200_000, "no answer to {} bytes", line.len()),
            }
        }
    }
    let grown = shop.memory().saturating_sub(before);
    println!("15 huge headers, 37 MB at most: the server grew by {grown} kB");
    assert!(grown < KILOBYTES, "{grown} kB");
    assert_eq!(shop.cart(&visitor), r#"{"7":1}"#);
    shop.assert_running();
}

/// C31: clients that send a header byte by byte and never finish it delay no other client.
#[test]
fn slow_headers_delay_no_other_client() {
    let host = Host::new();
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let before = (shop.memory(), host.rows());
    let mut slow: Vec<_> = (0..200).map(|_| shop.connect()).collect();
    let header = Request::get("/cart").cookie(&visitor).bytes();
    let mut longest = Duration::ZERO;
    for byte in &header[..header.len().min(80)] {
        for connection in &mut slow {
            connection.send(&[*byte]).unwrap();
        }
        let start = std::time::Instant::now();
        assert_eq!(shop.cart(&visitor), r#"{"7":1}"#);
        longest = longest.max(start.elapsed());
    }
    println!("beside 200 slow clients the slowest answer took {longest:?}");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert!(shop.memory().saturating_sub(before.0) < 64 * 1024);
    drop(slow);
    assert_eq!(host.rows(), before.1);
    shop.assert_running();
}

/// B60: who follows a redirect at once, on another connection, reads what was written before it.
#[test]
fn a_redirect_is_answered_after_the_write() {
    for storage in [Storage::Memory, Storage::Sqlite] {
        let host = Host::new();
        let shop = host.open(Profile::Debug, storage);
        let visitor = shop.visitor(7);
        for quantity in 2..30 {
            let form = "product=7";
            let head = format!(
                "POST /shop/add HTTP/1.1\r\nHost: shop.test\r\nCookie: {}\r\nContent-Length: {}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
                visitor.pair(),
                form.len()
            );
            let mut connection = shop.connect();
            connection.send(head.as_bytes()).unwrap();
            connection.receive(true).unwrap().expect_silent(303);
            assert_eq!(shop.cart(&visitor), format!("{{\"7\":{quantity}}}"));
        }
    }
}
