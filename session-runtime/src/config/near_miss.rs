//! Names that look like settings of this library but stand where they are not read.

use super::settings::TABLE;

/// Names of settings that no other part of an application is likely to use. Outside the table they have no effect.
pub(crate) const DISTINCTIVE_NAMES: [&str; 12] = [
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

/// True for a name that is close to the table, or to a setting.
pub(crate) fn looks_like_ours(key: &str) -> bool {
    key != TABLE && (is_near(key) || prefixed(key).is_some() || DISTINCTIVE_NAMES.contains(&key))
}

/// Returns the part of a key after `session_`, as in `ROCKET_SESSION_STORE`.
pub(crate) fn prefixed(key: &str) -> Option<&str> {
    let (start, rest) = key.split_at_checked(TABLE.len())?;
    let rest = rest.strip_prefix(['_', '-', '.'])?;
    start.eq_ignore_ascii_case(TABLE).then(|| rest.trim_start_matches('_'))
}

/// True if the key is the table's name up to letter case and one letter added, left out or replaced, or two neighbours
/// swapped.
pub(crate) fn is_near(key: &str) -> bool {
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
