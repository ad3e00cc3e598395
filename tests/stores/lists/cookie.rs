//! Lists and deadlines in the cookie. Requests one after the other are those of any store. Two at once cannot merge, as
//! there is no place where they meet: the browser keeps the cookie of the last answer.

use session_runtime::CookieStore;

use super::*;

/// A browser with one request at a time, and two nodes with the same key.
struct Browser {
    nodes: [(Sessions, ManualClock); 2],
    cookie: String,
    stored: Stored,
    request: Option<(usize, Visit, Request)>,
    number: u32,
}

fn node(key: &str, clock: ManualClock) -> (Sessions, ManualClock) {
    let store = CookieStore::new([key]).unwrap();
    let sessions = Sessions::builder().cookie_store(store).clock(clock.clone()).schemas::<Inbox>();
    (sessions.build().unwrap(), clock)
}

/// Ends a visit and returns its cookie, if it sends one.
async fn finish(visit: Visit) -> Option<String> {
    let finished = visit.finish(200).await;
    assert!(finished.error.is_none(), "{:?}", finished.error);
    finished.cookie.header().map(|header| header.split(';').next().unwrap().to_owned())
}

impl Browser {
    /// Begins with an empty session. The second clock is ahead by `skew` milliseconds.
    async fn new(skew: i64) -> Self {
        let (key, clocks) = (CookieStore::random_key().unwrap(), [clock(), clock()]);
        clocks[1].set(Timestamp::from_millis(clocks[1].timestamp().as_millis() + skew));
        let nodes = clocks.map(|clock| node(&key, clock));
        let visit = nodes[0].0.open([]);
        visit.write::<Inbox>().await.unwrap().set_theme(0);
        let cookie = finish(visit).await.unwrap();
        Self { nodes, cookie, stored: Stored::default(), request: None, number: 0 }
    }

    fn visit(&self, node: usize) -> Visit {
        self.nodes[node].0.open([self.cookie.as_str()])
    }

    fn now(&self, node: usize) -> i64 {
        self.nodes[node].1.timestamp().as_millis()
    }

    fn pass(&self, millis: i64) {
        let time = Duration::from_millis(millis.unsigned_abs());
        self.nodes.iter().for_each(|(_, clock)| clock.advance(time));
    }

    async fn run(&mut self, step: &Step) {
        match *step {
            Step::Open { node, .. } if self.request.is_none() => {
                let visit = self.visit(node);
                drop(visit.write::<Inbox>().await.unwrap());
                self.request = Some((node, visit, Request::open(&self.stored, self.now(node))));
            }
            Step::Write { edit, .. } => self.write(edit).await,
            Step::Finish(_) => self.finish().await,
            Step::Pass(millis) => self.pass(millis),
            Step::Open { .. } => {}
        }
    }

    async fn write(&mut self, edit: Edit) {
        self.pass(1);
        let Some((node, visit, mut model)) = self.request.take() else { return };
        let now = self.now(node);
        let mut inbox = visit.write::<Inbox>().await.unwrap();
        assert_shows(&inbox, &model);
        self.number += 1;
        apply(edit, &mut inbox, &mut model, now, &mut self.number);
        drop(inbox);
        self.request = Some((node, visit, model));
    }

    /// No change is refused, and the next request sees what is stored.
    async fn finish(&mut self) {
        let Some((node, visit, model)) = self.request.take() else { return };
        let (cookie, now) = (finish(visit).await, self.now(node));
        assert!(model.save(&mut self.stored, now));
        self.cookie = cookie.unwrap_or_else(|| self.cookie.clone());
        for node in [0, 1] {
            let visit = self.visit(node);
            assert_shows(&visit.write::<Inbox>().await.unwrap(), &Request::open(&self.stored, self.now(node)));
        }
    }
}

/// C137: one after the other, as in memory.
#[test]
fn lists_and_deadlines_in_the_cookie_follow_the_model() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&(-1_500..1_500_i64, steps()), |(skew, steps)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut browser = Browser::new(skew).await;
            for step in &steps {
                browser.run(step).await;
            }
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failed| panic!("{failed}"));
}

/// C137: of two requests at once, the cookie holds the list of the one that is answered last, with what that one loaded:
/// a push is lost, and what was taken comes back.
#[tokio::test]
async fn the_last_answer_of_two_requests_at_once_decides() {
    let mut browser = Browser::new(0).await;
    let visit = browser.visit(0);
    visit.write::<Inbox>().await.unwrap().notices_mut().push(1);
    browser.cookie = finish(visit).await.unwrap();
    let (taking, pushing, last) = (browser.visit(0), browser.visit(0), browser.visit(1));
    assert_eq!(taking.write::<Inbox>().await.unwrap().take_notices(), [1]);
    pushing.write::<Inbox>().await.unwrap().notices_mut().push(2);
    last.write::<Inbox>().await.unwrap().notices_mut().push(3);
    for visit in [taking, pushing, last] {
        browser.cookie = finish(visit).await.unwrap();
    }
    assert_eq!(*browser.visit(0).read::<Inbox>().await.unwrap().notices(), [1, 3]);
}
