//! Tests of the page and its forms, from a browser without scripts.

use session_runtime::Sessions;

use super::*;
use crate::session::NoticeSession;

const STYLE: &str = include_str!("../style.css");

/// Opening tag of the element with this id.
#[track_caller]
fn tag<'h>(html: &'h str, id: &str) -> &'h str {
    let at = html.find(&format!(r#" id="{id}""#)).unwrap_or_else(|| panic!("no element {id} in {html}"));
    let start = html[..at].rfind('<').unwrap();
    &html[start..=at + html[at..].find('>').unwrap()]
}

/// Text of the notice; empty if there is none.
fn notice(html: &str) -> &str {
    html.split_once(r#"<p class="notice" role="status">"#).unwrap().1.split_once("</p>").unwrap().0
}

/// Sends a form, follows the redirect, and checks that it leads to an element that takes the focus.
#[track_caller]
fn send_and_follow(browser: &Client, path: &str, form: &str, target: &str) -> String {
    assert_eq!(send(browser, path, form), format!("/#{target}"), "{path} {form}");
    let html = get(browser, "/");
    let tag = tag(&html, target);
    let takes_focus = ["<button", "<input"].iter().any(|name| tag.starts_with(name)) || tag.contains("tabindex");
    assert!(takes_focus, "{tag}");
    html
}

#[test]
fn it_loads_nothing_from_elsewhere() {
    let browser = browser();
    let response = browser.get("/").dispatch();
    let policy = response.headers().get_one("Content-Security-Policy").unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"));
    let html = response.into_string().unwrap();
    assert!(!html.contains("<script") && !html.contains("http"));
    assert!(get(&browser, "/style.css").contains("prefers-color-scheme"));
}

#[test]
fn forms_change_the_cart() {
    let browser = browser();
    for product in [1, 1, 3, 77] {
        send(&browser, "/shop/add", &format!("product={product}"));
    }
    send(&browser, "/shop/more", "product=1");
    send(&browser, "/shop/less", "product=1");
    send(&browser, "/shop/less", "product=3");
    assert_eq!(get(&browser, "/cart"), r#"{"1":2,"77":1}"#);
    assert!(get(&browser, "/").contains("Product 77"));
    send(&browser, "/shop/remove", "product=77");
    assert_eq!(get(&browser, "/cart"), r#"{"1":2}"#);
    assert!(get(&browser, "/").contains("€37.00"));
    send(&browser, "/shop/clear", "");
    assert_eq!(get(&browser, "/cart"), "{}");
}

#[test]
fn a_redirect_leads_back_to_the_control_that_was_used() {
    let browser = browser();
    for (path, form, target) in [
        ("/shop/add", "product=1", "product-1"),
        ("/shop/more", "product=1", "more-1"),
        ("/shop/less", "product=1", "less-1"),
        ("/shop/less", "product=1", "cart"),
        ("/shop/currency", "currency=Usd", "Usd"),
        ("/shop/add", "product=6", "product-6"),
        ("/shop/remove", "product=6", "cart"),
        ("/shop/add", "product=6", "product-6"),
        ("/shop/coupon", "coupon=spring", "coupon"),
        ("/shop/no-coupon", "", "coupon"),
        ("/shop/coupon", "coupon=none", "coupon"),
        ("/shop/clear", "", "cart"),
        ("/shop/login", "user=+", "user"),
        ("/shop/login", "user=Ann", "account"),
        ("/shop/logout", "", "user"),
    ] {
        send_and_follow(&browser, path, form, target);
    }
}

#[test]
fn the_header_counts_the_pieces_and_links_to_the_cart() {
    let browser = browser();
    let header = |pieces: u32| {
        format!(r##"<a class="to-cart" href="#cart">Your cart <span class="pieces">{pieces}</span></a>"##)
    };
    assert!(get(&browser, "/").contains(&header(0)));
    for product in [1, 1, 4] {
        send(&browser, "/shop/add", &format!("product={product}"));
    }
    let html = get(&browser, "/");
    let (before, after) = html.split_once("</header>").unwrap();
    assert!(before.contains(&header(3)), "{before}");
    assert!(after.contains(r#"id="cart""#));
}

#[test]
fn a_notice_is_shown_once() {
    let browser = browser();
    let html = send_and_follow(&browser, "/shop/add", "product=5", "product-5");
    assert_eq!(notice(&html), "Potted fig: 1 in your cart. ");
    assert!(html.contains("<title>Potted fig: 1 in your cart. Desk"), "screen readers read the title first");
    assert_eq!(notice(&get(&browser, "/")), "");
    let html = send_and_follow(&browser, "/shop/less", "product=5", "cart");
    assert_eq!(notice(&html), "Potted fig: not in your cart any more. ");
    assert_eq!(notice(&get(&browser, "/")), "");
}

/// Both tabs send a form before either follows its redirect.
#[test]
fn a_second_tab_overwrites_no_notice() {
    let browser = browser();
    send(&browser, "/shop/add", "product=1");
    send(&browser, "/shop/coupon", "coupon=none");
    send(&browser, "/shop/add", "product=5");
    let html = get(&browser, "/");
    assert_eq!(notice(&html), "Stoneware mug: 1 in your cart. Potted fig: 1 in your cart. ");
    assert!(tag(&html, "coupon").contains(r#"aria-invalid="true""#));
    assert_eq!(notice(&get(&browser, "/")), "");
}

/// The form of a second tab is stored between the load and the save of the page in the first tab.
#[test]
fn a_page_takes_the_notices_that_it_shows_and_no_other() {
    let browser = browser();
    send(&browser, "/shop/add", "product=1");
    let cookie = format!("id={}", id(&browser).unwrap());
    let sessions = Sessions::fetch(browser.rocket()).unwrap();
    rocket::execute(async {
        let page = sessions.open([cookie.as_str()]);
        page.write::<NoticeSession>().await.unwrap().take_changed();
        let form = sessions.open([cookie.as_str()]);
        form.write::<NoticeSession>().await.unwrap().changed_mut().insert(5);
        assert!(form.finish(200).await.error.is_none());
        assert!(page.finish(200).await.error.is_none());
    });
    assert_eq!(notice(&get(&browser, "/")), "Potted fig: not in your cart any more. ");
}

/// In an earlier version the address carried the notice, and anyone could write such an address.
#[test]
fn the_address_sets_no_notice() {
    for word in ["coupon", "goodbye", "%3Cb%3EYou+won%3C/b%3E"] {
        let html = get(&browser(), &format!("/?notice={word}"));
        assert!(notice(&html).is_empty() && !html.contains("You won") && !html.contains("aria-invalid"));
    }
}

#[test]
fn a_coupon_counts_in_any_case() {
    for coupon in ["SPRING", "spring", "+Spring+"] {
        let browser = browser();
        send(&browser, "/shop/add", "product=1");
        let html = send_and_follow(&browser, "/shop/coupon", &format!("coupon={coupon}"), "coupon");
        assert!(html.contains("<strong>SPRING</strong>, 10 % off: −€1.85"), "{coupon}");
        assert!(html.contains("€16.65"), "{coupon}");
        send(&browser, "/shop/no-coupon", "");
        assert!(!get(&browser, "/").contains("% off"), "{coupon}");
    }
}

#[test]
fn an_unknown_coupon_is_refused_at_its_field() {
    for coupon in ["sprng", "SPRING1", "", "+", "%C5%BFPRING"] {
        let browser = browser();
        send(&browser, "/shop/add", "product=1");
        let html = send_and_follow(&browser, "/shop/coupon", &format!("coupon={coupon}"), "coupon");
        let field = tag(&html, "coupon");
        assert!(field.contains(r#"aria-invalid="true" aria-describedby="coupon-mistake""#), "{field}");
        assert!(html.contains(r#"id="coupon-mistake">This is not one of our coupons.</p>"#));
        let html = get(&browser, "/");
        assert!(!html.contains("aria-invalid") && !html.contains("mistake") && html.contains("€18.50</strong>"));
    }
}

#[test]
fn a_refused_coupon_leaves_the_one_before() {
    let browser = browser();
    send(&browser, "/shop/coupon", "coupon=friends");
    send(&browser, "/shop/coupon", "coupon=none");
    assert!(get(&browser, "/").contains("<strong>FRIENDS</strong>, 25 % off"));
}

#[test]
fn a_refused_text_stays_in_its_field_for_correction() {
    let browser = browser();
    let long = "x".repeat(41);
    let html = send_and_follow(&browser, "/shop/login", &format!("user={long}"), "user");
    let field = tag(&html, "user");
    assert!(field.contains(&format!(r#"value="{}""#, &long[1..])), "as much as the field holds: {field}");
    assert!(field.contains(r#"aria-invalid="true" aria-describedby="user-mistake""#), "{field}");
    assert!(html.contains(r#"id="user-mistake">Please give a name of 1 to 40 letters.</p>"#));
    assert_eq!(get(&browser, "/whoami"), r#"{"user":null}"#);
    let html = send_and_follow(&browser, "/shop/coupon", "coupon=sprng", "coupon");
    assert!(tag(&html, "coupon").contains(r#"value="sprng""#));
}

#[test]
fn every_field_has_a_label() {
    let browser = browser();
    send(&browser, "/shop/add", "product=1");
    let html = get(&browser, "/");
    for id in ["user", "coupon"] {
        assert!(tag(&html, id).starts_with("<input") && html.contains(&format!(r#"<label for="{id}">"#)));
    }
    let shown = html.matches("<input").count() - html.matches(r#"<input type="hidden""#).count();
    assert_eq!(shown, html.matches("<label").count());
}

#[test]
fn prices_follow_the_currency() {
    let browser = browser();
    assert!(get(&browser, "/").contains("€18.50"));
    send(&browser, "/shop/currency", "currency=Usd");
    assert!(get(&browser, "/").contains("$19.90"));
}

#[test]
fn the_page_shows_the_user() {
    let browser = browser();
    assert!(get(&browser, "/").contains("Nothing is stored about you"));
    send(&browser, "/shop/login", "user=Ann");
    let html = get(&browser, "/");
    assert!(html.contains("Logged in as <strong>Ann</strong>") && html.contains("<dt>Key"));
}

/// The first user also leaves a notice that no page has shown.
#[test]
fn a_logout_leaves_nothing_for_the_next_user() {
    let browser = browser();
    let fresh = get(&browser, "/");
    send(&browser, "/shop/login", "user=Ann");
    send(&browser, "/shop/add", "product=1");
    send(&browser, "/shop/currency", "currency=Usd");
    send(&browser, "/shop/coupon", "coupon=Anns+secret");
    post(&browser, "/prefs/theme/dark");
    send(&browser, "/shop/logout", "");
    assert_eq!(get(&browser, "/"), fresh);
    send(&browser, "/shop/login", "user=Bob");
    let html = get(&browser, "/");
    assert!(html.contains("<strong>Bob</strong>") && html.contains("Nothing in here yet"));
    for word in ["Ann", "secret", "mug:", "$", "theme"] {
        assert!(!html.contains(word), "{word}");
    }
}

#[test]
fn no_copy_of_the_page_is_kept() {
    let browser = browser();
    for path in ["/shop/login", "/shop/logout"] {
        assert_eq!(browser.get("/").dispatch().headers().get_one("Cache-Control"), Some("no-store"));
        send(&browser, path, "user=Ann");
    }
}

#[test]
fn visitor_input_is_shown_as_text() {
    let browser = browser();
    send(&browser, "/shop/login", "user=%3Cb%3E%22Ann%22%26%27");
    send(&browser, "/shop/coupon", "coupon=%3Ci+a%3D%27%22%3E");
    post(&browser, "/prefs/%3Cu%3E/%3Cs%3E");
    let html = get(&browser, "/");
    assert!(html.contains("<strong>&lt;b&gt;&quot;Ann&quot;&amp;&#39;</strong>"));
    assert!(html.contains(r#"value="&lt;i a=&#39;&quot;&gt;""#));
    assert!(html.contains("Preference &lt;u&gt;</dt><dd>&lt;s&gt;</dd>"));
    for raw in ["<b>", "<i ", "<u>", "<s>"] {
        assert!(!html.contains(raw), "{raw}");
    }
}

/// 44 CSS pixels are 2.75rem.
#[test]
fn buttons_fields_and_links_of_the_header_are_at_least_44_pixels_high() {
    let heights: Vec<_> = STYLE.split("min-height: ").skip(1).map(|rest| rest.split_once("rem").unwrap().0).collect();
    assert!(STYLE.contains("button, input, header a { font: inherit; border-radius: .5rem; min-height: 2.75rem; }"));
    assert!(heights.iter().all(|height| height.parse::<f64>().unwrap() >= 2.75), "{heights:?}");
}

/// Relative luminance of a colour such as `#fff` or `#1f6f5c`: WCAG 2.2, section 6.
fn luminance(hex: &str) -> f64 {
    let digits = hex.len() / 3;
    let channel = |at: usize| {
        let part = hex[at * digits..(at + 1) * digits].repeat(3 - digits);
        let part = f64::from(u8::from_str_radix(&part, 16).unwrap()) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2)
}

/// WCAG 2.2 AA requires 4.5 for text (1.4.3), and 3 for borders of controls and for the focus (1.4.11).
#[test]
fn both_colour_schemes_have_enough_contrast() {
    let (light, dark) = STYLE.split_once("prefers-color-scheme: dark").unwrap();
    for scheme in [light, dark] {
        let colour =
            |name: &str| luminance(scheme.split_once(&format!("--{name}: #")).unwrap().1.split_once(';').unwrap().0);
        for (front, back, least) in [
            ("ink", "page", 4.5),
            ("ink", "card", 4.5),
            ("ink", "tint", 4.5),
            ("soft", "page", 4.5),
            ("soft", "card", 4.5),
            ("mistake", "page", 4.5),
            ("mistake", "card", 4.5),
            ("on-accent", "accent", 4.5),
            ("accent", "page", 3.0),
            ("accent", "card", 3.0),
        ] {
            let (front_light, back_light) = (colour(front), colour(back));
            let ratio = (front_light.max(back_light) + 0.05) / (front_light.min(back_light) + 0.05);
            println!("{front} on {back}: {ratio:.2}");
            assert!(ratio >= least, "{front} on {back}: {ratio:.2}");
        }
    }
}
