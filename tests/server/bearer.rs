//! Ids in `Authorization` and `Session-Id`, over a raw socket.

use std::time::Duration;

use session_runtime::config::Transport;
use session_runtime::testing::Fault;
use session_runtime::{Expiry, MemoryStore, SessionConfig, Sessions};
use session_tests::cookie::{decode, encode, with_spare_bits};
use session_tests::http::{Answer, Request};

use crate::process::Storage;
use crate::test_app::{TestApp, Work, patient};

fn bearer() -> SessionConfig {
    patient().transport(Transport::Bearer)
}

fn launch() -> TestApp {
    TestApp::launch(Storage::Memory, bearer())
}

fn authorized(request: Request, id: &str) -> Request {
    request.header(format!("Authorization: Bearer {id}"))
}

/// The id that this answer gives the client, with the headers that go with it.
#[track_caller]
fn new_id(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.set_cookies().len()), (200, 0), "{answer:?}");
    assert_eq!((answer.count("cache-control", "no-store"), answer.all("vary").len()), (1, 1), "{answer:?}");
    assert_eq!(answer.all("vary"), ["Authorization"], "{answer:?}");
    let [id] = answer.all("session-id")[..] else { panic!("expected one Session-Id: {answer:?}") };
    assert_eq!(decode(id).map(|bytes| bytes.len()), Some(32), "{answer:?}");
    id.to_owned()
}

/// Checks that the client keeps the id that it has.
#[track_caller]
fn assert_silent(answer: Answer) -> Answer {
    assert!(answer.all("session-id").is_empty() && answer.all("cache-control").is_empty(), "{answer:?}");
    answer.expect_silent(200)
}

/// The number of jobs in the session of this request.
#[track_caller]
fn jobs(app: &TestApp, request: &Request) -> u64 {
    assert_silent(app.ask(request)).json::<(usize, u64, Vec<u32>, u32)>().1
}

#[track_caller]
fn jobs_of(app: &TestApp, id: &str) -> u64 {
    jobs(app, &authorized(Request::get("/show"), id))
}

/// C81: a first write gives an id, a login and a renewal replace it under the same key, and the old one is dead.
#[test]
fn an_id_is_given_replaced_and_removed() {
    let app = launch();
    let first = new_id(&app.ask(&Request::post("/job/1")));
    assert_silent(app.ask(&authorized(Request::post("/job/2"), &first)));
    assert_eq!(jobs_of(&app, &first), 2);
    let login = new_id(&app.ask(&authorized(Request::post("/login/anna"), &first)));
    let renewed = new_id(&app.ask(&authorized(Request::post("/renew"), &login)));
    assert!(first[..21] == login[..21] && login[..21] == renewed[..21], "the key stays");
    assert_eq!([&first, &login, &renewed].map(|id| jobs_of(&app, id)), [0, 0, 2]);
    let answer = app.ask(&authorized(Request::post("/logout"), &renewed)).expect_silent(200);
    assert_eq!((answer.all("session-id"), answer.count("cache-control", "no-store")), (vec!["-"], 1), "{answer:?}");
    assert_eq!(answer.all("vary"), ["Authorization"], "{answer:?}");
    assert_silent(app.ask(&authorized(Request::post("/logout"), &renewed)));
    assert_eq!(jobs_of(&app, &renewed), 0);
    let next = new_id(&app.ask(&authorized(Request::post("/job/3"), &renewed)));
    assert_ne!(next[..21], renewed[..21], "a write after the logout brought the session back");
}

/// C82: an unknown id is never adopted.
#[test]
fn an_unknown_id_is_anonymous() {
    let app = launch();
    let unknown = encode(&[9; 32]);
    assert_eq!(jobs_of(&app, &unknown), 0);
    let given = new_id(&app.ask(&authorized(Request::post("/job/1"), &unknown)));
    assert_ne!(given, unknown);
    assert_eq!(jobs_of(&app, &unknown), 0);
}

/// C82: the scheme compares without letter case; another scheme is another program's business.
#[test]
fn another_scheme_is_ignored() {
    let app = launch();
    let id = new_id(&app.ask(&Request::post("/job/1")));
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(jobs(&app, &Request::get("/show").header(format!("Authorization: {scheme} {id}"))), 1, "{scheme}");
    }
    for line in [format!("Basic {id}"), format!("Token {id}"), format!("Bearer:{id}"), id.clone(), String::new()] {
        assert_eq!(jobs(&app, &Request::get("/show").header(format!("Authorization: {line}"))), 0, "{line}");
    }
}

/// C82: a doubled header is no session, and neither is one that holds no canonical id. A write then begins a session.
#[test]
fn a_doubled_or_malformed_header_is_anonymous() {
    let app = launch();
    let id = new_id(&app.ask(&Request::post("/job/1")));
    let other = new_id(&app.ask(&Request::post("/job/2")));
    let line = |value: &str| format!("Authorization: Bearer {value}");
    for (one, two) in [(line(&id), line(&id)), (line(&id), line(&other)), (line(&id), "authorization: Basic x".into())]
    {
        for (one, two) in [(&one, &two), (&two, &one)] {
            assert_eq!(jobs(&app, &Request::get("/show").header(one).header(two)), 0, "{one} {two}");
        }
    }
    let mut malformed = with_spare_bits(&id);
    malformed.extend([String::new(), "x".into(), format!("{id}="), format!("{id}A"), id[1..].into()]);
    malformed.extend([format!("\"{id}\""), format!("{id}, Bearer {id}"), format!("id={id}"), format!("{id} {id}")]);
    for value in malformed {
        assert_eq!(jobs_of(&app, &value), 0, "{value}");
        let given = new_id(&app.ask(&authorized(Request::post("/job/3"), &value)));
        assert_ne!(given[..21], id[..21], "{value}");
    }
    assert_eq!(jobs_of(&app, &id), 1);
}

/// C82: bytes that are no text never reach the session beside them.
#[test]
fn a_header_that_is_no_text_is_anonymous() {
    let app = launch();
    let id = new_id(&app.ask(&Request::post("/job/1")));
    let mut bytes = b"GET /show HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Bearer ".to_vec();
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(b"\xff\r\n\r\n");
    let mut connection = app.connect();
    connection.send(&bytes).unwrap();
    let answer = connection.receive(false).unwrap();
    assert!(answer.status == 400 || answer.json::<(usize, u64, Vec<u32>, u32)>().1 == 0, "{answer:?}");
}

/// C83: the transports do not mix: an id in a cookie opens nothing here, and an id in the header nothing there.
#[test]
fn an_id_in_the_other_header_opens_nothing() {
    let (app, with_cookies) = (launch(), TestApp::launch(Storage::Memory, patient()));
    let id = new_id(&app.ask(&Request::post("/job/1")));
    for name in ["id", "__Host-Http-id", "Session-Id"] {
        assert_eq!(jobs(&app, &Request::get("/show").line(format!("{name}={id}"))), 0, "{name}");
    }
    assert_eq!(jobs(&app, &authorized(Request::get("/show"), &id).line("id=x; id=y")), 1, "cookies do not matter");
    let cookie = with_cookies.ask(&Request::post("/job/1")).expect(200).new_cookie();
    assert_eq!(jobs(&with_cookies, &authorized(Request::get("/show"), &cookie.value)), 0);
    assert_eq!(jobs(&with_cookies, &authorized(Request::get("/show"), "x").cookie(&cookie)), 1);
}

/// C83: a browser sends no `Authorization: Bearer` by itself, so requests of other sites are not refused.
#[test]
fn requests_from_other_sites_are_not_refused() {
    let app = launch();
    let id = new_id(&app.ask(&Request::post("/job/1")));
    for line in ["Sec-Fetch-Site: cross-site", "Origin: https://app.example", "Origin: null"] {
        assert_silent(app.ask(&authorized(Request::post("/job/2"), &id).header(line)));
    }
    let upgrade = authorized(Request::get("/show"), &id).header("Origin: https://app.example");
    assert_eq!(jobs(&app, &upgrade.header("Connection: Upgrade").header("Upgrade: websocket")), 4);
}

/// C61: a login that could not be stored gives no id.
#[test]
fn a_failed_save_gives_no_id() {
    let app = launch();
    let id = new_id(&app.ask(&Request::post("/job/1")));
    app.store.fail("patch", Fault::Down);
    for path in ["/login/anna", "/renew", "/job/2"] {
        let answer = app.ask(&authorized(Request::post(path), &id)).expect_unavailable();
        assert!(answer.all("session-id").is_empty() && answer.all("vary") == ["Authorization"], "{path}: {answer:?}");
    }
    app.store.fail("create", Fault::Down);
    assert!(app.ask(&Request::post("/job/1")).expect_unavailable().all("session-id").is_empty());
}

/// C81: a periodic renewal replaces the id, which the client learns from any response.
#[test]
fn a_periodic_renewal_sends_the_new_id() {
    let app = TestApp::launch(Storage::Memory, bearer().renew_every(Duration::from_millis(1)));
    let id = new_id(&app.ask(&Request::post("/job/1")));
    std::thread::sleep(Duration::from_millis(5));
    let renewed = new_id(&app.ask(&authorized(Request::get("/show"), &id)));
    assert!(renewed != id && renewed[..21] == id[..21]);
}

/// C84: a logout clears the cache of the browser with this transport as well.
#[test]
fn a_logout_clears_the_cache() {
    let app = TestApp::launch(Storage::Memory, bearer().clear_site_data(true));
    let id = new_id(&app.ask(&Request::post("/job/1")));
    let answer = app.ask(&authorized(Request::post("/logout"), &id)).expect(200);
    assert_eq!((answer.all("clear-site-data"), answer.all("session-id")), (vec!["\"cache\""], vec!["-"]));
}

/// C81: a cookie is sent again for its new deadline; a client with a header knows no deadline.
#[tokio::test]
async fn a_chosen_deadline_that_moves_sends_no_id() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Work>().config(bearer()).build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Work>().await.unwrap().set_last(1);
    visit.set_expiry(Expiry::After(Duration::from_secs(60)));
    let line = format!("Bearer {}", visit.finish(200).await.cookie.header().unwrap());
    let visit = sessions.open([line.as_str()]);
    visit.set_expiry(Expiry::After(Duration::from_secs(120)));
    let finished = visit.finish(200).await;
    assert!(visit.expires_at().unwrap() > std::time::SystemTime::now() + Duration::from_secs(90));
    assert!(finished.error.is_none() && finished.cookie.header().is_none(), "{finished:?}");
}

/// C82: without a web framework, all headers of a request are given as bytes, and those of the response come back.
#[tokio::test]
async fn a_visit_takes_and_gives_headers() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Work>().config(bearer()).build().unwrap();
    let visit = sessions.open_headers([("cookie", &b"id=x"[..]), ("accept", b"\xff")]);
    visit.write::<Work>().await.unwrap().set_last(7);
    let headers: Vec<_> = visit.finish(200).await.into_headers().collect();
    let names: Vec<_> = headers.iter().map(|header| (header.name, header.is_sensitive)).collect();
    assert_eq!(names, [("Session-Id", true), ("Cache-Control", false), ("Vary", false)]);
    let line = format!("Bearer {}", headers[0].value);
    let last = async |headers: &[(&str, &[u8])]| {
        let visit = sessions.open_headers(headers.iter().copied());
        *visit.read::<Work>().await.unwrap().last()
    };
    assert_eq!(last(&[("AUTHORIZATION", line.as_bytes()), ("x", b"\xff")]).await, 7);
    let unreadable = [("authorization", line.as_bytes()), ("authorization", b"\xff")];
    assert_eq!((last(&unreadable).await, last(&[("cookie", line.as_bytes())]).await), (0, 0));
    assert_eq!(sessions.cookie_name(), "");
}

/// The same with cookies: a line that cannot be read may hold a second cookie of the name.
#[tokio::test]
async fn a_visit_takes_cookies_as_bytes() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Work>().build().unwrap();
    let visit = sessions.open_headers([]);
    visit.write::<Work>().await.unwrap().set_last(7);
    let pair = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    let last = async |headers: &[(&str, &[u8])]| {
        let visit = sessions.open_headers(headers.iter().copied());
        *visit.read::<Work>().await.unwrap().last()
    };
    let pair = pair.as_bytes();
    assert_eq!(last(&[("Cookie", b"a=b"), ("cookie", pair), ("user-agent", b"\xff")]).await, 7);
    assert_eq!(last(&[("cookie", pair), ("cookie", pair)]).await, 0);
    assert_eq!(last(&[("cookie", pair), ("cookie", b"a=\xff")]).await, 0);
}
