//! The wings of `session-runtime`: imports point one way, without circles, and the top folder stays small.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{root, sources};

/// From the lowest to the highest: a wing may import wings before it. Wings of one rank import none of each other.
const ORDER: [&[&str]; 9] = [
    &["error"],
    &["record"],
    &["schema"],
    &["version"],
    &["store"],
    &["request"],
    &["sessions"],
    &["rocket", "axum"],
    &["cli"],
];

/// One mention of a path below `crate`.
struct Import {
    file: String,
    line: usize,
    /// The path after `crate::`, up to the first name that is no module.
    path: Vec<String>,
}

/// Every mention of `crate::…` outside comments and tests.
fn imports() -> Vec<Import> {
    let folder = root().join("session-runtime/src");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    let mut found = Vec::new();
    for path in files.iter().filter(|path| !path.ends_with("tests.rs")) {
        let file = path.strip_prefix(&folder).unwrap().display().to_string();
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (at, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let paths = line.split("crate::").skip(1).map(|rest| {
                let end = rest.find(|c: char| c != ':' && c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
                rest[..end].split("::").map(str::to_owned).collect()
            });
            found.extend(paths.map(|path| Import { file: file.clone(), line: at + 1, path }));
        }
    }
    found
}

fn wing_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn imports_point_down() {
    let rank = |wing: &str| ORDER.iter().position(|known| known.contains(&wing));
    let is_upward = |from: &str, to: &str| matches!((rank(from), rank(to)), (Some(at), Some(other)) if other > at || other == at && from != to);
    let upward: Vec<String> = imports()
        .iter()
        .filter(|import| is_upward(wing_of(&import.file), &import.path[0]))
        .map(|import| format!("{}:{} imports `{}`", import.file, import.line, import.path.join("::")))
        .collect();
    assert!(
        upward.is_empty(),
        "imports against {}:\n{}",
        ORDER.map(|wings| wings.join(", ")).join(" < "),
        upward.join("\n")
    );
}

/// The file that a path leads to, if it names one below the crate's root.
fn file_of(folder: &Path, path: &[String]) -> Option<String> {
    (1..=path.len()).rev().map(|length| path[..length].join("/")).find_map(|module| {
        [format!("{module}.rs"), format!("{module}/mod.rs")].into_iter().find(|file| folder.join(file).is_file())
    })
}

/// No file imports itself through others. A folder's root file and the files below it count as one.
#[test]
fn files_have_no_circles() {
    let folder = root().join("session-runtime/src");
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for import in imports() {
        let Some(to) = file_of(&folder, &import.path) else { continue };
        let is_root_of = |root: &str, file: &str| {
            let root = root.trim_end_matches("/mod.rs").trim_end_matches(".rs");
            file.starts_with(&format!("{root}/"))
        };
        if to != import.file && !is_root_of(&to, &import.file) && !is_root_of(&import.file, &to) {
            edges.entry(import.file).or_default().insert(to);
        }
    }
    let reaches = |from: &str, to: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(file) = open.pop() {
            for next in edges.get(&file).into_iter().flatten().filter(|next| seen.insert((*next).clone())) {
                open.push(next.clone());
            }
        }
        seen.contains(to)
    };
    let circles: Vec<&String> = edges.keys().filter(|file| reaches(file, file)).collect();
    assert!(circles.is_empty(), "files that import themselves through others: {circles:?}");
}

#[test]
fn the_top_folder_is_small() {
    let entries = std::fs::read_dir(root().join("session-runtime/src")).unwrap().count();
    assert!(entries <= 24, "{entries} entries side by side");
}

/// Conditions on the feature `cookie` in the code of `session-runtime`, outside the cookie store.
#[test]
fn few_places_depend_on_the_feature_of_the_cookie_store() {
    let folder = root().join("session-runtime/src");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    let mut found = Vec::new();
    for path in files.iter().filter(|path| !path.strip_prefix(&folder).unwrap().starts_with("store/cookie")) {
        let text = std::fs::read_to_string(path).unwrap();
        for (at, line) in text.lines().enumerate() {
            if line.contains(r#"feature = "cookie""#) && !line.contains("cfg!(") {
                found.push(format!("{}:{}", path.strip_prefix(&folder).unwrap().display(), at + 1));
            }
        }
    }
    println!("{} conditions on the feature `cookie`: {found:?}", found.len());
    assert!(!found.is_empty() && found.len() <= 14, "{found:?}");
}
