//! Forms of other origins: a page that another server shows, with a form that leads to the example.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::driver::{Browser, World};

/// Serves one page on a free port, until the test process ends; returns the port.
///
/// Each connection has a thread: a browser may open one ahead of its requests, and send nothing over it.
fn serve(html: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n", html.len());
    let response = format!("{head}Connection: close\r\n\r\n{html}");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, response) = (stream.unwrap(), response.clone());
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(response.as_bytes());
            });
        }
    });
    port
}

async fn send_from(browser: &Browser, url: &str) {
    browser.go(url).await;
    browser.press("button").await;
}

/// C128: a form on another host, and one on another port of the same host, whose requests carry the cookie.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_origin_is_refused() {
    let world = World::new();
    let (browser, other) = (world.browser().await, world.browser().await);
    browser.sign_up("ann", "correct horse").await;
    other.log_in("ann", "correct horse").await;
    let form = format!(
        r#"<form method="post" action="{}/sessions"><input name="end" value="others"><button>Win</button></form>"#,
        world.app.url()
    );
    let port = serve(&form);
    for host in ["127.0.0.1", "localhost"] {
        send_from(&browser, &format!("http://{host}:{port}/")).await;
        browser.expect("/sessions", "Another site sent this form.").await;
        let status: u16 = browser.js("return performance.getEntriesByType('navigation')[0].responseStatus").await;
        assert_eq!(status, 403, "from {host}");
    }
    other.open("/").await;
    other.expect("/", "Hello, ann").await;
    // The same form of the site itself ends the other session.
    browser.open("/sessions").await;
    browser.press("button[value=others]").await;
    browser.expect("/sessions", "1 session logged out.").await;
}

/// C128: a form on another origin cannot log the visitor in to an account of its author.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_of_another_origin_is_refused() {
    let world = World::new();
    let (browser, author) = (world.browser().await, world.browser().await);
    author.sign_up("eve", "correct horse").await;
    let form = format!(
        r#"<form method="post" action="{}/login"><input name="name" value="eve">
           <input name="password" value="correct horse"><button>Win</button></form>"#,
        world.app.url()
    );
    send_from(&browser, &format!("http://127.0.0.1:{}/", serve(&form))).await;
    browser.expect("/login", "Another site sent this form.").await;
    browser.open("/").await;
    browser.expect("/login?back=/", "Log in").await;
}
