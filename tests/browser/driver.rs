//! Browsers: a driver process for each test, and a browser with an empty profile for each visitor.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use rocket::async_trait;
use serde::de::DeserializeOwned;
use serde_json::json;
use session_tests::http::Connection;
use tempfile::TempDir;
use thirtyfour::error::{WebDriverError, WebDriverResult};
use thirtyfour::session::http::{Body, HttpClient};
use thirtyfour::{By, ChromiumLikeCapabilities as _, DesiredCapabilities, Key, WebDriver, WebElement};

use crate::app::App;

/// The longest time to wait for something that a browser does in its own time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Without `--no-sandbox` Chromium does not start as root. The others keep it from asking for anything but the pages.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,900",
];

pub(crate) const CHROMIUM: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
pub(crate) const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:147.0) Gecko/20100101 Firefox/147.0";

/// The example and its visitors' browsers.
pub(crate) struct World {
    pub(crate) app: App,
    driver: Driver,
}

impl World {
    /// Starts the example as in production: the cookie is `Secure`.
    pub(crate) fn new() -> Self {
        Self::with_profile("release")
    }

    pub(crate) fn with_profile(profile: &str) -> Self {
        Self { driver: Driver::start(), app: App::start(profile) }
    }

    /// Opens a browser that has visited nothing.
    pub(crate) async fn browser(&self) -> Browser {
        self.browser_as(CHROMIUM).await
    }

    pub(crate) async fn browser_as(&self, agent: &str) -> Browser {
        let profile = TempDir::new().unwrap();
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary("/usr/bin/chromium").unwrap();
        let own = [format!("--user-agent={agent}"), format!("--user-data-dir={}", profile.path().display())];
        for flag in FLAGS.iter().copied().chain(own.iter().map(String::as_str)) {
            wanted.add_arg(flag).unwrap();
        }
        let driver = WebDriver::builder(format!("http://{}", self.driver.address), wanted);
        let driver = driver.client(Client(self.driver.address)).connect().await.unwrap();
        Browser { driver, url: self.app.url(), _profile: profile }
    }
}

/// A running driver; dropping it ends the process, also while a failed test unwinds. Its browsers end before it.
struct Driver {
    child: Child,
    address: SocketAddr,
}

impl Driver {
    /// Starts a driver. One that finds its port taken for IPv6 ends at once, and another one follows.
    fn start() -> Self {
        let started = (0..20).find_map(|_| Self::try_to_start());
        started.expect("one of 20 drivers finds a free port")
    }

    /// The system picks a port that is free for IPv4, and the driver prints it.
    fn try_to_start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let is_missing = !std::path::Path::new("/usr/bin/chromium").exists();
        let Some(mut child) = command.spawn().ok().filter(|_| !is_missing) else {
            panic!("the tests of `browser` need Debian's packages: tests/install chromium chromium-driver");
        };
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            line.split_once("on port ")?.1.trim_end_matches('.').parse::<u16>().ok().filter(|port| *port != 0)
        });
        // Dropped without a port, it ends the process.
        let mut driver = Self { child, address: ([127, 0, 0, 1], 0).into() };
        driver.address.set_port(port?);
        Some(driver)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The client of these tests, as one of the driver.
struct Client(SocketAddr);

#[async_trait]
impl HttpClient for Client {
    async fn send(&self, request: Request<Body<'_>>) -> WebDriverResult<Response<Bytes>> {
        let body = match request.body() {
            Body::Empty => String::new(),
            Body::Json(value) => value.to_string(),
        };
        let (method, path, address) = (request.method(), request.uri().path(), self.0);
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
        let bytes = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let ask = move || {
            let mut connection = Connection::open(address)?;
            connection.send(bytes.as_bytes())?;
            connection.receive(false)
        };
        let answer = tokio::task::spawn_blocking(ask).await.unwrap();
        let answer = answer.map_err(|error| WebDriverError::RequestFailed(error.to_string()))?;
        Ok(Response::builder().status(answer.status).body(answer.text().into()).unwrap())
    }

    async fn new(&self) -> Arc<dyn HttpClient> {
        Arc::new(Self(self.0))
    }
}

/// A visitor's browser; dropping it closes it.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    url: String,
    _profile: TempDir,
}

impl Browser {
    /// Opens a page of the example.
    pub(crate) async fn open(&self, path: &str) {
        self.go(&format!("{}{path}", self.url)).await;
    }

    pub(crate) async fn go(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// The path of the page with its query; the whole URL if it is one of another origin.
    pub(crate) async fn path(&self) -> String {
        self.shown().await.unwrap().0
    }

    /// The text that a visitor sees.
    pub(crate) async fn text(&self) -> String {
        self.shown().await.unwrap().1
    }

    /// The path and the text. Fails while the browser goes to another page by itself.
    async fn shown(&self) -> WebDriverResult<(String, String)> {
        let text = "return document.body ? document.body.innerText : ''";
        let text = self.driver.execute(text, Vec::new()).await?.convert()?;
        let url = self.driver.current_url().await?.to_string();
        Ok((url.strip_prefix(&self.url).map_or(url.clone(), str::to_owned), text))
    }

    pub(crate) async fn js<T: DeserializeOwned>(&self, script: &str) -> T {
        self.js_with(script, Vec::new()).await
    }

    pub(crate) async fn js_with<T: DeserializeOwned>(&self, script: &str, arguments: Vec<serde_json::Value>) -> T {
        self.driver.execute(script, arguments).await.unwrap().convert().unwrap()
    }

    pub(crate) async fn find(&self, css: &str) -> WebElement {
        match self.driver.find(By::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("{css} is not in {}: {error}\n{}", self.path().await, self.text().await),
        }
    }

    pub(crate) async fn fill(&self, name: &str, text: &str) {
        let field = self.find(&format!("input[name={name}]:not([hidden])")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub(crate) async fn press(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    pub(crate) async fn tab_key(&self) {
        self.driver.action_chain().send_keys(Key::Tab.value().to_string()).perform().await.unwrap();
    }

    pub(crate) async fn sign_up(&self, name: &str, password: &str) {
        self.open("/sign-up").await;
        self.fill("name", name).await;
        self.fill("password", password).await;
        self.press("main button").await;
        self.expect("/", &format!("Welcome, {name}.")).await;
    }

    /// Sends the form of the login, and waits for no particular page.
    pub(crate) async fn try_to_log_in(&self, name: &str, password: &str) {
        self.open("/login").await;
        self.fill("name", name).await;
        self.fill("password", password).await;
        self.press("main button").await;
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) {
        self.try_to_log_in(name, password).await;
        self.expect("/", &format!("Hello, {name}")).await;
    }

    /// Waits until this page with this text is shown.
    pub(crate) async fn expect(&self, path: &str, text: &str) {
        let start = Instant::now();
        loop {
            let shown = self.shown().await;
            if shown.as_ref().is_ok_and(|(here, shown)| here == path && shown.contains(text)) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain for {text:?} at {path}; there is {shown:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Calls a method of the browser's own protocol.
    pub(crate) async fn devtools(&self, method: &str, parameters: serde_json::Value) -> serde_json::Value {
        self.driver.cdp().send_raw(method, parameters).await.unwrap()
    }

    pub(crate) async fn set_scheme(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Sets the size of the window. Not as a phone, which would zoom out of a page that is too wide.
    pub(crate) async fn set_size(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }
}

/// Asserts that two lists are equal, with one line for each difference.
#[track_caller]
pub(crate) fn assert_none<T: Debug>(wrong: &[T], about: &str) {
    assert!(wrong.is_empty(), "{about}:\n{wrong:#?}");
}
