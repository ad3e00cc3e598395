//! Log lines of a launch: the store and the lifetimes, the transport of the id, a cookie that is not `Secure`, layouts that are not pinned, and
//! misplaced settings.

use ::rocket::figment::Figment;
use ::rocket::figment::value::Dict;

use super::config::TABLE;
use crate::clock::InWords;
use crate::config::near_miss::{DISTINCTIVE_NAMES, is_near, looks_like_ours, prefixed};
use crate::record::expiry::Lifetime;
use crate::schema::SchemaSpec;
use crate::sessions::Sessions;

pub(super) fn announce(sessions: &Sessions, debug: bool) {
    let Lifetime { idle, absolute, remember, .. } = sessions.core.lifetime;
    let (idle, absolute) = (InWords(idle), InWords(absolute));
    let chosen = if remember > sessions.core.lifetime.absolute {
        format!(", {} if remembered", InWords(remember))
    } else {
        String::new()
    };
    let store = sessions.core.store().describe();
    tracing::info!(
        "Sessions: stored in {store}; they end {idle} after their last use, {absolute} after their creation{chosen}"
    );
    announce_transport(sessions);
    report_unpinned(sessions, debug);
}

/// Logs how ids travel. Warns of a cookie that plain HTTP carries, and of subdomains that get the cookie in vain.
fn announce_transport(sessions: &Sessions) {
    let Some(cookie) = sessions.core.transport.cookie() else {
        tracing::info!("Sessions: ids in `Authorization: Bearer`, new ones in the response header `Session-Id`");
        return;
    };
    if cookie.secure {
        tracing::info!("Sessions: cookie `{}`", cookie.name);
    } else {
        tracing::warn!("Sessions: cookie `{}` is not Secure, for plain HTTP in the debug profile", cookie.name);
    }
    if cookie.has_domain && sessions.core.cross_site.refuses_siblings() {
        tracing::warn!(
            "Sessions: `session.cookie.domain` is set, but pages of the other subdomains cannot change a session: list \
             their origins in `session.trusted_origins`"
        );
    }
}

/// Logs the schemas whose layout is not pinned.
///
/// A deployed layout must not change unnoticed, so each schema gets a warning. In the debug profile one line is enough.
fn report_unpinned(sessions: &Sessions, debug: bool) {
    let unpinned: Vec<String> = sessions
        .core
        .schemas()
        .iter()
        .filter(|schema| (schema.layout)().is_none())
        .map(|schema| to_pin(schema))
        .collect();
    match &unpinned[..] {
        [] => {}
        schemas if debug => tracing::info!(
            "Sessions: a change of these schemas compiles without a new version, since they are not pinned: {}",
            schemas.join("; ")
        ),
        schemas => schemas.iter().for_each(|schema| tracing::warn!("session schema not pinned: {schema}")),
    }
}

/// Describes a schema and the way to pin it.
fn to_pin(schema: &SchemaSpec) -> String {
    let (key, name) = (schema.key, schema.name);
    match (schema.to_paste)() {
        Some(pin) => format!("`{key}`, add `{}` to `{name}`", pin.text()),
        None => format!(
            "`{key}`, derive `SessionValue` for the types in `{name}`, and write `layout = \"\"` to have the compiler \
             print what to paste"
        ),
    }
}

/// Warns about settings that look like this library's but stand where they are not read.
pub(super) fn warn_of_near_misses(figment: &Figment) {
    let dict = figment.extract::<Dict>().unwrap_or_default();
    for key in dict.keys().filter(|key| looks_like_ours(key)) {
        let source = figment.find_metadata(key).map(|source| format!(" ({})", source.name)).unwrap_or_default();
        tracing::warn!("the setting `{key}`{source} is not read: {}", advice(key));
    }
    for profile in figment.profiles().filter(|profile| is_near(profile.as_str().as_str())) {
        tracing::warn!("the profile `{profile}` is not read: for the settings of sessions write `[default.{TABLE}]`");
    }
}

fn advice(key: &str) -> String {
    match prefixed(key) {
        Some(setting) if !setting.is_empty() => format!(
            "write `{setting} = …` in the table `[default.{TABLE}]` of `Rocket.toml`, or \
             `ROCKET_SESSION={{{setting}=…}}` in the environment"
        ),
        _ if DISTINCTIVE_NAMES.contains(&key) => format!("it belongs in the table `[default.{TABLE}]`"),
        _ => format!("the table of session settings is `[default.{TABLE}]`"),
    }
}
