//! The table of cases in `tests/README.md` is true: every case is there once, and every test that it names exists.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{read, root, sources};

/// All cases; the gaps are there on purpose.
const CASES: &str = "
B1 B2 B3 B4 B5 B6 B7 B9 B10 B11 B12 B13 B14 B15 B16 B17 B18 B19 B20 B21 B23 B24 B25 B26 B29 B31 B32 B33 B34 B35 B37 B38
B39 B40 B42 B44 B45 B46 B47 B48 B49 B50 B51 B52 B53 B54 B55 B56 B57 B59 B60 B61 B62 B63 B64 B65 B67 B68 B69 B70 B71 B72
B73 B74 B75 B76 B77 B78 B79 B80 B81 B82 B83 B84 B85 B88 B89 B90
C01 C02 C03 C04 C05 C06 C08 C09 C10 C10b C11 C12 C13 C14 C15 C16 C16b C17 C19 C19b C20 C21 C22 C24 C25 C26 C27 C29 C30
C31 C32 C34 C35 C36 C37 C38 C39 C40 C42 C43 C44 C45 C46 C47 C48 C50 C51 C52 C53 C54 C55 C56 C57 C58 C60 C61 C61b C62 C63 C64
C65 C67 C68 C69 C70 C71 C71b C73 C74 C75 C76 C77 C78 C79 C80
C81 C82 C83 C84 C85 C86 C87
C91 C92 C93 C94 C95 C96 C101 C102 C103 C104 C105 C106 C107 C108 C112 C113 C114 C115 C116 C117 C118 C119 C120 C121
C122 C123 C124 C127 C128 C129 C130 C131 C132 C133 C134 C135 C136 C137 C138 C139 C140 C141 C142 C143 C144 C145 C146
C147 C148 C149 C150 C151 C152 C153 C154 C155 C156 C157 C158 C159 C160 C161 C162";

struct Row {
    case: String,
    place: String,
}

impl Row {
    /// The tests of the row: a target and a path in it.
    fn tests(&self) -> Vec<(&str, &str)> {
        let quoted = self.place.split('`').skip(1).step_by(2);
        quoted.filter_map(|name| name.split_once(' ')).collect()
    }
}

fn rows() -> Vec<Row> {
    let readme = read("tests/README.md");
    let cells = readme.lines().map(|line| line.split(" | ").collect::<Vec<_>>());
    let rows = cells.filter_map(|cells| match cells[..] {
        [case, _, place] => Some((case.strip_prefix("| ")?.to_owned(), place.strip_suffix(" |")?.to_owned())),
        _ => None,
    });
    let is_case = |case: &str| case.starts_with(['B', 'C']) && case[1..].starts_with(|c: char| c.is_ascii_digit());
    rows.filter(|(case, _)| is_case(case)).map(|(case, place)| Row { case, place }).collect()
}

/// The files in which a test of this target and module may stand.
fn files(target: &str, module: &str) -> Vec<PathBuf> {
    let module = module.replace("::", "/");
    let names = match target {
        "kit" => vec![format!("session-runtime/src/testing/conformance/{module}.rs")],
        "runtime" => vec![format!("session-runtime/src/{module}.rs"), format!("session-runtime/src/{module}/tests.rs")],
        _ => vec![format!("tests/{target}/{module}.rs"), format!("tests/{target}/{module}/mod.rs")],
    };
    names.into_iter().map(|name| root().join(name)).filter(|path| path.exists()).collect()
}

/// The lines of documentation over the test, and its attributes; `None`: there is no such test.
fn head_of(target: &str, path: &str) -> Option<String> {
    let (module, name) = path.rsplit_once("::")?;
    let text: String = files(target, module).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").and_then(|rest| rest.split('(').next()) == Some(name)
    })?;
    let start = lines[..at].iter().rposition(|line| !line.starts_with(['/', '#'])).map_or(0, |line| line + 1);
    let head = lines[start..at].join("\n");
    let is_test = ["#[test]", "async_test]", "tokio::test"].iter().any(|attribute| head.contains(attribute));
    (is_test || target == "kit").then_some(head)
}

#[test]
fn every_case_is_in_the_table_once() {
    let mut seen = BTreeMap::<String, usize>::new();
    for row in rows() {
        *seen.entry(row.case).or_default() += 1;
    }
    for case in CASES.split_whitespace() {
        assert_eq!(seen.remove(case), Some(1), "{case} should be in the table of tests/README.md once");
    }
    assert!(seen.is_empty(), "cases that are none: {seen:?}");
}

#[test]
fn every_case_has_a_test_or_waits_for_something() {
    let (mut here, mut waiting) = (0, 0);
    for row in rows() {
        let waits = ["waits for ", "not planned"].iter().any(|words| row.place.contains(words));
        here += usize::from(!row.tests().is_empty());
        waiting += usize::from(row.tests().is_empty());
        assert!(waits || !row.tests().is_empty(), "{} has neither a test nor a reason", row.case);
    }
    println!("{} cases: {here} here, {waiting} waiting", here + waiting);
}

/// The test exists under its name, and its documentation names the case. The kit's rules are public and name none; nor
/// do the tests of the contract and of `SQLite`.
#[test]
fn every_test_in_the_table_exists_and_names_its_case() {
    let mut wrong = Vec::new();
    for row in rows() {
        for (target, path) in row.tests() {
            let case = &row.case;
            if target == "ui" {
                let file = root().join(format!("tests/language/ui/{path}.rs"));
                if !std::fs::read_to_string(file).is_ok_and(|text| text.contains(case.as_str())) {
                    wrong.push(format!("{case}: there is no {target} {path} that names it"));
                }
                continue;
            }
            let Some(head) = head_of(target, path) else {
                wrong.push(format!("{case}: there is no test {target} {path}"));
                continue;
            };
            let nameless =
                target == "kit" || ["contract::", "sqlite::", "kill::"].iter().any(|module| path.starts_with(module));
            let named = head.split(|c: char| !c.is_alphanumeric()).any(|word| word == case);
            if !named && !nameless {
                wrong.push(format!("{case}: the documentation of {target} {path} does not name it"));
            }
        }
    }
    assert!(wrong.is_empty(), "tests/README.md:\n{}", wrong.join("\n"));
}

/// A number in a test's documentation is one of the table's.
#[test]
fn every_number_in_a_test_is_a_case() {
    let mut files = Vec::new();
    sources(&root().join("tests"), &mut files);
    sources(&root().join("session-runtime"), &mut files);
    let mut found = 0;
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let heads = text.lines().filter_map(|line| line.trim().strip_prefix("/// ")?.split_once(':'));
        for word in heads.flat_map(|(head, _)| head.split(|c: char| !c.is_alphanumeric())) {
            if word.starts_with(['B', 'C']) && word[1..].starts_with(|c: char| c.is_ascii_digit()) {
                found += 1;
                let known = CASES.split_whitespace().any(|case| case == word);
                assert!(known, "{word} in {} is no case", path.display());
            }
        }
    }
    assert!(found > 100, "only {found} numbers found");
}
