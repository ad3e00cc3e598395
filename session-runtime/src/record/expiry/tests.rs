use super::*;
use crate::id::SecretHash;

const MILLI: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn lifetime(touch_every: TouchEvery) -> Lifetime {
    let (absolute, renew_grace) = (1000 * HOUR, Duration::ZERO);
    Lifetime { idle: HOUR, absolute, remember: absolute, touch_every, renew_every: None, renew_grace }
}

fn after(duration: Duration) -> StoredExpiry {
    Expiry::After(duration).into()
}

/// Returns the head of a session that is stored now, under these settings.
fn stored(lifetime: &Lifetime, expiry: StoredExpiry) -> Head {
    let absolute_deadline = lifetime.absolute_deadline(NOW);
    Head {
        created: NOW,
        touched: NOW,
        idle_deadline: lifetime.idle_deadline(expiry, Span { created: NOW, absolute_deadline }, NOW),
        absolute_deadline,
        expiry,
        secret: SecretHash::from_bytes([1; 32]),
        secret_since: NOW,
        previous: None,
        generation: 0,
        generation_since: None,
        revision: 0,
    }
}

#[test]
fn a_choice_decides_the_deadline_and_the_absolute_one_is_its_ceiling() {
    let lifetime = lifetime(TouchEvery::TenthOfIdle);
    let far = NOW.after(1000 * HOUR);
    let at = |moment| StoredExpiry::At(moment);
    for (choice, ends, expires) in [
        (StoredExpiry::Default, far, NOW.after(HOUR)),
        (StoredExpiry::BrowserClose, far, NOW.after(HOUR)),
        (after(MINUTE), far, NOW.after(MINUTE)),
        (after(9 * HOUR), far, NOW.after(9 * HOUR)),
        (at(NOW.after(MINUTE)), far, NOW.after(MINUTE)),
        (at(NOW.before(MINUTE)), far, NOW.before(MINUTE)),
        (StoredExpiry::Default, NOW.after(MINUTE), NOW.after(MINUTE)),
        (StoredExpiry::BrowserClose, NOW.after(MINUTE), NOW.after(MINUTE)),
        (after(HOUR), NOW.after(MINUTE), NOW.after(MINUTE)),
        (after(Duration::MAX), far, far),
        (at(NOW.after(HOUR)), NOW.after(MINUTE), NOW.after(MINUTE)),
    ] {
        assert_eq!(
            lifetime.idle_deadline(choice, Span { created: NOW, absolute_deadline: ends }, NOW),
            expires,
            "{choice:?}"
        );
    }
}

/// The ceiling is `remember` after the creation for a chosen time, `absolute` for the other choices, and the end in the
/// record for all of them.
#[test]
fn each_choice_has_a_ceiling_of_its_own() {
    let lifetime = Lifetime { remember: 2000 * HOUR, ..lifetime(TouchEvery::Off) };
    let created = NOW.before(999 * HOUR + 30 * MINUTE);
    let expires =
        |choice, ends| lifetime.idle_deadline(choice, Span { created, absolute_deadline: ends }, NOW).since(NOW);
    let ends = lifetime.absolute_deadline(created);
    for choice in [StoredExpiry::Default, StoredExpiry::BrowserClose] {
        assert_eq!(expires(choice, ends), 30 * MINUTE, "{choice:?}");
    }
    for choice in [after(2000 * HOUR), StoredExpiry::At(NOW.after(2000 * HOUR))] {
        assert_eq!(expires(choice, ends), 1000 * HOUR + 30 * MINUTE, "{choice:?}");
        assert_eq!(expires(choice, NOW.after(HOUR)), HOUR, "a record of other settings: {choice:?}");
    }
}

/// With a touch period longer than half of the granted idle time, a session in use could expire.
#[test]
fn a_use_moves_the_deadline_once_in_a_period_of_half_the_idle_time_at_most() {
    use TouchEvery::{Period, TenthOfIdle};
    for (touch_every, choice, period) in [
        (TenthOfIdle, StoredExpiry::Default, 6 * MINUTE),
        (TenthOfIdle, StoredExpiry::BrowserClose, 6 * MINUTE),
        (TenthOfIdle, after(10 * MINUTE), MINUTE),
        (TenthOfIdle, after(20 * HOUR), 2 * HOUR),
        (Period(20 * MINUTE), StoredExpiry::Default, 20 * MINUTE),
        (Period(20 * MINUTE), StoredExpiry::BrowserClose, 20 * MINUTE),
        (Period(20 * MINUTE), after(20 * HOUR), 20 * MINUTE),
        (Period(20 * MINUTE), after(10 * MINUTE), 5 * MINUTE),
        (Period(30 * MINUTE), StoredExpiry::Default, 30 * MINUTE),
        (Period(31 * MINUTE), StoredExpiry::Default, 30 * MINUTE),
        (Period(9 * HOUR), StoredExpiry::BrowserClose, 30 * MINUTE),
        (Period(9 * HOUR), after(10 * HOUR), 5 * HOUR),
    ] {
        let lifetime = lifetime(touch_every);
        let head = stored(&lifetime, choice);
        for writes in [false, true] {
            let shown = format!("{touch_every:?} {choice:?} {writes}");
            assert_eq!(lifetime.touch(&head, writes, NOW.after(period).before(MILLI)), None, "{shown}");
            let (now, idle) = (NOW.after(period), head.idle_deadline.since(NOW));
            assert_eq!(lifetime.touch(&head, writes, now), Some(now.after(idle)), "{shown}");
        }
    }
}

/// A chosen moment and the absolute deadline cannot be extended, so there is nothing to write.
#[test]
fn a_chosen_moment_and_the_absolute_deadline_are_not_touched() {
    for touch_every in [TouchEvery::TenthOfIdle, TouchEvery::Period(MILLI), TouchEvery::Off] {
        let lifetime = lifetime(touch_every);
        let at = stored(&lifetime, StoredExpiry::At(NOW.after(9 * HOUR)));
        let ending = Head { absolute_deadline: NOW.after(HOUR), ..stored(&lifetime, StoredExpiry::Default) };
        for (head, minutes) in [(&at, 500), (&ending, 59)] {
            assert_eq!(lifetime.touch(head, true, NOW.after(minutes * MINUTE)), None, "{touch_every:?}");
        }
    }
}

#[test]
fn with_touching_off_a_write_moves_the_deadline_and_a_read_does_not() {
    let lifetime = lifetime(TouchEvery::Off);
    let head = stored(&lifetime, StoredExpiry::Default);
    let now = NOW.after(MILLI);
    assert_eq!(lifetime.touch(&head, true, now), Some(now.after(HOUR)));
    assert_eq!(lifetime.touch(&head, false, NOW.after(HOUR).before(MILLI)), None);
    assert_eq!(lifetime.touch(&head, true, NOW), None, "there is nothing to move");
}

/// After a restart with a longer `idle`, a tenth of it may exceed the remaining time of the session.
#[test]
fn a_session_in_use_outlives_a_longer_idle_time_in_the_settings() {
    let head = stored(&lifetime(TouchEvery::TenthOfIdle), StoredExpiry::Default);
    for touch_every in [TouchEvery::TenthOfIdle, TouchEvery::Period(9 * HOUR)] {
        let longer = Lifetime { idle: 20 * HOUR, ..lifetime(touch_every) };
        assert_eq!(longer.touch(&head, false, NOW.after(30 * MINUTE).before(MILLI)), None);
        let now = NOW.after(30 * MINUTE);
        assert_eq!(longer.touch(&head, false, now), Some(now.after(20 * HOUR)));
    }
}

/// A shorter `idle` does not shorten stored sessions: a touch moves the deadline once the new one would be later.
#[test]
fn a_shorter_idle_time_in_the_settings_shortens_no_stored_deadline() {
    let head = stored(&lifetime(TouchEvery::TenthOfIdle), StoredExpiry::Default);
    let shorter = Lifetime { idle: 10 * MINUTE, ..lifetime(TouchEvery::TenthOfIdle) };
    assert_eq!(shorter.touch(&head, true, NOW.after(50 * MINUTE)), None);
    let now = NOW.after(50 * MINUTE + MILLI);
    assert_eq!(shorter.touch(&head, true, now), Some(now.after(10 * MINUTE)));
}

#[test]
fn a_secret_is_renewed_from_the_end_of_its_period_on() {
    let never = lifetime(TouchEvery::Off);
    let hourly = Lifetime { renew_every: Some(HOUR), ..never };
    let head = Head { secret_since: NOW.after(MINUTE), ..stored(&never, StoredExpiry::Default) };
    assert!(!never.renewal_due(&head, NOW.after(900 * HOUR)));
    for (passed, due) in
        [(Duration::ZERO, false), (HOUR, false), (Duration::from_millis(3_659_999), false), (HOUR + MINUTE, true)]
    {
        assert_eq!(hourly.renewal_due(&head, NOW.after(passed)), due, "{passed:?}");
    }
    assert!(!hourly.renewal_due(&head, NOW.before(HOUR)), "a clock that was set back renews nothing");
}

#[test]
fn a_choice_decides_whether_the_cookie_outlives_the_browser() {
    for configured in [true, false] {
        assert_eq!(StoredExpiry::Default.persistent(configured), configured);
        assert!(after(HOUR).persistent(configured) && StoredExpiry::At(NOW).persistent(configured));
        assert!(!StoredExpiry::BrowserClose.persistent(configured));
    }
}

#[test]
fn a_choice_is_stored_as_it_was_made() {
    let moment = NOW.into();
    assert_eq!(StoredExpiry::from(Expiry::Default), StoredExpiry::Default);
    assert_eq!(StoredExpiry::from(Expiry::BrowserClose), StoredExpiry::BrowserClose);
    assert_eq!(StoredExpiry::from(Expiry::At(moment)), StoredExpiry::At(NOW));
    for (duration, millis) in [(Duration::ZERO, 0), (MINUTE + MILLI, 60_001), (Duration::MAX, u64::MAX)] {
        assert_eq!(after(duration), StoredExpiry::After { millis });
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[test]
fn a_choice_survives_a_stored_form_of_numbers() {
    let forms = [
        (StoredExpiry::Default, (0, 0)),
        (StoredExpiry::After { millis: 60_000 }, (1, 60_000)),
        (StoredExpiry::After { millis: u64::MAX }, (1, -1)),
        (StoredExpiry::At(Timestamp::from_millis(-5)), (2, -5)),
        (StoredExpiry::BrowserClose, (3, 0)),
    ];
    for (choice, parts) in forms {
        assert_eq!(choice.to_parts(), parts);
        assert_eq!(StoredExpiry::from_parts(parts.0, parts.1), Some(choice));
    }
    assert_eq!(StoredExpiry::from_parts(4, 0), None);
    assert_eq!(StoredExpiry::from_parts(255, 0), None);
}

#[test]
fn a_choice_has_one_text_and_no_other_is_read() {
    let texts = [
        (StoredExpiry::Default, "default"),
        (after(MINUTE), "after 60000"),
        (StoredExpiry::At(Timestamp::from_millis(-5)), "at -5"),
        (StoredExpiry::BrowserClose, "browser-close"),
    ];
    for (choice, text) in texts {
        assert_eq!((choice.to_string().as_str(), text.parse()), (text, Ok(choice)));
    }
    let wrong = [
        "",
        " ",
        "Default",
        "default ",
        "default 1",
        "browser-close 0",
        "browserclose",
        "after",
        "after ",
        "after -1",
        "after 1 2",
        "after 18446744073709551616",
        "at",
        "at x",
        "at 1.5",
        "never 1",
    ];
    for text in wrong {
        assert_eq!(text.parse::<StoredExpiry>(), Err(InvalidExpiry), "{text:?}");
    }
}
