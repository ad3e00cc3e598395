//! Plain English, as far as it can be counted: words and openings that hide the subject of a sentence, and the length of
//! the README.

use std::path::{Path, PathBuf};

use crate::{read, root, sources};

/// Words and phrases that stand for a missing subject, and one that is no English.
const UNCLEAR: [&str; 6] = ["nobody", "somebody", "whoever", "is told", "milliard", "milliards"];

/// First words of documentation that put a question before the noun.
const RIDDLES: [&str; 2] = ["What", "Whether"];

/// The comment of a line of Rust, if it has one. A `//` inside a string is none.
fn comment(line: &str) -> Option<&str> {
    let starts = line.match_indices("//").map(|(at, _)| at);
    let code = |at: usize| line[..at].replace("\\\"", "").replace("'\"'", "");
    starts.into_iter().find(|at| code(*at).matches('"').count().is_multiple_of(2)).map(|at| &line[at..])
}

/// The words of the lines, each with the number of its line. A line without prose ends a sentence, so no phrase reaches
/// over it.
fn words<'t>(lines: impl Iterator<Item = Option<&'t str>>) -> Vec<(usize, String)> {
    let mut words = Vec::new();
    for (at, line) in lines.enumerate() {
        // A name such as `the_words_of_a_test` is one word.
        let here = line.into_iter().flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
        words.extend(here.filter(|word| !word.is_empty()).map(|word| (at + 1, word.to_lowercase())));
        if line.is_none() {
            words.push((at + 1, String::new()));
        }
    }
    words
}

/// Every unclear phrase: its line and itself.
fn unclear(words: &[(usize, String)]) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for phrase in UNCLEAR {
        let parts: Vec<&str> = phrase.split(' ').collect();
        let is_phrase = |words: &[(usize, String)]| words.iter().map(|(_, word)| word).eq(&parts);
        found.extend(words.windows(parts.len()).filter(|window| is_phrase(window)).map(|window| (window[0].0, phrase)));
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
    for folder in ["session-runtime/src", "session-derive/src", "examples"] {
        sources(&root().join(folder), &mut programs);
        pages(&root().join(folder), &mut texts);
    }
    assert!(programs.len() > 150 && texts.len() > 2, "{} programs, {} texts", programs.len(), texts.len());
    let mut wrong = Vec::new();
    for path in programs.iter().chain(&texts) {
        let text = std::fs::read_to_string(path).unwrap();
        let is_program = programs.contains(path);
        let words = if is_program { words(text.lines().map(comment)) } else { words(text.lines().map(Some)) };
        let mut here = unclear(&words);
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
    let found = unclear(&words(text.lines().map(comment)));
    assert_eq!(found, [(3, "nobody"), (6, "whoever"), (1, "is told")]);
    assert_eq!(riddles(text), [(1, "Whether")]);
}

/// A page to read in one sitting: reference belongs into the documentation of the crate.
#[test]
fn the_readme_is_short() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 200, "README.md has {lines} lines, at most 200 are allowed");
    assert!(readme.len() <= 14_000, "README.md has {} bytes, at most 14,000 are allowed", readme.len());
}
