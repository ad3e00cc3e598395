//! Plain English, as far as it can be counted: words and openings that hide the subject of a sentence, and the length of
//! the README.

use std::path::{Path, PathBuf};

use crate::{read, root, sources};

/// Words that stand for a missing subject or give speech to a thing, and one that is no English.
const UNCLEAR: [&str; 11] =
    ["nobody", "somebody", "everybody", "anybody", "whoever", "told", "tells", "says", "said", "milliard", "milliards"];

/// First words of documentation that put a question or a preposition before the noun.
const RIDDLES: [&str; 7] = ["What", "Whether", "Who", "Where", "How", "Of", "By"];

/// The folders whose prose is checked.
const FOLDERS: [&str; 6] = [
    "session-runtime/src",
    "session-runtime/tests",
    "session-runtime/fuzz/src",
    "session-derive/src",
    "examples",
    "tests",
];

/// The comment of a line of Rust, if it has one. A `//` inside a string is none.
fn comment(line: &str) -> Option<&str> {
    let starts = line.match_indices("//").map(|(at, _)| at);
    let code = |at: usize| line[..at].replace("\\\"", "").replace("'\"'", "");
    starts.into_iter().find(|at| code(*at).matches('"').count().is_multiple_of(2)).map(|at| &line[at..])
}

/// Every unclear word of the lines: the number of its line and the word.
fn unclear<'t>(lines: impl Iterator<Item = Option<&'t str>>) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (at, line) in lines.enumerate() {
        // A name such as `the_words_of_a_test` is one word.
        for word in line.into_iter().flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')) {
            let unclear = UNCLEAR.into_iter().find(|unclear| word.eq_ignore_ascii_case(unclear));
            found.extend(unclear.map(|unclear| (at + 1, unclear)));
        }
    }
    found
}

/// Every first line of documentation that begins with a riddle: its number and the word.
fn riddles(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        let documentation = ["/// ", "//! "].iter().find_map(|mark| line.trim_start().strip_prefix(mark));
        let first = documentation.filter(|_| !inside).and_then(|line| line.split(|c: char| !c.is_alphabetic()).next());
        found.extend(RIDDLES.into_iter().filter(|riddle| first == Some(riddle)).map(|riddle| (at + 1, riddle)));
        inside = line.trim_start().starts_with("///") || line.trim_start().starts_with("//!");
    }
    found
}

/// Markdown files below a folder.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn the_prose_is_plain() {
    let (mut programs, mut texts) = (Vec::new(), vec![root().join("README.md")]);
    for folder in FOLDERS {
        sources(&root().join(folder), &mut programs);
        pages(&root().join(folder), &mut texts);
    }
    // The words and openings that are looked for stand in this file.
    programs.retain(|path| !path.ends_with("tests/tidy/prose.rs"));
    assert!(programs.len() > 500 && texts.len() > 4, "{} programs, {} texts", programs.len(), texts.len());
    let mut wrong = Vec::new();
    for path in programs.iter().chain(&texts) {
        let text = std::fs::read_to_string(path).unwrap();
        let is_program = programs.contains(path);
        let mut here = if is_program { unclear(text.lines().map(comment)) } else { unclear(text.lines().map(Some)) };
        here.extend(if is_program { riddles(&text) } else { Vec::new() });
        let file = path.strip_prefix(root()).unwrap().display();
        wrong.extend(here.iter().map(|(line, words)| format!("{file}:{line}: \"{words}\"")));
    }
    assert!(wrong.is_empty(), "{} places are not plain English:\n{}", wrong.len(), wrong.join("\n"));
}

/// The check finds what it is for, and nothing else.
#[test]
fn the_check_of_the_prose_finds_words_and_openings() {
    let text = "/// Whether it holds, since the caller is\n/// told so.\nlet url = \"a://nobody\"; // Nobody reads \"this\".\n\
                /// Returns\n/// What follows is no first line. a_test_of_nobody\nlet quote = '\"'; // whoever";
    let found = unclear(text.lines().map(comment));
    assert_eq!(found, [(2, "told"), (3, "nobody"), (6, "whoever")]);
    assert_eq!(riddles(text), [(1, "Whether")]);
    assert_eq!(riddles("/// Of two.\nfn a() {}\n/// Offers.\nfn b() {}\n//! Who reads."), [(1, "Of"), (5, "Who")]);
}

/// A page to read in one sitting: reference belongs into the documentation of the crate.
#[test]
fn the_readme_is_short() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 200, "README.md has {lines} lines, at most 200 are allowed");
    assert!(readme.len() <= 14_000, "README.md has {} bytes, at most 14,000 are allowed", readme.len());
}
