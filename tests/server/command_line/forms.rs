//! The forms of the output: on a terminal, in a pipe and as JSON; help, completions and the manual page.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use session_tests::lookups::visitor;

use super::{Place, binary, program, run};
use crate::process::Storage;

/// Runs the program on a terminal, types `input`, and returns all that the terminal shows.
fn on_a_terminal(place: &Place, args: &str, input: &str, more: &[(&str, &str)]) -> String {
    let line = format!("{} {args} --namespace {}", binary().display(), place.namespace);
    let mut command = Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.env("SESSION_STORE", &place.url).env("TERM", "xterm-256color").env_remove("NO_COLOR").envs(more.to_vec());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// C150: a terminal gets aligned columns in colours, and none with `NO_COLOR`; a pipe gets tabs and no header.
#[tokio::test]
async fn a_terminal_gets_columns_and_a_pipe_gets_tabs() {
    for place in Place::all() {
        visitor(&place.node(SystemTime::now).await, "ann").await;
        let shown = on_a_terminal(&place, "count", "", &[]);
        assert!(shown.contains("SCHEMA") && shown.contains("\u{1b}[1m") && !shown.contains('\t'), "{shown:?}");
        let plain = on_a_terminal(&place, "list", "", &[("NO_COLOR", "1")]);
        assert!(plain.contains("KEY                     CREATED") && !plain.contains("\u{1b}["), "{plain:?}");
        let piped = place.done(&["count"]);
        assert!(piped.starts_with("*\t*\t1\t") && !piped.contains('\u{1b}'), "{piped:?}");
    }
}

/// C150: on a terminal, `end` asks, and ends nothing unless the answer is yes.
#[tokio::test]
async fn the_end_of_sessions_is_confirmed_on_a_terminal() {
    let place = Place::new(Storage::Sqlite);
    visitor(&place.node(SystemTime::now).await, "ann").await;
    let no = on_a_terminal(&place, "end --by auth.user=ann", "n\n", &[]);
    assert!(no.contains("End 1 session? [y/N]") && place.json(&["count"])["alive"] == 1, "{no}");
    let yes = on_a_terminal(&place, "end --by auth.user=ann", "y\n", &[]);
    assert!(yes.contains("1 session has ended") && place.json(&["count"])["alive"] == 0, "{yes}");
}

/// C150: a reader that has seen enough ends the program without a complaint.
#[tokio::test]
async fn a_closed_pipe_is_no_failure() {
    let place = Place::new(Storage::Sqlite);
    visitor(&place.node(SystemTime::now).await, "ann").await;
    let mut command = place.command(&["list"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// C150: each command has help with an example, and the help states the exit status.
#[test]
fn each_command_has_an_example() {
    for command in ["doctor", "count", "list", "show", "end", "sweep", "completions", "man"] {
        let help = run(&mut program(&[command, "--help"])).expect(0).out;
        assert!(help.contains("Example") && help.contains(&format!("session {command}")), "{help}");
    }
    let help = run(&mut program(&["--help"])).expect(0).out;
    assert!(help.contains("Exit status") && help.contains("130"), "{help}");
}

/// C150: completions of the shells and the manual page are generated.
#[test]
fn completions_and_a_manual_page_are_generated() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = run(&mut program(&["completions", shell])).expect(0).out;
        assert!(completions.contains("doctor") && completions.contains("store-file"), "{shell}: {completions}");
    }
    let page = run(&mut program(&["man"])).expect(0).out;
    assert!(page.contains(".TH session 1") && page.contains("doctor"), "{page}");
    let page = run(&mut program(&["man", "doctor"])).expect(0).out;
    assert!(page.contains(".TH session-doctor 1") && page.contains("Example"), "{page}");
    run(&mut program(&["man", "none"])).expect(2);
}
