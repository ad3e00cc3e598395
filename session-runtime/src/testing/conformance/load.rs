//! Rules about `load`.

use std::time::Duration;

use super::trial::{Broken, HOUR, Trial, ensure, fresh_key, removing, rule, setting, texts};
use super::{Rule, Verdict};
use crate::record::Values;
use crate::store::{Loaded, Wanted};

pub(super) const RULES: &[Rule] = &[
    rule!(absent_loads_nothing, "A key that was never created loads nothing, and loading it creates nothing."),
    rule!(
        expired_loads_nothing,
        "A record is absent from its deadline on, and present until one millisecond before it."
    ),
    rule!(wanted_schemas_are_loaded, "A load returns the metadata, fields and entries of every wanted schema."),
    rule!(schemas_do_not_mix, "A load of `cart` does not confuse it with `cart-2`, `cartoon`, `car` or `Cart`."),
    rule!(
        totals_cover_the_whole_record,
        "The totals of bytes and keys are those of the whole record, whatever is wanted."
    ),
    rule!(totals_follow_patches, "The totals of bytes and keys stay right after keys are set, replaced and removed."),
];

const VALUES: [(&str, &str); 10] = [
    ("Cart.coupon", "1"),
    ("car.wheels", "4"),
    ("cart", r#"{"v":1}"#),
    ("cart-2", r#"{"v":2}"#),
    ("cart-2.items/1", "22"),
    ("cart.coupon", "\"SPRING\""),
    ("cart.items/10", "1"),
    ("cart.items/7", "2"),
    ("cartoon.items/7", "333"),
    ("prefs.theme", "\"dark\""),
];

async fn absent_loads_nothing(trial: Trial) -> Verdict {
    let key = fresh_key();
    trial.must_be_gone(key).await?;
    ensure!(trial.is_vacant(key).await?, "the load created a record");
    Ok(())
}

async fn expired_loads_nothing(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart", "{}")]).await?;
    let deadline = trial.head().idle_deadline;
    let last = deadline.before(Duration::from_millis(1));
    ensure!(trial.load_at(key, last).await?.is_some(), "the record was absent a millisecond too early");
    ensure!(trial.load_at(key, deadline).await?.is_none(), "the record was loaded at its deadline");
    ensure!(trial.load_at(key, deadline.after(HOUR)).await?.is_none(), "the record was loaded after its deadline");
    Ok(())
}

async fn load_some(trial: &Trial, schemas: &[&'static str]) -> Result<Loaded, Broken> {
    let key = trial.stored(&VALUES).await?;
    let loaded = trial.store.load(key, &Wanted::schemas(schemas), trial.now).await?;
    loaded.ok_or_else(|| Broken("a record that must be there was not loaded".into()))
}

async fn wanted_schemas_are_loaded(trial: Trial) -> Verdict {
    for schemas in [&["cart"][..], &["prefs", "cart"], &["prefs"], &["absent"], &[]] {
        let loaded = load_some(&trial, schemas).await?;
        must_contain(&loaded.record.values, schemas)?;
        ensure!(loaded.record.head == trial.head(), "the head came back otherwise");
    }
    Ok(())
}

/// Requires all values of the requested schemas, and no value that was not stored.
fn must_contain(values: &Values, schemas: &[&'static str]) -> Verdict {
    let (stored, wanted) = (texts(&VALUES), Wanted::schemas(schemas));
    let mut all = stored.iter().filter(|(name, _)| wanted.wants(name));
    if let Some((name, _)) = all.find(|(name, text)| values.get(name) != Some(text)) {
        return Err(Broken(format!("a load of {schemas:?} gave no right `{name}`")));
    }
    let stray = values.iter().find(|(name, text)| stored.get(name) != Some(text));
    ensure!(stray.is_none(), "a load of {schemas:?} gave a key that was never stored");
    Ok(())
}

async fn schemas_do_not_mix(trial: Trial) -> Verdict {
    for schema in ["cart", "cart-2", "cartoon", "car", "Cart"] {
        must_contain(&load_some(&trial, &[schema]).await?.record.values, &[schema])?;
    }
    let key = trial.stored(&VALUES).await?;
    trial.done(key, setting(&[("cart.coupon", "null")])).await?;
    trial.done(key, removing(&["cart", "cart.items/1"])).await?;
    let left = VALUES.iter().filter(|(name, _)| *name != "cart");
    let left: Vec<_> = left.map(|(name, text)| (*name, if *name == "cart.coupon" { "null" } else { *text })).collect();
    trial.must_hold(key, &left).await
}

async fn totals_cover_the_whole_record(trial: Trial) -> Verdict {
    let stored = texts(&VALUES);
    for schemas in [&["prefs"][..], &["absent"], &["cart", "prefs"]] {
        let Loaded { bytes, keys, .. } = load_some(&trial, schemas).await?;
        ensure!(
            bytes == stored.bytes() && keys == stored.len(),
            "a load of {schemas:?} gave {bytes} bytes, {keys} keys"
        );
    }
    Ok(())
}

async fn totals_follow_patches(trial: Trial) -> Verdict {
    let key = trial.stored(&[("cart.a", "1"), ("cart.b", "22"), ("cart.c", "3")]).await?;
    trial.done(key, setting(&[("cart.b", "\"longer ü\""), ("cart.d", "4")])).await?;
    trial.must_hold(key, &[("cart.a", "1"), ("cart.b", "\"longer ü\""), ("cart.c", "3"), ("cart.d", "4")]).await?;
    trial.done(key, removing(&["cart.a", "cart.absent", "cart.d"])).await?;
    trial.must_hold(key, &[("cart.b", "\"longer ü\""), ("cart.c", "3")]).await?;
    trial.done(key, setting(&[("cart.b", "")])).await?;
    trial.must_hold(key, &[("cart.b", ""), ("cart.c", "3")]).await?;
    trial.done(key, removing(&["cart.b", "cart.c"])).await?;
    trial.must_hold(key, &[]).await
}
