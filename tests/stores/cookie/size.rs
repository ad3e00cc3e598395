//! A browser drops a cookie of more than 4,096 bytes without a word; so does nothing here.

use session_runtime::CookieConfig;
use session_tests::http::Answer;

use super::site::{Browser, Plan, key};

const MOST: usize = 4096;

/// The whole line, without the header's name.
fn length(answer: &Answer) -> usize {
    answer.set_cookies()[0].len()
}

/// The longest note that still goes into the cookie, and the length of the line with it.
fn longest(visitor: &mut Browser<'_>) -> (usize, usize) {
    let (mut fits, mut fails) = (0, MOST);
    while fails - fits > 1 {
        let middle = usize::midpoint(fits, fails);
        let answer = visitor.post(&format!("/fill/{middle}"));
        if answer.status == 200 { fits = middle } else { fails = middle }
    }
    let less = length(&visitor.post("/fill/0").expect(200));
    assert!(less < MOST / 4, "a large session can shrink: {less}");
    (fits, length(&visitor.post(&format!("/fill/{fits}")).expect(200)))
}

/// C32, B79: with names of the cookie of every length the boundary is met exactly: 4,096 bytes of name, value and attributes
/// are sent, 4,097 are an error, and the old cookie stays as it was.
#[test]
fn a_line_of_4096_bytes_is_sent_and_one_of_4097_is_not() {
    let mut exact = Vec::new();
    for letters in 1..=4 {
        let plan = Plan { cookie: CookieConfig::new().name("c".repeat(letters)), ..Plan::new(&[&key()]) };
        let site = plan.launch();
        let mut visitor = site.browser();
        visitor.post("/add/7").expect(200);
        let (fits, bytes) = longest(&mut visitor);
        let before = visitor.cookie();
        let answer = visitor.post(&format!("/fill/{}", fits + 1)).expect_silent(500);
        assert_eq!((answer.count("vary", "cookie"), visitor.cookie()), (1, before));
        assert_eq!(visitor.get("/note").expect_silent(200).text().len(), fits, "as it was before");
        assert_eq!(visitor.post(&format!("/save/{}", fits + 1)).expect_silent(200).text(), "TooLarge");
        let saved = visitor.post(&format!("/save/{fits}")).expect(200);
        assert_eq!((saved.text().as_str(), visitor.get("/cart").text().as_str()), ("saved", r#"{"7":1}"#));
        let lines = site.log_lines().into_iter().filter(|line| line.contains("could not be saved")).collect::<Vec<_>>();
        let refused = lines.iter().find(|line| line.contains("4096")).expect("a log line with the limit");
        // base64url has no text whose length is one more than a multiple of four.
        let next = if (bytes + 1 - (letters + 1 + "; Path=/; HttpOnly; SameSite=Lax".len())) % 4 == 1 { 2 } else { 1 };
        assert!(lines.iter().any(|line| line.contains(&format!("{} bytes", bytes + next))), "{refused}");
        exact.push((bytes, bytes + next));
    }
    assert!(exact.iter().all(|(fits, fails)| *fits <= MOST && MOST < *fails), "{exact:?}");
    assert!(exact.contains(&(MOST, MOST + 1)), "4,096 and 4,097 themselves: {exact:?}");
    println!("sent and refused, in bytes: {exact:?}");
}

/// C32: attributes count: what fits without them does not fit with more of them.
#[test]
fn attributes_are_counted() {
    let path = "/".to_owned() + &"p".repeat(500);
    let plain = Plan::new(&[&key()]);
    let site = plain.launch();
    let (fits, _) = longest(&mut site.browser());
    let long = Plan { cookie: CookieConfig::new().path(&path), ..Plan::new(&[&key()]) };
    let site = long.launch();
    let (less, bytes) = longest(&mut site.browser());
    assert!(bytes <= MOST && less < fits - 300, "{less} and {fits}");
}

/// A first write that is too large begins no session; nor does one that is far too large, at no cost to speak of.
#[test]
fn a_first_write_that_is_too_large_begins_nothing() {
    let site = Plan::new(&[&key()]).launch();
    for letters in [4_000, 100_000, 900_000, 5_000_000] {
        let mut visitor = site.browser();
        visitor.post(&format!("/fill/{letters}")).expect_silent(500);
        assert_eq!(visitor.cookie, None);
    }
    let mut visitor = site.browser();
    visitor.post("/fill/100").expect(200);
    assert_eq!(visitor.get("/note").text().len(), 100);
}

/// A use that would make the line too long is not recorded, and the answer goes out; here the application was given a
/// longer path since.
#[test]
fn a_use_that_no_longer_fits_changes_no_answer() {
    let plan = Plan::new(&[&key()]);
    let cookie = {
        let site = plan.launch();
        let mut visitor = site.browser();
        longest(&mut visitor);
        visitor.cookie()
    };
    plan.clock.advance(3 * super::site::DAY);
    let site = Plan { cookie: CookieConfig::new().name("id").path("/sh"), ..plan }.launch();
    let mut visitor = site.browser_with(&cookie);
    assert!(visitor.get("/note").expect_silent(200).text().len() > 2_000);
    assert!(site.log_lines().iter().any(|line| line.contains("was not recorded")), "{:?}", site.log_lines());
}
