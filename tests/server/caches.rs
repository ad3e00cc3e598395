//! A real caching proxy between two visitors: nginx, private to the test, on a free port, stopped at its end.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Connection, Request};
use tempfile::TempDir;

use crate::process::{Host, Profile, Shop, Storage, poll};

/// A running proxy; dropping it ends it.
struct Proxy {
    nginx: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Proxy {
    /// Caches all that HTTP lets it; `more` are further directives, for a cache that is bolder than it should be.
    fn before(shop: &Shop, more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let root = folder.path().display();
        let configuration = format!(
            "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/errors;
             events {{ worker_connections 64; }}
             http {{
               access_log off;
               client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
               uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
               proxy_cache_path {root}/cache keys_zone=all:1m;
               server {{
                 listen {address};
                 location / {{
                   proxy_pass http://{}; proxy_http_version 1.1; proxy_cache all; proxy_cache_valid 200 204 1h;
                   add_header X-Cache $upstream_cache_status always; {more}
                 }}
               }}
             }}",
            shop.address()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let command = if fs::exists("/usr/sbin/nginx").unwrap() { "/usr/sbin/nginx" } else { "nginx" };
        let nginx = Command::new(command)
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs nginx, which tests/run installs");
        let mut proxy = Self { nginx, address, _folder: folder };
        poll("nginx to listen", || {
            assert!(proxy.nginx.try_wait().unwrap().is_none(), "nginx ended");
            Connection::open(proxy.address).ok()
        });
        proxy
    }

    fn ask(&self, request: &Request) -> Answer {
        Connection::open(self.address).unwrap().ask(request).unwrap()
    }

    fn get(&self, path: &str, cookie: Option<&Cookie>) -> Answer {
        let request = Request::get(path);
        self.ask(&cookie.map_or(request.clone(), |cookie| request.cookie(cookie))).expect(200)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

/// A cookie that lives on and moves with every use; the shop's pages at their most dangerous for a cache.
const ROLLING: &str = r#",touch_every="1ms",renew_every="1ms",cookie={persistent=true}"#;

/// One visitor after the other through the proxy: the second gets neither the first one's cookie nor cart.
fn two_visitors(proxy: &Proxy) {
    let first = proxy.ask(&Request::post("/cart/add/7")).expect(200).new_cookie();
    std::thread::sleep(std::time::Duration::from_millis(20));
    // A page without a session is the cache's, with whatever cookie it is asked for.
    assert_eq!(proxy.get("/ping", Some(&first)).expect_silent(200).all("x-cache"), ["MISS"]);
    for cookie in [None, Some(&first)] {
        assert_eq!(proxy.get("/ping", cookie).expect_silent(200).all("x-cache"), ["HIT"], "the proxy should cache");
    }
    let cart = proxy.get("/cart", Some(&first));
    assert_eq!((cart.text().as_str(), cart.all("x-cache")), (r#"{"7":1}"#, vec!["MISS"]));
    let renewed = cart.new_cookie();
    assert_ne!(renewed.value, first.value, "the page should hand out a cookie, or nothing is to be shared");
    for path in ["/cart", "/whoami", "/prefs"] {
        let stranger = proxy.get(path, None);
        assert!(stranger.set_cookies().is_empty(), "{path} gives a stranger a cookie: {stranger:?}");
        assert!(!stranger.text().contains('7'), "{path} gives a stranger another visitor's cart: {stranger:?}");
    }
    let second = proxy.ask(&Request::post("/cart/add/8")).expect(200).new_cookie();
    assert_ne!(second.key(), first.key());
    let other = proxy.get("/cart", Some(&second));
    assert_eq!(other.text(), r#"{"8":1}"#);
    assert!(other.set_cookies().iter().all(|line| Cookie::of(line).key() == second.key()), "{other:?}");
}

/// C48: behind a cache that follows the RFC.
#[test]
fn a_cache_keeps_visitors_apart() {
    let host = Host::new();
    let shop = host.open_with(Profile::Debug, Storage::Sqlite, ROLLING);
    two_visitors(&Proxy::before(&shop, ""));
}

/// C48: behind one that stores answers with `Set-Cookie` too, as administrators sometimes have it.
#[test]
fn a_cache_that_stores_cookies_keeps_visitors_apart() {
    let host = Host::new();
    let shop = host.open_with(Profile::Debug, Storage::Memory, ROLLING);
    two_visitors(&Proxy::before(&shop, "proxy_ignore_headers Set-Cookie;"));
}
