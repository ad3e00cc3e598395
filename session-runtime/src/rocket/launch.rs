//! Log lines of a launch: the store and the lifetimes, the transport of the id, a cookie that is not `Secure`, layouts that are not pinned, and
//! misplaced settings.

use ::rocket::figment::Figment;
use ::rocket::figment::value::Dict;

use super::config::TABLE;
use crate::clock::InWords;
use crate::record::expiry::Lifetime;
use crate::schema::SchemaSpec;
use crate::sessions::Sessions;

/// Names of settings that no other part of an application is likely to use. Outside the table they have no effect.
const DISTINCTIVE_NAMES: [&str; 12] = [
    "idle",
    "absolute",
    "remember",
    "touch_every",
    "watch_every",
    "renew_every",
    "renew_grace",
    "on_save_error",
    "cross_site",
    "trusted_origins",
    "cross_site_paths",
    "clear_site_data",
];

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

fn looks_like_ours(key: &str) -> bool {
    key != TABLE && (is_near(key) || prefixed(key).is_some() || DISTINCTIVE_NAMES.contains(&key))
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

/// Returns the part of a key after `session_`, as in `ROCKET_SESSION_STORE`.
fn prefixed(key: &str) -> Option<&str> {
    let (start, rest) = key.split_at_checked(TABLE.len())?;
    let rest = rest.strip_prefix(['_', '-', '.'])?;
    start.eq_ignore_ascii_case(TABLE).then(|| rest.trim_start_matches('_'))
}

/// True if the key is the table's name up to letter case and one letter added, left out or replaced, or two neighbours
/// swapped.
fn is_near(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let key = key.trim_matches(['_', '-']);
    let (ours, theirs) = (TABLE.as_bytes(), key.as_bytes());
    let same = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
    let (ours, theirs) = (&ours[same..], &theirs[same..]);
    match (ours, theirs) {
        ([], []) => true,
        ([_, ours @ ..], [_, theirs @ ..]) if ours == theirs => true,
        ([a, b, ours @ ..], [c, d, theirs @ ..]) if (a, b, ours) == (d, c, theirs) => true,
        (_, [_, theirs @ ..]) if ours == theirs => true,
        ([_, ours @ ..], _) => ours == theirs,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_close_to_the_table_are_noticed() {
        for key in
            ["sessions", "Session", "SESSION", "sesion", "sessio", "sesssion", "sesison", "session_", "session_store"]
        {
            assert!(looks_like_ours(key), "{key}");
        }
        for key in
            ["session", "port", "secret_key", "log_level", "permission", "mission", "ident", "sessionist", "limits"]
        {
            assert!(!looks_like_ours(key), "{key}");
        }
    }
}
