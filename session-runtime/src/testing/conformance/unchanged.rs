//! Rules about patches that requests send after a load: to a record that is unchanged since, and to one that is not.

use super::trial::{Trial, ensure, expecting, fresh_key, removing, rule, setting, unexpected, with_hint};
use super::{Rule, Verdict};
use crate::clock::Timestamp;
use crate::record::Head;
use crate::record::patch::{Deadline, NewSecret, Patch, Patched};
use crate::testing::conformance::trial::hash;

pub(super) const RULES: &[Rule] = &[
    rule!(unchanged_is_applied, "A patch of a record that is unchanged since its load is applied like any other."),
    rule!(changed_is_judged, "If a key has changed since the load, the precondition of the patch decides."),
    rule!(
        unchanged_names_no_demand,
        "A patch of an unchanged record may set a key twice, or set many keys, and nothing is lost."
    ),
    rule!(
        unchanged_keys_are_not_all,
        "A patch of a record with unchanged keys respects all else that has changed: deletion, expiry, login, touch."
    ),
];

const VALUES: [(&str, &str); 3] = [("cart", "{}"), ("cart.a", "1"), ("cart.b", "2")];

async fn unchanged_is_applied(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let steps: [(Patch, &[(&str, &str)]); 6] = [
        (setting(&[("cart.c", "3")]), &[("cart", "{}"), ("cart.a", "1"), ("cart.b", "2"), ("cart.c", "3")]),
        (setting(&[("cart.a", "long")]), &[("cart", "{}"), ("cart.a", "long"), ("cart.b", "2"), ("cart.c", "3")]),
        (setting(&[("cart.a", "")]), &[("cart", "{}"), ("cart.a", ""), ("cart.b", "2"), ("cart.c", "3")]),
        (
            setting(&[("cart", "[]"), ("cart.b", "22"), ("x", "0")]),
            &[("cart", "[]"), ("cart.a", ""), ("cart.b", "22"), ("cart.c", "3"), ("x", "0")],
        ),
        (removing(&["cart.a", "cart.b"]), &[("cart", "[]"), ("cart.c", "3"), ("x", "0")]),
        (
            Patch { remove: vec!["x".into()], ..setting(&[("cart.c", "30"), ("cart.d", "4")]) },
            &[("cart", "[]"), ("cart.c", "30"), ("cart.d", "4")],
        ),
    ];
    for (revision, (patch, values)) in (1..).zip(steps) {
        let head = trial.done(key, with_hint(patch, &trial.load(key).await?)).await?;
        ensure!(head.revision == revision, "the revision was {} instead of {revision}", head.revision);
        trial.must_hold(key, values).await?;
    }
    Ok(())
}

async fn changed_is_judged(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let loaded = trial.load(key).await?;
    let late = |values: &[(&str, &str)]| with_hint(expecting(setting(values), &[("cart.a", Some("1"))]), &loaded);
    trial.done(key, setting(&[("cart.b", "theirs"), ("cart.c", "theirs")])).await?;
    trial.done(key, late(&[("cart.d", "4")])).await?;
    let values = [("cart", "{}"), ("cart.a", "1"), ("cart.b", "theirs"), ("cart.c", "theirs"), ("cart.d", "4")];
    trial.must_hold(key, &values).await?;
    trial.done(key, setting(&[("cart.a", "7")])).await?;
    let current = trial.must_conflict(key, late(&[("cart.a", "9"), ("cart.d", "9")])).await?;
    ensure!(current.values.get("cart.a") == Some("7"), "the answer lacks the text that changed");
    let values = [("cart", "{}"), ("cart.a", "7"), ("cart.b", "theirs"), ("cart.c", "theirs"), ("cart.d", "4")];
    trial.must_hold(key, &values).await
}

/// Sets one key twice, then many keys: the later text counts, and nothing is lost.
async fn unchanged_names_no_demand(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let loaded = trial.load(key).await?;
    let mut twice = with_hint(setting(&[("cart.a", "7")]), &loaded);
    twice.set.insert(0, ("cart.a".into(), "6".into()));
    trial.done(key, twice).await?;
    trial.must_hold(key, &[("cart", "{}"), ("cart.a", "7"), ("cart.b", "2")]).await?;
    let five = [("n.1", "1"), ("n.2", "2"), ("n.3", "3"), ("n.4", "4"), ("n.5", "5")];
    let patch = with_hint(setting(&five), &trial.load(key).await?);
    trial.done(key, patch).await?;
    let values: Vec<_> = [("cart", "{}"), ("cart.a", "7"), ("cart.b", "2")].into_iter().chain(five).collect();
    trial.must_hold(key, &values).await
}

async fn unchanged_keys_are_not_all(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let loaded = trial.load(key).await?;
    let late = || with_hint(setting(&[("cart.a", "9")]), &loaded);
    let must_answer = async |key, now: Timestamp, wanted: &str| {
        let answer = trial.store.patch(key, late(), now).await?;
        let is_so = matches!((&answer, wanted), (Patched::Gone, "gone") | (Patched::Renewed, "renewed"));
        ensure!(is_so, "{}", unexpected(wanted, &answer).0);
        Ok(())
    };
    let expires = loaded.record.head.idle_deadline;
    must_answer(key, expires, "gone").await?;
    must_answer(fresh_key(), trial.now, "gone").await?;
    trial.must_hold(key, &VALUES).await?;

    let touch = Deadline::Touch { seen: expires, touched: trial.now, expires: expires.after(super::trial::HOUR) };
    let touched = trial.done(key, Patch { deadline: Some(touch), ..setting(&[]) }).await?;
    let head = trial.done(key, late()).await?;
    ensure!(head == Head { revision: 1, ..touched }, "the answer has another head");
    trial.must_hold(key, &[("cart", "{}"), ("cart.a", "9"), ("cart.b", "2")]).await?;

    let key = trial.stored(&VALUES).await?;
    let raise = NewSecret::Raise { hash: hash(9), at: trial.now };
    trial.done(key, Patch { secret: Some(raise), ..setting(&[]) }).await?;
    must_answer(key, trial.now, "renewed").await?;
    trial.must_hold(key, &VALUES).await?;
    trial.store.delete(key).await?;
    must_answer(key, trial.now, "gone").await?;
    trial.must_be_gone(key).await
}
