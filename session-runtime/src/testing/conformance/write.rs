//! Rules about the effect of a patch on the values.

use super::trial::{Trial, ensure, expecting, removing, rule, setting};
use super::{Rule, Verdict};
use crate::record::expiry::StoredExpiry;
use crate::record::patch::{Deadline, NewSecret, Patch};

pub(super) const RULES: &[Rule] = &[
    rule!(patch_sets_and_removes, "A patch sets and removes only the keys that it names."),
    rule!(unknown_keys_survive, "Keys that a patch does not name survive it, also those of other programs."),
    rule!(
        names_are_bytes,
        "Names are compared byte by byte, and not as patterns; case, padding and Unicode normal form make them differ."
    ),
    rule!(removing_what_is_absent_is_fine, "A patch may remove a key that is already absent."),
    rule!(
        revision_counts_changes_of_keys,
        "The revision goes up by one with each patch that changes keys, and with no other."
    ),
    rule!(ten_thousand_keys_in_one_step, "A patch of ten thousand keys is applied as a whole."),
];

async fn patch_sets_and_removes(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1"), ("cart.b", "2"), ("cart.c", "3")]).await?;
    let neighbour = trial.stored(&[("cart.a", "1"), ("cart.b", "2")]).await?;
    trial.done(key, Patch { remove: vec!["cart.b".into()], ..setting(&[("cart.a", "9"), ("cart.d", "4")]) }).await?;
    trial.must_hold(key, &[("cart.a", "9"), ("cart.c", "3"), ("cart.d", "4")]).await?;
    trial.must_hold(neighbour, &[("cart.a", "1"), ("cart.b", "2")]).await
}

async fn unknown_keys_survive(trial: Trial) -> Verdict {
    let values = [("cart.a", "1"), ("from a newer program", "{\"x\": [ ]}"), ("x", "1"), ("x.y/z/z", "")];
    let key = trial.stored(&values).await?;
    let base = [("cart.a", Some("1"))];
    trial.done(key, expecting(setting(&[("cart.a", "2")]), &base)).await?;
    trial.done(key, removing(&["cart.a"])).await?;
    trial.must_hold(key, &values[1..]).await
}

async fn names_are_bytes(trial: Trial) -> Verdict {
    let names = ["cart.items/%", "cart.items/*", "cart.items/?", "cart.items/A", "cart.items/_", "cart.items/a"];
    let spaced = ["cart.items/a ", "cart.items/a  ", "cart.items/", "cart.items/ ", "cart.items//"];
    let composed = ["cart.items/e\u{301}", "cart.items/é"];
    let values: Vec<_> = names.into_iter().chain(spaced).chain(composed).map(|name| (name, "1")).collect();
    let key = trial.stored(&values).await?;
    trial.must_hold(key, &values).await?;
    for (at, (name, _)) in values.iter().enumerate() {
        trial.done(key, removing(&[name])).await?;
        trial.must_hold(key, &values[at + 1..]).await?;
    }
    Ok(())
}

async fn removing_what_is_absent_is_fine(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1")]).await?;
    trial.done(key, removing(&["cart.b", "cart", ""])).await?;
    trial.must_hold(key, &[("cart.a", "1")]).await
}

async fn revision_counts_changes_of_keys(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1"), ("cart.b", "2")]).await?;
    let head = trial.head();
    let (seen, touched, expires) = (head.idle_deadline, trial.now, head.idle_deadline);
    let touch = Deadline::Touch { seen, touched, expires };
    let choose = Deadline::Choose { expiry: StoredExpiry::BrowserClose, touched, expires };
    let raise = NewSecret::Raise { hash: head.secret, at: trial.now };
    let patches = [
        (setting(&[("cart.a", "2"), ("cart.c", "3")]), 1),
        (removing(&["cart.b"]), 2),
        (Patch { remove: vec!["cart.c".into()], ..setting(&[("cart.a", "5")]) }, 3),
        (Patch { deadline: Some(touch), ..setting(&[]) }, 3),
        (Patch { deadline: Some(choose), ..setting(&[]) }, 3),
        (Patch { secret: Some(raise), ..setting(&[]) }, 3),
    ];
    for (patch, revision) in patches {
        let head = trial.done(key, patch).await?;
        ensure!(head.revision == revision, "the revision was {} instead of {revision}", head.revision);
    }
    Ok(())
}

async fn ten_thousand_keys_in_one_step(trial: Trial) -> Verdict {
    const KEYS: usize = 10_000;
    let names: Vec<_> = (0..KEYS).map(|n| format!("cart.items/{n}")).collect();
    let values: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
    let bases: Vec<_> = names.iter().map(|name| (&**name, None)).collect();
    let key = trial.stored(&[("cart", "{}")]).await?;
    let head = trial.done(key, expecting(setting(&values), &bases)).await?;
    ensure!(head.revision == 1, "one patch raised the revision to {}", head.revision);
    let stored: Vec<_> = [("cart", "{}")].into_iter().chain(values).collect();
    trial.must_hold(key, &stored).await?;
    let names: Vec<_> = names.iter().map(|name| &**name).collect();
    trial.done(key, removing(&names)).await?;
    trial.must_hold(key, &[("cart", "{}")]).await
}
