//! Incoming cookies: unknown, malformed, disguised, doubled, planted. Release profile, so that the name is
//! `__Host-Http-id` and a similar name would be an attack.

use crate::process::{Host, Profile, Shop, Storage};
use session_tests::cookie::{Cookie, encode, with_spare_bits};
use session_tests::http::Request;
use session_tests::random::Random;

const NAME: &str = "__Host-Http-id";

/// Names that some layer between browser and handler might take for `__Host-Http-id`: percent signs decoded, white space
/// of all kinds trimmed, upper and lower case made one, quotes removed, one prefix for the other.
const LOOK_ALIKES: [&str; 19] = [
    "%5F%5FHost-Http-id",
    "%5f%5fHost-Http-id",
    "__Host-Http%2Did",
    "__Host-Http-i%64",
    "\u{a0}__Host-Http-id",
    "__Host-Http-id\u{a0}",
    "\u{2003}__Host-Http-id",
    "__Host-Http-id\u{2003}",
    "\u{feff}__Host-Http-id",
    "__Host-Http-id ",
    "__Host-Http-id\t",
    "\"__Host-Http-id\"",
    "__HOST-HTTP-ID",
    "__host-http-id",
    "__HOST-Http-id",
    "__Host-Http-Id",
    "__Host-id",
    "__Http-id",
    "__Http-Host-id",
];

/// White space that HTTP itself has an opinion about: a control character may end in 400.
const CONTROL: [&str; 3] = ["\x0b__Host-Http-id", "__Host-Http-id\x0b", "\x0c__Host-Http-id"];

fn open(host: &Host) -> Shop {
    host.open(Profile::Release, Storage::Sqlite)
}

fn named(name: &str, cookie: &Cookie) -> String {
    format!("{name}={}", cookie.value)
}

/// Checks that these header lines open no session.
#[track_caller]
fn assert_opens_nothing<L: Into<Vec<u8>> + Clone>(shop: &Shop, lines: &[L]) {
    let shown: Vec<_> = lines.iter().map(|line| line.clone().into().escape_ascii().to_string()).collect();
    let answer = shop.ask(&Request::get("/cart").lines(lines));
    assert!(answer.set_cookies().is_empty(), "{shown:?} is answered with a cookie: {answer:?}");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"), "{shown:?} should be anonymous");
}

/// Checks that these header lines open this cart.
#[track_caller]
fn assert_opens<L: Into<Vec<u8>> + Clone>(shop: &Shop, lines: &[L], cart: &str) {
    let shown: Vec<_> = lines.iter().map(|line| line.clone().into().escape_ascii().to_string()).collect();
    let answer = shop.ask(&Request::get("/cart").lines(lines));
    assert_eq!((answer.status, answer.text().as_str()), (200, cart), "{shown:?} should open the good session");
}

/// Every order of these cookies, each as one header line and as one line per cookie.
fn arrangements(pairs: &[String]) -> Vec<Vec<String>> {
    let orders = orders(pairs);
    let joined = orders.iter().map(|order| vec![order.join("; ")]);
    joined.chain(orders.iter().cloned()).collect()
}

fn orders(pairs: &[String]) -> Vec<Vec<String>> {
    if pairs.len() < 2 {
        return vec![pairs.to_vec()];
    }
    let mut all = Vec::new();
    for at in 0..pairs.len() {
        let mut rest = pairs.to_vec();
        let first = rest.remove(at);
        all.extend(orders(&rest).into_iter().map(|rest| [vec![first.clone()], rest].concat()));
    }
    all
}

/// B47, C01: a visitor without a cookie reads, and nothing is stored or set.
#[test]
fn reading_without_a_cookie_stores_nothing() {
    let host = Host::new();
    let shop = open(&host);
    shop.visitor(1);
    let before = host.rows();
    assert!(!before.is_empty(), "the visitor should have a record");
    for path in ["/cart", "/prefs", "/whoami"] {
        shop.ask(&Request::get(path)).expect_silent(200);
    }
    assert_eq!(host.rows(), before, "reading without a cookie changed the store");
}

/// B15, B16, C02: an id that was never issued is anonymous and is not adopted.
#[test]
fn an_unknown_id_is_not_adopted() {
    let host = Host::new();
    let shop = open(&host);
    let known = shop.visitor(1);
    let before = host.rows();
    let mut random = Random::seeded("an_unknown_id_is_not_adopted");
    for _ in 0..20 {
        let unknown = known.with_value(encode(&random.bytes()));
        shop.assert_anonymous(&unknown);
        assert_eq!(host.rows(), before, "reading with an unknown id changed the store");
    }
    let unknown = known.with_value(encode(&random.bytes()));
    let answer = shop.post("/cart/add/7", &unknown).expect(200);
    let new = answer.new_cookie();
    assert_ne!(new.key(), unknown.key(), "the visitor's own id was adopted");
    assert_ne!(new.secret(), unknown.secret(), "the visitor's own secret was adopted");
    assert_eq!(shop.cart(&new), r#"{"7":1}"#);
    shop.assert_anonymous(&unknown);
}

/// C02: the key of a session with another secret opens nothing, changes nothing, ends nothing.
#[test]
fn a_right_key_with_a_wrong_secret_is_unknown() {
    let host = Host::new();
    let shop = open(&host);
    let victim = shop.visitor(7);
    let before = host.rows();
    let mut random = Random::seeded("a_right_key_with_a_wrong_secret_is_unknown");
    let mut forged = victim.bytes();
    forged[16..].copy_from_slice(&random.bytes()[16..]);
    let mut one_bit = victim.bytes();
    one_bit[31] ^= 1;
    for forged in [forged, one_bit].map(|bytes| victim.with_value(encode(&bytes))) {
        shop.assert_anonymous(&forged);
        shop.post("/logout", &forged).expect_silent(204);
        assert_eq!(host.rows(), before, "a wrong secret changed the store");
        let new = shop.post("/cart/add/9", &forged).expect(200).new_cookie();
        assert_ne!(new.key(), victim.key(), "a wrong secret wrote into the session");
        shop.post("/logout", &new).expect(204);
    }
    assert_eq!(shop.cart(&victim), r#"{"7":1}"#);
}

/// B17, B18, C03: what is no id at all costs no row, no cookie and no 5xx.
#[test]
fn a_malformed_id_is_anonymous() {
    let host = Host::new();
    let mut shop = open(&host);
    let known = shop.visitor(1);
    let before = host.rows();
    let malformed = [
        known.value[..42].to_owned(),
        format!("{}A", known.value),
        format!("{0}{0}", known.value),
        known.value[..22].to_owned(),
        "0".to_owned(),
        "00000000-0000-4000-8000-000000000000".to_owned(),
        "../../etc/passwd".to_owned(),
        "' OR 1=1--".to_owned(),
        "\" OR \"\"=\"".to_owned(),
        "*".to_owned(),
        "%".to_owned(),
        "{".to_owned(),
        "null".to_owned(),
        "%00".to_owned(),
        "é".repeat(43),
        "!".repeat(43),
        "A".repeat(4096),
    ];
    for value in malformed {
        assert_opens_nothing(&shop, &[format!("{NAME}={value}")]);
        assert_eq!(host.rows(), before, "the id {value:?} changed the store");
        shop.ask(&Request::post("/logout").line(format!("{NAME}={value}"))).expect_silent(204);
        assert_eq!(host.rows(), before, "a logout with the id {value:?} changed the store");
        let new = shop.ask(&Request::post("/cart/add/7").line(format!("{NAME}={value}"))).expect(200).new_cookie();
        assert_eq!(new.value.len(), 43, "a write with the id {value:?} should start a session of its own");
        shop.post("/logout", &new).expect(204);
    }
    shop.assert_running();
}

/// C04, C36: only the text that was issued opens the session, no other spelling of its bytes.
#[test]
fn another_spelling_of_the_id_is_anonymous() {
    let host = Host::new();
    let shop = open(&host);
    let mut spellings = Vec::new();
    let cookie = shop.visitor(7);
    spellings.extend(with_spare_bits(&cookie.value));
    let value = &cookie.value;
    spellings.extend([format!("{value}="), format!("{value}=="), value.to_uppercase(), value.to_lowercase()]);
    spellings.extend([format!("%{:02X}{}", value.as_bytes()[0], &value[1..]), format!("\"{value}\"")]);
    assert_opens(&shop, &[cookie.pair()], r#"{"7":1}"#);
    // Ids with a `-` and with a `_` come sooner or later.
    let with = |letter| (0..200).map(|_| shop.visitor(7)).find(|cookie| cookie.value.contains(letter)).unwrap();
    let (dash, line) = (with('-'), with('_'));
    spellings.extend([dash.value.replace('-', "+"), line.value.replace('_', "/")]);
    assert_opens(&shop, &[dash.pair()], r#"{"7":1}"#);
    for spelling in spellings {
        assert_opens_nothing(&shop, &[cookie.with_value(spelling).pair()]);
    }
}

/// C05, C06, C09: a name that only looks like `__Host-Http-id` is another cookie.
#[test]
fn a_look_alike_alone_is_anonymous() {
    let host = Host::new();
    let shop = open(&host);
    let planted = shop.visitor(666);
    for name in LOOK_ALIKES {
        assert_opens_nothing(&shop, &[named(name, &planted)]);
        // Not at the line's end or start either, where HTTP trims.
        assert_opens_nothing(&shop, &[format!("theme=dark; {}; lang=de", named(name, &planted))]);
        let new = shop.ask(&Request::post("/cart/add/7").line(named(name, &planted))).expect(200).new_cookie();
        assert_ne!(new.key(), planted.key(), "a write through {name:?} reached the planted session");
    }
    assert_eq!(shop.cart(&planted), r#"{"666":1}"#);
}

/// C05, C06, C09: beside the good cookie a look-alike neither wins nor locks the visitor out.
#[test]
fn a_look_alike_beside_the_good_cookie_changes_nothing() {
    let host = Host::new();
    let shop = open(&host);
    let planted = shop.visitor(666);
    let good = shop.visitor(7);
    for name in LOOK_ALIKES {
        let pairs = [named(name, &planted), good.pair(), "theme=dark".to_owned()];
        for lines in arrangements(&pairs) {
            assert_opens(&shop, &lines, r#"{"7":1}"#);
        }
    }
}

/// C06: RFC 6265bis gives a cookie's name no tab, and `__Host-Http-id` is compared byte for byte.
#[test]
fn a_tab_before_the_name_makes_another_cookie() {
    let host = Host::new();
    let shop = open(&host);
    let planted = shop.visitor(666);
    let good = shop.visitor(7);
    let tabbed = format!("\t{}", planted.pair());
    assert_opens_nothing(&shop, &[format!("theme=dark; {tabbed}")]);
    for line in [format!("theme=dark; {tabbed}; {}", good.pair()), format!("{}; {tabbed}", good.pair())] {
        assert_opens(&shop, &[line], r#"{"7":1}"#);
    }
}

/// C06: a control character in the header is refused, or makes another cookie.
#[test]
fn a_control_character_in_the_name_is_refused_or_another_cookie() {
    let host = Host::new();
    let mut shop = open(&host);
    let planted = shop.visitor(666);
    let good = shop.visitor(7);
    for name in CONTROL {
        let alone = shop.ask(&Request::get("/cart").line(named(name, &planted)));
        assert!(matches!((alone.status, alone.text().as_str()), (400, _) | (200, "{}")), "{name:?}: {alone:?}");
        for lines in arrangements(&[named(name, &planted), good.pair()]) {
            let answer = shop.ask(&Request::get("/cart").lines(&lines));
            let fine = matches!((answer.status, answer.text().as_str()), (400, _) | (200, r#"{"7":1}"#));
            assert!(fine, "{name:?}: {answer:?}");
        }
    }
    shop.assert_running();
}

/// C08: two cookies of the name are no session, whatever they hold and in whatever order they come.
#[test]
fn two_cookies_of_the_name_make_none() {
    let host = Host::new();
    let shop = open(&host);
    let good = shop.visitor(7);
    let planted = shop.visitor(666);
    let unknown = good.with_value(encode(&[9; 32]));
    let malformed = good.with_value("x");
    let empty = good.with_value("");
    for other in [&good, &planted, &unknown, &malformed, &empty] {
        for lines in arrangements(&[good.pair(), other.pair()]) {
            assert_opens_nothing(&shop, &lines);
        }
    }
    // The good one first, in the middle and last; other cookies in between.
    for lines in arrangements(&[planted.pair(), good.pair(), planted.pair(), "theme=dark".to_owned()]) {
        assert_opens_nothing(&shop, &lines);
    }
    assert_eq!(shop.cart(&good), r#"{"7":1}"#, "the session itself should be unharmed");
}

/// C08: a write or a logout with two cookies of the name reaches neither session.
#[test]
fn two_cookies_of_the_name_write_to_neither() {
    let host = Host::new();
    let shop = open(&host);
    let good = shop.visitor(7);
    let planted = shop.visitor(666);
    for lines in arrangements(&[good.pair(), planted.pair()]) {
        let new = shop.ask(&Request::post("/cart/add/9").lines(&lines)).expect(200).new_cookie();
        assert!(new.key() != good.key() && new.key() != planted.key(), "{lines:?} wrote to one of the two");
        shop.ask(&Request::post("/logout").lines(&lines)).expect_silent(204);
        assert_eq!(shop.cart(&new), r#"{"9":1}"#);
    }
    assert_eq!(shop.cart(&good), r#"{"7":1}"#);
    assert_eq!(shop.cart(&planted), r#"{"666":1}"#);
}

/// C10: pairs without a name, without `=`, without a value, with a quoted value.
#[test]
fn an_odd_pair_is_anonymous() {
    let host = Host::new();
    let mut shop = open(&host);
    let good = shop.visitor(7);
    let odd = [
        format!("={}", good.pair()),
        NAME.to_owned(),
        format!("{NAME}="),
        format!("{NAME}=\"{}\"", good.value),
        format!("{NAME}=={}", good.value),
        format!("{NAME}{}", good.value),
        good.value.clone(),
        String::new(),
        ";".repeat(2000),
        "=".repeat(2000),
        format!(";;;{NAME};;;"),
    ];
    for pair in odd {
        assert_opens_nothing(&shop, &[pair]);
    }
    // Nameless cookies are others' cookies: they do not lock the visitor out.
    for other in [format!("=__Host-Http-id={}", encode(&[9; 32])), NAME.to_owned(), ";;".to_owned()] {
        for lines in arrangements(&[other, good.pair()]) {
            assert_opens(&shop, &lines, r#"{"7":1}"#);
        }
    }
    shop.assert_running();
}

/// C10b: rocket drops a header line that is not UTF-8; the visitor is anonymous then, and nothing breaks.
#[test]
fn a_byte_that_is_not_utf8_beside_the_cookie_makes_it_anonymous() {
    let host = Host::new();
    let mut shop = open(&host);
    let good = shop.visitor(7);
    let broken = b"city=K\xf6ln".to_vec();
    let pair = good.pair().into_bytes();
    assert_opens_nothing(&shop, &[[&broken[..], b"; ", &pair].concat()]);
    assert_opens_nothing(&shop, &[[&pair[..], b"; ", &broken].concat()]);
    assert_opens_nothing(&shop, &[[b"\xa0", &pair[..]].concat()]);
    // In a line of its own it does not touch the session cookie.
    assert_opens(&shop, &[broken.clone(), pair.clone()], r#"{"7":1}"#);
    assert_opens(&shop, &[pair, broken], r#"{"7":1}"#);
    shop.assert_running();
}

/// C11: an id chosen by the attacker and never issued does not become the victim's.
#[test]
fn a_login_does_not_adopt_a_chosen_id() {
    let host = Host::new();
    let shop = open(&host);
    let chosen = Cookie { name: NAME.to_owned(), value: encode(&[42; 32]) };
    let victim = shop.post("/login/victim", &chosen).expect(204).new_cookie();
    assert_ne!(victim.key(), chosen.key());
    assert_ne!(victim.secret(), chosen.secret());
    assert_eq!(shop.user(&victim).as_deref(), Some("victim"));
    shop.assert_anonymous(&chosen);
}

/// C12: the attacker's own valid session, planted before the login, gives access to nothing afterwards.
#[test]
fn a_planted_session_is_worthless_after_the_login() {
    let host = Host::new();
    let shop = open(&host);
    let planted = shop.visitor(666);
    shop.post("/prefs/lang/de", &planted).expect_silent(204);
    let victim = shop.post("/login/victim", &planted).expect(204).new_cookie();
    assert_ne!(victim.value, planted.value, "the login kept the planted id");
    assert_ne!(victim.secret(), planted.secret(), "the login kept the planted secret");
    assert_eq!(shop.cart(&victim), r#"{"666":1}"#, "a login keeps the cart");
    assert_eq!(shop.get("/prefs/lang", &victim).expect_silent(200).text(), "de");
    assert_eq!(shop.user(&victim).as_deref(), Some("victim"));

    // The attacker tries everything that the shop offers.
    shop.assert_anonymous(&planted);
    shop.get("/prefs/lang", &planted).expect_silent(404);
    shop.post("/logout", &planted).expect_silent(204);
    for path in ["/cart/add/13", "/cart/remove/666", "/cart/clear", "/prefs/lang/xx"] {
        let answer = shop.post(path, &planted);
        assert!(answer.status < 500, "{path}: {answer:?}");
        let reached = answer.set_cookies().iter().any(|line| Cookie::of(line).key() == victim.key());
        assert!(!reached, "{path} with the planted cookie gives out the victim's session: {answer:?}");
    }
    assert_eq!(shop.cart(&victim), r#"{"666":1}"#, "the attacker changed the victim's cart");
    assert_eq!(shop.get("/prefs/lang", &victim).expect_silent(200).text(), "de");
    assert_eq!(shop.user(&victim).as_deref(), Some("victim"), "the attacker ended the victim's session");
}
