//! Rules about the effect of a patch on deadlines and secrets.

use std::time::Duration;

use super::trial::{Broken, HOUR, Trial, ensure, hash, rule, setting};
use super::{Rule, Verdict};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::expiry::StoredExpiry;
use crate::record::patch::{Deadline, NewSecret, Patch};
use crate::record::{Head, PreviousSecret};

pub(super) const RULES: &[Rule] = &[
    rule!(
        touch_needs_the_deadline_it_saw,
        "A touch is skipped if the deadline is not the one that was seen; the rest of the patch applies."
    ),
    rule!(touch_may_be_all_there_is, "A patch that only touches is applied, and the new deadline holds from then on."),
    rule!(choice_always_applies, "A choice of expiry applies whatever deadline is stored."),
    rule!(raise_kills_all_secrets, "A raise replaces the secret, removes the previous one, and raises the generation."),
    rule!(
        periodic_keeps_the_previous_secret,
        "A periodic renewal keeps the replaced secret as the previous one, without an end."
    ),
    rule!(
        periodic_needs_what_it_saw,
        "A periodic renewal is skipped if the secret or the deadline is not the one that was seen; the rest applies."
    ),
    rule!(periodic_goes_with_a_touch, "A periodic renewal compares the deadline that was stored before its own patch."),
    rule!(
        presented_ends_the_previous_secret_once,
        "The end of the previous secret is set once, and only by a patch that has seen the current secret."
    ),
];

fn moving(deadline: Deadline) -> Patch {
    Patch { deadline: Some(deadline), ..Patch::on_generation(0) }
}

fn renewing(secret: NewSecret) -> Patch {
    Patch { secret: Some(secret), ..Patch::on_generation(0) }
}

/// Applies the patch and requires it to result in this head.
async fn must_become(trial: &Trial, key: SessionKey, patch: Patch, head: &Head) -> Verdict {
    let done = trial.done(key, patch).await?;
    ensure!(done == *head, "the head became {done:?}");
    Ok(())
}

fn touch(trial: &Trial, seen: Timestamp) -> (Deadline, Head) {
    let head = trial.head();
    let (touched, expires) = (trial.now.after(Duration::from_secs(1)), head.idle_deadline.after(HOUR));
    (Deadline::Touch { seen, touched, expires }, Head { touched, idle_deadline: expires, ..head })
}

async fn touch_needs_the_deadline_it_saw(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1")]).await?;
    let (late, _) = touch(&trial, trial.head().idle_deadline.before(Duration::from_millis(1)));
    let patch = Patch { deadline: Some(late), ..setting(&[("cart.a", "2")]) };
    must_become(&trial, key, patch, &Head { revision: 1, ..trial.head() }).await?;
    trial.must_hold(key, &[("cart.a", "2")]).await?;
    let (right, touched) = touch(&trial, trial.head().idle_deadline);
    let patch = Patch { deadline: Some(right), ..setting(&[("cart.a", "3")]) };
    must_become(&trial, key, patch, &Head { revision: 2, ..touched }).await?;
    trial.must_hold(key, &[("cart.a", "3")]).await
}

async fn touch_may_be_all_there_is(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1")]).await?;
    let (deadline, touched) = touch(&trial, trial.head().idle_deadline);
    must_become(&trial, key, moving(deadline), &touched).await?;
    trial.must_hold(key, &[("cart.a", "1")]).await?;
    ensure!(trial.load_at(key, trial.head().idle_deadline).await?.is_some(), "the old deadline still holds");
    ensure!(trial.load_at(key, touched.idle_deadline).await?.is_none(), "the new deadline does not hold");
    Ok(())
}

async fn choice_always_applies(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1")]).await?;
    let (deadline, _) = touch(&trial, trial.head().idle_deadline);
    trial.done(key, moving(deadline)).await?;
    let (touched, expires) = (trial.now.after(Duration::from_secs(2)), trial.now.after(Duration::from_secs(9)));
    for expiry in [StoredExpiry::After { millis: 9_000 }, StoredExpiry::BrowserClose, StoredExpiry::At(expires)] {
        let head = Head { touched, idle_deadline: expires, expiry, ..trial.head() };
        must_become(&trial, key, moving(Deadline::Choose { expiry, touched, expires }), &head).await?;
    }
    Ok(())
}

/// Stores a record whose secret, the second one, comes from a periodic renewal; returns its key and its head.
async fn renewed(trial: &Trial) -> Result<(SessionKey, Head), Broken> {
    let previous = Some(PreviousSecret { hash: hash(1), until: None });
    let head = Head { secret: hash(2), previous, ..trial.head() };
    Ok((trial.stored_with(head.clone(), &[("cart.a", "1")]).await?, head))
}

async fn raise_kills_all_secrets(trial: Trial) -> Verdict {
    let (key, head) = renewed(&trial).await?;
    let at = trial.now.after(Duration::from_secs(3));
    let raised = Head {
        secret: hash(3),
        secret_since: at,
        previous: None,
        generation: 1,
        generation_since: Some(at),
        revision: 1,
        ..head
    };
    let secret = Some(NewSecret::Raise { hash: hash(3), at });
    must_become(&trial, key, Patch { secret, ..setting(&[("cart.a", "2")]) }, &raised).await?;
    let secret = Some(NewSecret::Raise { hash: hash(4), at });
    let again = Patch { secret, ..Patch::on_generation(1) };
    must_become(&trial, key, again, &Head { secret: hash(4), generation: 2, ..raised }).await
}

async fn periodic_keeps_the_previous_secret(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1")]).await?;
    let (head, at) = (trial.head(), trial.now.after(Duration::from_secs(3)));
    let secret = NewSecret::Periodic { seen: head.secret, seen_expires: head.idle_deadline, hash: hash(2), at };
    let previous = Some(PreviousSecret { hash: head.secret, until: None });
    must_become(&trial, key, renewing(secret), &Head { secret: hash(2), secret_since: at, previous, ..head }).await
}

async fn periodic_needs_what_it_saw(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "0")]).await?;
    let head = trial.head();
    let earlier = head.idle_deadline.before(Duration::from_millis(1));
    for (revision, seen, seen_expires) in [(1, hash(9), head.idle_deadline), (2, head.secret, earlier)] {
        let secret = Some(NewSecret::Periodic { seen, seen_expires, hash: hash(2), at: trial.now });
        let text = revision.to_string();
        let patch = Patch { secret, ..setting(&[("cart.a", &text)]) };
        must_become(&trial, key, patch, &Head { revision, ..head.clone() }).await?;
        trial.must_hold(key, &[("cart.a", &text)]).await?;
    }
    Ok(())
}

async fn periodic_goes_with_a_touch(trial: Trial) -> Verdict {
    let key = trial.stored(&[]).await?;
    let head = trial.head();
    let (deadline, touched) = touch(&trial, head.idle_deadline);
    let secret =
        NewSecret::Periodic { seen: head.secret, seen_expires: head.idle_deadline, hash: hash(2), at: trial.now };
    let patch = Patch { deadline: Some(deadline), ..renewing(secret) };
    let previous = Some(PreviousSecret { hash: head.secret, until: None });
    must_become(&trial, key, patch, &Head { secret: hash(2), previous, ..touched }).await
}

async fn presented_ends_the_previous_secret_once(trial: Trial) -> Verdict {
    let (key, head) = renewed(&trial).await?;
    let until = trial.now.after(Duration::from_secs(10));
    let presented = |seen, until| renewing(NewSecret::Presented { seen, until });
    must_become(&trial, key, presented(hash(1), until), &head).await?;
    let ended = Head { previous: Some(PreviousSecret { hash: hash(1), until: Some(until) }), ..head };
    must_become(&trial, key, presented(hash(2), until), &ended).await?;
    must_become(&trial, key, presented(hash(2), until.after(HOUR)), &ended).await?;
    let alone = trial.stored(&[]).await?;
    must_become(&trial, alone, presented(trial.head().secret, until), &trial.head()).await
}
