use super::*;
use crate::clock::Timestamp;
use crate::id::SecretHash;
use crate::record::expiry::StoredExpiry;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn config() -> CookieConfig {
    CookieConfig::new().name("id")
}

fn rules(config: &CookieConfig) -> CookieRules {
    config.resolve(true).unwrap()
}

fn found(lines: &[&str]) -> Result<Option<String>, usize> {
    match rules(&config()).find(lines.iter().copied()) {
        Found::Nothing => Ok(None),
        Found::One(value) => Ok(Some(value.to_owned())),
        Found::Several => Err(2),
    }
}

fn head(expiry: StoredExpiry, left: Duration) -> Head {
    Head {
        created: NOW,
        touched: NOW,
        idle_deadline: NOW.after(left),
        absolute_deadline: NOW.after(left),
        expiry,
        secret: SecretHash::from_bytes([1; 32]),
        secret_since: NOW,
        previous: None,
        generation: 0,
        generation_since: None,
        revision: 0,
    }
}

fn header(command: &CookieCommand) -> &str {
    command.header().unwrap()
}

/// Names that begin or end like the configured one, differ in case, or come with quotes or other white space are not
/// found.
#[test]
fn only_the_exact_name_is_found() {
    for line in ["id=x", "a=b; id=x", "a=b;id=x", "id=x; a=b", "id=x;a=b", ";;id=x;;", "a; =b; id=x", " id=x"] {
        assert_eq!(found(&[line]), Ok(Some("x".into())), "{line}");
    }
    let others = [
        "",
        "id",
        "id ",
        "ID=x",
        "Id=x",
        "iD=x",
        "idx=x",
        "id2=x",
        "xid=x",
        "=id=x",
        "id =x",
        "id\t=x",
        "\tid=x",
        "a=b; \tid=x",
        "  id=x",
        "a=b;  id=x",
        "\"id\"=x",
        "%69d=x",
        "a=b, id=x",
        "a=id=x",
        "__Host-Http-id=x",
        "id:x",
    ];
    for line in others {
        assert_eq!(found(&[line]), Ok(None), "{line}");
    }
}

/// The value is the text between `=` and `;`: it is not trimmed, decoded or unquoted.
#[test]
fn a_value_is_taken_as_it_stands() {
    for value in ["", "=", "x=y", "\"x\"", " x", "x ", "%41", "x,y", "x\ty"] {
        assert_eq!(found(&[&format!("a=b; id={value}; c=d")]), Ok(Some(value.into())), "{value}");
    }
}

/// Two cookies with the name count as none, in one header line or in two, usable or not: their order has no meaning.
#[test]
fn two_cookies_of_the_name_are_several() {
    let values = ["x", "x", "", "=", "y", "\"x\""];
    for one in values {
        for two in values {
            let (one, two) = (format!("id={one}"), format!("id={two}"));
            for lines in [
                vec![format!("{one}; {two}")],
                vec![format!("{one};{two}")],
                vec![format!("{one}; a=b; {two}")],
                vec![one.clone(), two.clone()],
                vec![format!("a=b; {one}"), "c=d".into(), format!("{two}; e=f")],
                vec![one.clone(), two.clone(), one.clone()],
                vec![one.clone(), two.clone(), one.clone(), two.clone()],
            ] {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                assert_eq!(found(&lines), Err(2), "{lines:?}");
            }
        }
    }
    assert_eq!(found(&["id=x", "ID=y; id =z"]), Ok(Some("x".into())), "a look-alike is another cookie");
    assert_eq!(found(&[]), Ok(None));
}

#[test]
fn a_header_that_holds_no_id_is_unusable() {
    let id = crate::id::SessionId::new(crate::id::Random::default()).unwrap().to_cookie();
    assert!(matches!(Presented::from(Found::Nothing), Presented::Nothing));
    assert!(matches!(Presented::from(Found::Several), Presented::Unusable));
    assert!(matches!(Presented::from(Found::One("x")), Presented::Unusable));
    assert!(matches!(Presented::from(Found::One("")), Presented::Unusable));
    assert!(matches!(Presented::from(Found::One(&id)), Presented::Id(presented) if presented.to_cookie() == id));
}

/// Zero would remove the cookie of a live session. Browsers keep no cookie for more than 400 days (RFC 6265bis section
/// 5.6.2), and some drop a cookie with a longer age.
#[test]
fn max_age_is_what_is_left_and_neither_zero_nor_over_400_days() {
    const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    for (left, seconds) in [
        (Duration::ZERO, 1),
        (Duration::from_millis(1), 1),
        (Duration::from_millis(999), 1),
        (Duration::from_secs(1), 1),
        (Duration::from_millis(1999), 1),
        (Duration::from_secs(2), 2),
        (Duration::from_millis(3_599_999), 3599),
        (DAY, 86_400),
        (Duration::from_millis(34_559_999_999), 34_559_999),
        (400 * DAY, 34_560_000),
        (401 * DAY, 34_560_000),
        (YEARS, 34_560_000),
    ] {
        let persistent = rules(&config().persistent(true));
        let age = format!("id=v; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}");
        assert_eq!(header(&persistent.set("v", &head(StoredExpiry::Default, left), NOW)), age);
        for choice in [StoredExpiry::After { millis: 1 }, StoredExpiry::At(NOW)] {
            assert_eq!(header(&rules(&config()).set("v", &head(choice, left), NOW)), age, "{choice:?}");
        }
    }
    let past = rules(&config().persistent(true)).set("v", &head(StoredExpiry::Default, DAY), NOW.after(2 * DAY));
    assert!(header(&past).ends_with("; Max-Age=1"), "{past:?}");
}

#[test]
fn a_cookie_that_ends_with_the_browser_has_no_age() {
    let bare = "id=v; Path=/; HttpOnly; SameSite=Lax";
    assert_eq!(header(&rules(&config()).set("v", &head(StoredExpiry::Default, DAY), NOW)), bare);
    for persistent in [true, false] {
        let rules = rules(&config().persistent(persistent));
        assert_eq!(header(&rules.set("v", &head(StoredExpiry::BrowserClose, DAY), NOW)), bare);
    }
}

/// A browser removes the cookie with the name, domain and path of the removal, and accepts the removal only where it
/// would accept such a cookie. So everything but value and age is the same, persistent or not.
#[test]
fn a_removal_has_every_attribute_of_the_cookie() {
    let configs = [
        (config(), "; Path=/; HttpOnly; SameSite=Lax"),
        (config().path("/shop"), "; Path=/shop; HttpOnly; SameSite=Lax"),
        (config().domain("example.org"), "; Domain=example.org; Path=/; HttpOnly; SameSite=Lax"),
        (config().secure(true), "; Path=/; Secure; HttpOnly; SameSite=Lax"),
        (config().same_site(SameSite::Strict), "; Path=/; HttpOnly; SameSite=Strict"),
        (config().secure(true).same_site(SameSite::None), "; Path=/; Secure; HttpOnly; SameSite=None"),
        (
            config().domain(".example.org").path("/a b").secure(true).same_site(SameSite::Strict),
            "; Domain=.example.org; Path=/a b; Secure; HttpOnly; SameSite=Strict",
        ),
    ];
    for (config, attributes) in configs {
        for persistent in [true, false] {
            let rules = rules(&config.clone().persistent(persistent));
            assert_eq!(header(&rules.remove()), format!("id={attributes}; Max-Age=0"));
            let set = rules.set("v", &head(StoredExpiry::Default, DAY), NOW);
            let age = if persistent { "; Max-Age=86400" } else { "" };
            assert_eq!(header(&set), format!("id=v{attributes}{age}"));
            assert!(matches!((set, rules.remove()), (CookieCommand::Set(_), CookieCommand::Remove(_))));
        }
    }
}

#[test]
fn secure_is_on_unless_plain_http_is_allowed_or_it_is_asked_for() {
    for (config, insecure, secure) in
        [(config(), false, true), (config(), true, false), (config().secure(true), true, true)]
    {
        let rules = config.resolve(insecure).unwrap();
        assert_eq!((rules.secure, header(&rules.remove()).contains("; Secure;")), (secure, secure));
    }
    assert!(config().secure(false).resolve(false).is_err());
    assert!(config().secure(false).resolve(true).is_ok());
}

/// Prefixes of cookie names that require certain settings, each with settings that break the requirement.
#[test]
fn a_prefix_holds_the_settings_to_its_promise() {
    for name in ["__Host-Http-id", "__host-http-id", "__Host-id", "__HOST-id", "__Host-"] {
        let host = CookieConfig::new().name(name);
        assert!(host.resolve(false).is_ok(), "{name}");
        let wrong = [host.clone().secure(false), host.clone().domain("a.org"), host.clone().path("/a"), host.path("")];
        for (at, wrong) in wrong.iter().enumerate() {
            assert_eq!(wrong.resolve(true).unwrap_err().kind(), ErrorKind::Config, "{name} {at}");
        }
    }
    for name in ["__Secure-id", "__secure-id", "__Http-id", "__http-id"] {
        let secure = CookieConfig::new().name(name).domain("a.org").path("/a");
        assert!(secure.resolve(false).is_ok() && secure.secure(false).resolve(true).is_err(), "{name}");
    }
    for name in ["__Hos", "__Host", "__Http", "_Host-id", "x__Host-Http-id"] {
        assert!(CookieConfig::new().name(name).path("/a").secure(false).resolve(true).is_ok(), "{name}");
    }
    let none = config().same_site(SameSite::None);
    assert!(none.clone().secure(false).resolve(true).is_err() && none.secure(true).resolve(true).is_ok());
}

#[test]
fn settings_that_would_break_the_header_are_refused() {
    let names = [
        "", " ", "a b", "a=b", "a;b", "a,b", "a\"b", "a\tb", "a\0", "ä", "a(b", "a/b", "a:b", "a@b", "a[b", "a{b",
        "\u{7f}",
    ];
    for name in names {
        assert!(config().name(name).resolve(true).is_err(), "{name:?}");
    }
    for name in ["a", "Z9", "!#$%&'*+-.^_`|~"] {
        assert!(config().name(name).resolve(true).is_ok(), "{name:?}");
    }
    for path in ["", "a", "a/", "/;", "/a;b", "/\u{1f}", "/\u{7f}", "/\u{80}", "/\r\n"] {
        assert!(config().path(path).resolve(true).is_err(), "{path:?}");
    }
    for path in ["/", "/ ", "/~", "/a/b", "/a,b=c"] {
        assert!(config().path(path).resolve(true).is_ok(), "{path:?}");
    }
    let long = "a".repeat(64);
    let domains = ["", ".", "..a", "a..b", "a.", "a b", "a;b", "a_b", "a/b", "a:80", "ä.org", "*.a", &long];
    for domain in domains {
        assert!(config().domain(domain).resolve(true).is_err(), "{domain:?}");
    }
    for domain in ["a", ".a", "A-1.example.org", ".example.org", &long[1..], "xn--4ca.org"] {
        assert!(config().domain(domain).resolve(true).is_ok(), "{domain:?}");
    }
}

#[test]
fn a_command_is_a_header_or_none() {
    let (set, remove) = (CookieCommand::Set("a".into()), CookieCommand::Remove("b".into()));
    assert_eq!([&CookieCommand::Keep, &set, &remove].map(CookieCommand::header), [None, Some("a"), Some("b")]);
    assert_eq!(format!("{:?} {set:?} {remove:?}", CookieCommand::default()), "Keep Set(…) Remove(…)");
}
