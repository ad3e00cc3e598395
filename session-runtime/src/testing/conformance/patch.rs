//! Rules about the conditions that refuse a patch.

use super::trial::{HOUR, Trial, ensure, expecting, fresh_key, removing, rule, setting, unexpected};
use super::{Rule, Verdict};
use crate::record::patch::{Expected, Patch, Patched, Precondition};
use crate::record::{Head, Record};

pub(super) const RULES: &[Rule] = &[
    rule!(patch_of_absent_is_gone, "A patch of a key that was never created answers gone and creates nothing."),
    rule!(patch_of_expired_is_gone, "A patch of a record that has expired answers gone and changes nothing."),
    rule!(other_generation_is_renewed, "A patch from before a login answers renewed and changes nothing."),
    rule!(gone_comes_before_renewed, "A patch of an expired record answers gone, even after a login."),
    rule!(renewed_comes_before_conflict, "A patch from before a login answers renewed, whatever its precondition."),
    rule!(
        conflict_answers_the_current_texts,
        "A patch whose base has changed answers with the current texts, and changes nothing."
    ),
    rule!(
        absence_is_a_base,
        "A key that was absent must still be absent, and a key that was present must still be present."
    ),
    rule!(
        own_text_is_accepted,
        "The text that the patch itself sets is accepted as the base with `or_ours`, and only then."
    ),
    rule!(revision_is_a_base, "A patch whose precondition is a revision answers a conflict after any change of keys."),
    rule!(
        an_upgrade_is_one_step,
        "A patch that sets, removes and changes metadata is applied as a whole, or refused as a whole after any change."
    ),
    rule!(
        a_late_save_does_not_undo_an_upgrade,
        "A patch whose precondition is metadata is a conflict once another patch has changed the metadata."
    ),
    rule!(bases_are_compared_bytewise, "Texts that have the same meaning but other bytes are a conflict."),
];

const VALUES: [(&str, &str); 3] = [("cart", "{}"), ("cart.a", "1"), ("cart.b", "2")];

async fn patch_of_absent_is_gone(trial: Trial) -> Verdict {
    let key = fresh_key();
    for patch in [setting(&VALUES), removing(&["cart"]), expecting(setting(&VALUES), &[("cart", None)])] {
        let answer = trial.patch(key, patch).await?;
        ensure!(matches!(answer, Patched::Gone), "{}", unexpected("gone", &answer).0);
        trial.must_be_gone(key).await?;
    }
    ensure!(trial.is_vacant(key).await?, "the patch created a record");
    Ok(())
}

async fn patch_of_expired_is_gone(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let answer = trial.store.patch(key, setting(&[("cart.a", "9")]), trial.head().idle_deadline).await?;
    ensure!(matches!(answer, Patched::Gone), "{}", unexpected("gone", &answer).0);
    trial.must_hold(key, &VALUES).await
}

async fn other_generation_is_renewed(trial: Trial) -> Verdict {
    let head = Head { generation: 7, ..trial.head() };
    let key = trial.stored_with(head.clone(), &VALUES).await?;
    for generation in [0, 6, 8] {
        let answer = trial.patch(key, Patch { generation, ..setting(&[("cart.a", "9"), ("cart.c", "9")]) }).await?;
        ensure!(matches!(answer, Patched::Renewed), "{}", unexpected("renewed", &answer).0);
    }
    ensure!(trial.load(key).await?.record.head == head, "the head changed");
    trial.must_hold(key, &VALUES).await
}

async fn gone_comes_before_renewed(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let patch = Patch { generation: 1, ..expecting(setting(&[("cart.a", "9")]), &[("cart.a", Some("5"))]) };
    let answer = trial.store.patch(key, patch, trial.head().idle_deadline.after(HOUR)).await?;
    ensure!(matches!(answer, Patched::Gone), "{}", unexpected("gone", &answer).0);
    Ok(())
}

async fn renewed_comes_before_conflict(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let wrong_base = expecting(setting(&[("cart.a", "9")]), &[("cart.a", Some("5"))]);
    let wrong_revision = Patch { precondition: Precondition::Revision(5), ..setting(&[("cart.a", "9")]) };
    for patch in [wrong_base, wrong_revision] {
        let answer = trial.patch(key, Patch { generation: 1, ..patch }).await?;
        ensure!(matches!(answer, Patched::Renewed), "{}", unexpected("renewed", &answer).0);
    }
    trial.must_hold(key, &VALUES).await
}

async fn conflict_answers_the_current_texts(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let on = [("cart.b", Some("2")), ("cart.a", Some("5")), ("cart.absent", Some("6"))];
    let patch = Patch { remove: vec!["cart".into()], ..expecting(setting(&[("cart.a", "9"), ("cart.c", "9")]), &on) };
    let Record { head, values } = trial.must_conflict(key, patch).await?;
    ensure!(head == trial.head(), "the answer has another head");
    ensure!(values.get("cart.a") == Some("1"), "the answer lacks the text that changed");
    ensure!(values.get("cart.b") == Some("2"), "the answer lacks the text that is as expected");
    ensure!(values.get("cart.absent").is_none(), "the answer has a text for an absent key");
    ensure!(trial.load(key).await?.record.head == trial.head(), "the head changed");
    trial.must_hold(key, &VALUES).await
}

async fn absence_is_a_base(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let there = expecting(setting(&[("cart.a", "9")]), &[("cart.a", None)]);
    let current = trial.must_conflict(key, there).await?;
    ensure!(current.values.get("cart.a") == Some("1"), "the answer lacks the key that was expected to be absent");
    let missing = expecting(setting(&[("cart.c", "9")]), &[("cart.c", Some("3"))]);
    trial.must_conflict(key, missing).await?;
    trial.must_hold(key, &VALUES).await?;
    trial.done(key, expecting(setting(&[("cart.c", "3")]), &[("cart.c", None), ("cart.a", Some("1"))])).await?;
    trial.must_hold(key, &[("cart", "{}"), ("cart.a", "1"), ("cart.b", "2"), ("cart.c", "3")]).await
}

async fn own_text_is_accepted(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let patch = |text: &str, or_ours| {
        let expected = Expected { name: "cart.a".into(), base: None, or_ours };
        Patch { precondition: Precondition::Values(vec![expected]), ..setting(&[("cart.a", text), ("cart.b", "3")]) }
    };
    trial.must_conflict(key, patch("1", false)).await?;
    trial.must_conflict(key, patch("7", true)).await?;
    trial.must_hold(key, &VALUES).await?;
    trial.done(key, patch("1", true)).await?;
    trial.must_hold(key, &[("cart", "{}"), ("cart.a", "1"), ("cart.b", "3")]).await
}

async fn revision_is_a_base(trial: Trial) -> Verdict {
    let key = trial.stored(&VALUES).await?;
    let patch = |revision| Patch { precondition: Precondition::Revision(revision), ..setting(&[("cart.a", "9")]) };
    trial.must_conflict(key, patch(1)).await?;
    trial.done(key, setting(&[("other.key", "1")])).await?;
    let current = trial.must_conflict(key, patch(0)).await?;
    ensure!(current.head.revision == 1, "the answer has another revision");
    trial.must_hold(key, &[("cart", "{}"), ("cart.a", "1"), ("cart.b", "2"), ("other.key", "1")]).await?;
    trial.done(key, patch(1)).await?;
    trial.must_hold(key, &[("cart", "{}"), ("cart.a", "9"), ("cart.b", "2"), ("other.key", "1")]).await
}

async fn bases_are_compared_bytewise(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "[1]"), ("cart.b", "\"Ä\"")]).await?;
    for (name, base) in [("cart.a", "[1] "), ("cart.a", "[1.0]"), ("cart.b", "\"ä\""), ("cart.b", "\"A\u{308}\"")] {
        trial.must_conflict(key, expecting(setting(&[(name, "9")]), &[(name, Some(base))])).await?;
    }
    trial.done(key, expecting(setting(&[("cart.a", "[2]")]), &[("cart.a", Some("[1]"))])).await?;
    trial.must_hold(key, &[("cart.a", "[2]"), ("cart.b", "\"Ä\"")]).await
}

const OLD: [(&str, &str); 3] = [("cart", r#"{"v":1}"#), ("cart.basket", r#"["a"]"#), ("cart.items/7", "2")];
const NEW: [(&str, &str); 3] = [("cart", r#"{"v":2}"#), ("cart.items/7", "2"), ("cart.lines", r#"["a"]"#)];

fn upgrade(revision: u64) -> Patch {
    Patch {
        precondition: Precondition::Revision(revision),
        remove: vec!["cart.basket".into()],
        ..setting(&[("cart", r#"{"v":2}"#), ("cart.lines", r#"["a"]"#)])
    }
}

async fn an_upgrade_is_one_step(trial: Trial) -> Verdict {
    let key = trial.stored(&OLD).await?;
    trial.done(key, setting(&[("cart.items/7", "2")])).await?;
    trial.must_conflict(key, upgrade(0)).await?;
    trial.must_hold(key, &OLD).await?;
    trial.done(key, upgrade(1)).await?;
    trial.must_hold(key, &NEW).await?;
    let loaded = trial.load(key).await?;
    ensure!(loaded.record.head.idle_deadline == trial.head().idle_deadline, "the deadline moved");
    let bytes: usize = NEW.iter().map(|(name, text)| name.len() + text.len()).sum();
    ensure!((loaded.bytes, loaded.keys) == (bytes, NEW.len()), "the totals are not those of what is stored");
    Ok(())
}

async fn a_late_save_does_not_undo_an_upgrade(trial: Trial) -> Verdict {
    let key = trial.stored(&OLD).await?;
    trial.done(key, upgrade(0)).await?;
    let late = expecting(setting(&[("cart.basket", r#"["b"]"#)]), &[("cart", Some(r#"{"v":1}"#))]);
    let current = trial.must_conflict(key, late).await?;
    ensure!(current.values.get("cart") == Some(r#"{"v":2}"#), "the answer lacks the new metadata");
    trial.must_hold(key, &NEW).await
}
