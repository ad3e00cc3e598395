//! Rules about `create`.

use std::time::Duration;

use super::trial::{Trial, ensure, fresh_key, hash, rule, texts, together};
use super::{Rule, Verdict};
use crate::clock::Timestamp;
use crate::record::expiry::StoredExpiry;
use crate::record::{Head, PreviousSecret, Record};
use crate::store::Created;

pub(super) const RULES: &[Rule] = &[
    rule!(created_record_comes_back, "A created record is loaded with the same head, names and texts, byte for byte."),
    rule!(every_expiry_comes_back, "Each choice of expiry is loaded as it was created."),
    rule!(create_is_exclusive, "A create under a taken key answers taken, and leaves that record unchanged."),
    rule!(create_on_expired_is_taken, "The key of an expired record stays taken until a sweep removes the record."),
    rule!(one_of_many_creates_wins, "Of many concurrent creates under one key, exactly one is done."),
];

/// Names and texts that some stores are known to alter.
pub(super) const VALUES: [(&str, &str); 11] = [
    ("cart", r#"{"v":1}"#),
    ("cart.items/", "1"),
    ("cart.items/ ", r#""spaced  ""#),
    ("cart.items/a.b/c", "[1, 2,3 ]"),
    ("cart.items/\\u0000\\n", r#""\u0000\n\t""#),
    ("cart.items/\\\"'`;--", r#"{"q":"'\"`; DROP TABLE session; --"}"#),
    ("cart.items/%_*?[a]", "1e400"),
    ("cart.items/Straße 東京 🦀", r#""é vs e\u0301 \ud83e\udd80 🦀""#),
    ("cart.items/{tag}:x", "0.10"),
    ("cart.note", ""),
    ("unknown.to.this/program", "null"),
];

async fn created_record_comes_back(trial: Trial) -> Verdict {
    let long = format!("\"{}\"", "long … ".repeat(8 << 10));
    let mut values = VALUES.to_vec();
    values.push(("cart.long", &long));
    let head = unusual_head(&trial);
    let key = trial.stored_with(head.clone(), &values).await?;
    trial.must_hold(key, &values).await?;
    ensure!(trial.load(key).await?.record.head == head, "the head came back otherwise");
    Ok(())
}

/// Head in which no two fields have the same value.
pub(super) fn unusual_head(trial: &Trial) -> Head {
    let at = |millis| trial.now.after(Duration::from_millis(millis));
    Head {
        created: trial.now.before(Duration::from_millis(11)),
        touched: trial.now.before(Duration::from_millis(7)),
        idle_deadline: at(3_600_001),
        absolute_deadline: Timestamp::MAX,
        expiry: StoredExpiry::After { millis: 3_600_008 },
        secret: hash(0xff),
        secret_since: trial.now.before(Duration::from_millis(5)),
        previous: Some(PreviousSecret { hash: hash(0), until: Some(at(13)) }),
        // Too large for a float, and too large for a signed counter.
        generation: (1 << 53) + 1,
        generation_since: Some(trial.now.before(Duration::from_millis(3))),
        revision: (1 << 63) + 1,
    }
}

async fn every_expiry_comes_back(trial: Trial) -> Verdict {
    let choices = [
        StoredExpiry::Default,
        StoredExpiry::BrowserClose,
        StoredExpiry::After { millis: u64::MAX },
        StoredExpiry::At(Timestamp::from_millis(-1)),
        StoredExpiry::At(Timestamp::MAX),
    ];
    for expiry in choices {
        let previous = Some(PreviousSecret { hash: hash(2), until: None });
        let head = Head { expiry, previous, ..trial.head() };
        let key = trial.stored_with(head.clone(), &[]).await?;
        ensure!(trial.load(key).await?.record.head == head, "`{expiry}` came back otherwise");
    }
    Ok(())
}

async fn create_is_exclusive(trial: Trial) -> Verdict {
    let values = [("cart", "{}"), ("cart.coupon", "1")];
    let key = trial.stored(&values).await?;
    let head = Head { secret: hash(9), ..trial.head() };
    let other = Record { head, values: texts(&[("cart.coupon", "2"), ("cart.other", "3")]) };
    ensure!(trial.store.create(key, other).await? == Created::Taken, "the second create was done");
    ensure!(trial.load(key).await?.record.head == trial.head(), "the first record's head changed");
    trial.must_hold(key, &values).await
}

async fn create_on_expired_is_taken(trial: Trial) -> Verdict {
    let expired = Head { idle_deadline: trial.now, ..trial.head() };
    let key = trial.stored_with(expired, &[]).await?;
    ensure!(!trial.is_vacant(key).await?, "the second create was done");
    Ok(())
}

async fn one_of_many_creates_wins(trial: Trial) -> Verdict {
    const CREATES: usize = 32;
    let key = fresh_key();
    let create = |n: usize| {
        let (trial, text) = (trial.clone(), n.to_string());
        let record = Record { head: trial.head(), values: texts(&[("cart.a", &text), ("cart.b", &text)]) };
        async move { trial.store.create(key, record).await }
    };
    let answers = together((0..CREATES).map(create)).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let winners: Vec<_> = (0..CREATES).filter(|n| answers[*n] == Created::Done).collect();
    ensure!(winners.len() == 1, "{} creates were done", winners.len());
    let text = winners[0].to_string();
    trial.must_hold(key, &[("cart.a", &text), ("cart.b", &text)]).await
}
