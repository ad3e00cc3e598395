//! Rules for the attributes about older versions.

use std::collections::HashSet;

use syn::{LitStr, Type};

use super::is_old_key;
use crate::errors::{Errors, one_of};
use crate::model::{Field, Model};

/// Applies all rules for versions.
pub(super) fn all(model: &Model, errors: &mut Errors) {
    let ways = ways(model, errors);
    if has_a_way(model, &ways) {
        pinned(model, errors);
    } else {
        no_way(model, errors);
    }
    bounded(model, errors);
    not_self(model, errors);
    retired(model, errors);
    renamed(model, errors);
}

/// Collects the older versions that `was` and `migrate` upgrade from. Reports a version that occurs twice.
fn ways(model: &Model, errors: &mut Errors) -> HashSet<u16> {
    let options = &model.attrs.options;
    let version = options.version.as_ref().map_or(u16::MAX, |(version, _)| *version);
    let mut ways = HashSet::new();
    for was in options.was.iter().flat_map(|was| &was.value) {
        if was.version >= version {
            errors.at(&was.layout.literal, format!("`was` is for older versions, and this is version {version}"));
        } else if !ways.insert(was.version) {
            errors.at(&was.layout.literal, format!("version {} is given twice", was.version));
        }
    }
    for step in &options.migrate {
        if step.from >= version {
            errors.at(&step.name, format!("`migrate` begins at an older version, and this is version {version}"));
        } else if !ways.insert(step.from) {
            errors.at(&step.name, format!("there are two upgrades from version {}", step.from));
        }
    }
    ways
}

fn has_a_way(model: &Model, ways: &HashSet<u16>) -> bool {
    let options = &model.attrs.options;
    let Some((version, _)) = &options.version else { return true };
    let below = version.saturating_sub(1);
    let given_up = options.oldest.as_ref().is_some_and(|(oldest, _)| oldest >= version);
    // An attribute with a mistake in it is not missing.
    let mistaken = ["previous", "was", "migrate", "oldest"].iter().any(|name| {
        let parsed = match *name {
            "previous" => options.previous.is_some(),
            "was" => options.was.is_some(),
            "migrate" => !options.migrate.is_empty(),
            _ => options.oldest.is_some(),
        };
        model.attrs.mentions(name) && !parsed
    });
    below == 0 || ways.contains(&below) || options.previous.is_some() || given_up || mistaken
}

fn no_way(model: &Model, errors: &mut Errors) {
    let Some((version, literal)) = &model.attrs.options.version else { return };
    let below = version.saturating_sub(1);
    let message = format!(
        "version {version} has no way to read version {below}: keep the old struct, `previous = ...`; or its layout, if \
         keys were only added, `was({below} = \"...\")`; or give its sessions up, `oldest = {version}`"
    );
    errors.at(literal, message);
}

/// Requires every layout that was deployed to be recorded.
fn pinned(model: &Model, errors: &mut Errors) {
    let options = &model.attrs.options;
    if let (Some(layout), Some(unreleased)) = (&options.layout, &options.unreleased) {
        let second = model.attrs.later(&layout.name, unreleased);
        return errors.at(second, "`layout` and `unreleased` cannot be combined: a layout is recorded, or not yet");
    }
    let Some((version, literal)) = &options.version else { return };
    let has_past = *version > 1 || options.previous.is_some() || options.was.is_some();
    if has_past && !model.attrs.mentions("layout") && !model.attrs.mentions("unreleased") {
        let message = format!(
            "version {version} does not record its layout: write `layout = \"\"`, and the compiler prints what to \
             paste; or `unreleased` while it is designed"
        );
        errors.at(literal, message);
    }
}

fn bounded(model: &Model, errors: &mut Errors) {
    let options = &model.attrs.options;
    let Some((version, _)) = &options.version else { return };
    for (name, bound) in [("oldest", &options.oldest), ("readers", &options.readers)] {
        if let Some((number, literal)) = bound
            && number > version
        {
            errors.at(literal, format!("`{name}` is a version up to this one, {version}"));
        }
    }
}

/// Refuses `previous = Self`. The compiler finds the same mistake behind any other path.
fn not_self(model: &Model, errors: &mut Errors) {
    if let Some(previous) = &model.attrs.options.previous
        && matches!(&previous.value, Type::Path(path) if path.path.is_ident("Self"))
    {
        let message = "`previous = Self` names the struct itself: keep a copy of the struct as the version below had it, \
                       marked `archived`, and name that";
        errors.at(&previous.value, message);
    }
}

fn retired(model: &Model, errors: &mut Errors) {
    let retired = &model.attrs.options.retired;
    for (at, key) in retired.iter().enumerate() {
        if is_old_key(model, key, errors) && retired[..at].iter().any(|first| first.value() == key.value()) {
            errors.at(key, format!("key \"{}\" is retired twice", key.value()));
        }
    }
    for field in &model.fields {
        if retired.iter().any(|key| key.value() == field.key) {
            let message = format!(
                "key \"{}\" was retired and may not be used again: stored sessions may still hold the old value",
                field.key
            );
            errors.at(&field.key_tokens, message);
        }
    }
}

fn renamed(model: &Model, errors: &mut Errors) {
    for field in &model.fields {
        let Some(from) = &field.attrs.options.renamed_from else { continue };
        let old = from.value.value();
        if !is_old_key(model, &from.value, errors) {
            continue;
        }
        if old == field.key {
            errors
                .at(&from.value, format!("key \"{old}\" is its name now: drop `renamed_from`, or `rename` the field"));
        } else if let Some(other) = model.fields.iter().find(|other| other.key == old) {
            errors.at(&from.value, format!("key \"{old}\" is in use: field `{}` has it", other.ident));
        } else if field.attrs.options.transient.is_none() {
            had_by_an_older_version(model, &from.value, errors);
        }
    }
    renamed_once(model, errors);
}

/// Requires that an older version had the key. Only the compiler sees the keys of `previous`, and checks those itself.
fn had_by_an_older_version(model: &Model, old: &LitStr, errors: &mut Errors) {
    let options = &model.attrs.options;
    if ["previous", "migrate"].iter().any(|name| model.attrs.mentions(name)) {
        return;
    }
    let Some(was) = &options.was else {
        if !model.attrs.mentions("was") {
            errors.at(old, "`renamed_from` names a key of an older version, and none is read here: drop it");
        }
        return;
    };
    let mut keys: Vec<_> = was.value.iter().flat_map(|was| &was.layout.keys).map(|(key, _)| key.as_str()).collect();
    if !keys.contains(&old.value().as_str()) {
        keys.dedup();
        errors.at(old, format!("no version in `was` has the key \"{}\", only {}", old.value(), one_of(&keys)));
    }
}

fn renamed_once(model: &Model, errors: &mut Errors) {
    let mut seen: Vec<(String, &Field)> = Vec::new();
    for field in &model.fields {
        let Some(from) = &field.attrs.options.renamed_from else { continue };
        let old = from.value.value();
        if model.fields.iter().any(|other| other.key == old) {
            continue;
        }
        if let Some((_, first)) = seen.iter().find(|(name, _)| *name == old) {
            errors.at(&from.value, format!("key \"{old}\" is field `{}` now: one field takes it over", first.ident));
        }
        seen.push((old, field));
    }
}
