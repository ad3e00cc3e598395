//! Counting, listing, showing and ending sessions.

use std::process::Stdio;
use std::time::SystemTime;

use session_runtime::clock::Timestamp;
use session_runtime::store::Wanted;
use session_runtime::{SessionKey, Sessions};
use session_tests::lookups::{Auth, Browser, visitor};

use super::Place;
use crate::process::{Storage, poll};

/// Three sessions of Ann, one of Bob, an anonymous one, and two of Eve that have expired.
async fn fill(place: &Place) -> (Sessions, [SessionKey; 5]) {
    let old = place.old_node().await;
    for _ in 0..2 {
        visitor(&old, "eve").await;
    }
    let node = place.node(SystemTime::now).await;
    let mut keys = [SessionKey::from_bytes([0; 16]); 5];
    for (key, user) in keys.iter_mut().zip(["ann", "ann", "ann", "bob"]) {
        *key = visitor(&node, user).await.1;
    }
    let mut browser = Browser::default();
    browser.add(&node).await.unwrap();
    keys[4] = browser.key(&node).await.unwrap();
    (node, keys)
}

async fn is_stored(place: &Place, key: SessionKey) -> bool {
    let now = Timestamp::from_millis(0);
    place.store().load(key, &Wanted::all().fresh(), now).await.unwrap().is_some()
}

/// C143: the counts are those of the stored sessions, alive and expired, by schema and version.
#[tokio::test]
async fn every_session_is_counted_by_schema_and_version() {
    for place in Place::all() {
        fill(&place).await;
        let text = place.done(&["count"]);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
        let counts: Vec<&[&str]> = rows.iter().map(|row| &row[..5]).collect();
        let expected = [["*", "*", "5", "2", "0"], ["auth", "1", "4", "2", "0"], ["cart", "1", "1", "0", "0"]];
        assert_eq!(counts, expected, "{:?}", place.storage);
        let report = place.json(&["count"]);
        assert_eq!((&report["alive"], &report["expired"], &report["unreadable"]), (&5.into(), &2.into(), &0.into()));
        let schema = &report["schemas"][0];
        assert_eq!((&schema["schema"], &schema["version"], &schema["alive"]), (&"auth".into(), &1.into(), &4.into()));
        assert_eq!(report["bytes"].to_string(), rows[0][5], "{:?}", place.storage);
    }
}

/// C143: the bytes are those of the stored keys and values of all sessions.
#[tokio::test]
async fn the_bytes_are_those_that_the_limits_count() {
    for place in Place::all() {
        let node = place.node(SystemTime::now).await;
        let key = visitor(&node, "ann").await.1;
        let loaded = place.store().load(key, &Wanted::all(), Timestamp::from_millis(0)).await.unwrap().unwrap();
        assert_eq!(place.json(&["count"])["bytes"], loaded.bytes, "{:?}", place.storage);
    }
}

/// C144: a list names the living sessions, and with a value those that hold it, whether it is a text or a number.
#[tokio::test]
async fn a_list_names_the_sessions_of_a_value() {
    for place in Place::all() {
        let (node, keys) = fill(&place).await;
        node.update::<Auth, _>(&keys[3], |auth| auth.set_tenant(7)).await.unwrap();
        let listed = |args: &[&str]| {
            let text = place.done(&[&["list"], args].concat());
            let mut keys: Vec<SessionKey> = text.lines().map(|line| line[..22].parse().unwrap()).collect();
            keys.sort_unstable();
            keys
        };
        let sorted = |keys: &[SessionKey]| {
            let mut keys = keys.to_vec();
            keys.sort_unstable();
            keys
        };
        assert_eq!(listed(&[]), sorted(&keys), "{:?}", place.storage);
        assert_eq!(listed(&["--by", "auth.user=ann"]), sorted(&keys[..3]), "{:?}", place.storage);
        assert_eq!(listed(&["--by", "auth.tenant=7"]), [keys[3]], "{:?}", place.storage);
    }
}

/// C144: a list ends at its limit, with a message that there are more; the form of a line is fixed.
#[tokio::test]
async fn a_list_ends_at_its_limit() {
    for place in Place::all() {
        fill(&place).await;
        let listed = place.run(&["list", "--limit", "2"]).expect(0);
        assert_eq!((listed.out.lines().count(), listed.err.contains("more than these 2")), (2, true), "{listed:?}");
        let line = place.done(&["list", "--by", "auth.user=bob"]);
        let cells: Vec<&str> = line.trim_end().split('\t').collect();
        assert_eq!(cells.len(), 5, "{line}");
        assert!(cells[1..4].iter().all(|time| time.len() == 20 && time.ends_with('Z')), "{line}");
        assert_eq!(cells[4], "auth 1", "{line}");
        let object = place.json(&["list", "--by", "auth.user=bob"]);
        assert_eq!((&object["key"], &object["schemas"]["auth"]), (&cells[0].into(), &1.into()));
    }
}

/// C145: a record is shown with its times and sizes; its values only if they are asked for. Neither contains its hash.
#[tokio::test]
async fn a_record_is_shown_without_its_values_unless_they_are_asked_for() {
    for place in Place::all() {
        let (_, keys) = fill(&place).await;
        let key = keys[3].to_string();
        let text = place.done(&["show", &key]);
        assert!(!text.contains("bob") && text.lines().count() == 1, "{text}");
        let shown = place.json(&["show", &key]);
        assert_eq!((&shown["key"], &shown["is_expired"]), (&key.as_str().into(), &false.into()), "{text}");
        assert_eq!((&shown["generation"], shown["authenticated"].is_string()), (&0.into(), true), "{text}");
        let field = &shown["schemas"]["auth"]["fields"]["user"];
        assert_eq!((field["bytes"].is_number(), &field["value"]), (true, &serde_json::Value::Null), "{text}");
        let values = place.json(&["show", &key, "--values"]);
        assert_eq!(values["schemas"]["auth"]["fields"]["user"]["value"], "bob", "{values}");
        let hash = place.store().load(keys[3], &Wanted::all(), Timestamp::from_millis(0)).await.unwrap().unwrap();
        let hash = session_tests::cookie::hex(hash.record.head.secret.as_bytes());
        assert!(!values.to_string().to_lowercase().contains(&hash.to_lowercase()[..8]), "{values}");
    }
}

/// C146: sessions end by their keys, an expired one too; a key without a session is named, and the status is 1.
#[tokio::test]
async fn sessions_end_by_their_keys() {
    for place in Place::all() {
        let (_, keys) = fill(&place).await;
        let [ann, bob] = [keys[0].to_string(), keys[3].to_string()];
        assert_eq!(place.done(&["end", "--yes", &ann, &bob]), "2\n", "{:?}", place.storage);
        let again = place.run(&["end", "--yes", &ann]).expect(1);
        assert!(again.out == "0\n" && again.err.contains(&ann), "{again:?}");
        for (key, stays) in keys.iter().zip([false, true, true, false, true]) {
            assert_eq!(is_stored(&place, *key).await, stays, "{:?}", place.storage);
        }
        place.run(&["show", &ann]).expect(1);
    }
}

/// C146: all sessions that hold a value end, and no other. A second run finds none, and the status is 1.
#[tokio::test]
async fn the_sessions_of_a_value_end_and_no_other() {
    for place in Place::all() {
        let (_, keys) = fill(&place).await;
        assert_eq!(place.json(&["end", "--by", "auth.user=ann", "--yes"])["ended"], 3, "{:?}", place.storage);
        for (key, stays) in keys.iter().zip([false, false, false, true, true]) {
            assert_eq!(is_stored(&place, *key).await, stays, "{:?}", place.storage);
        }
        assert_eq!(place.run(&["end", "--by", "auth.user=ann", "--yes"]).expect(1).out, "0\n");
        place.run(&["list", "--by", "auth.user=ann"]).expect(1);
    }
}

/// C146: without a terminal to ask on, sessions end only with `--yes`.
#[tokio::test]
async fn a_script_that_does_not_confirm_ends_nothing() {
    let place = Place::new(Storage::Sqlite);
    let (_, keys) = fill(&place).await;
    for args in [&["end", &keys[0].to_string()][..], &["end", "--by", "auth.user=ann"]] {
        let refused = place.run(args).expect(2);
        assert!(refused.out.is_empty() && refused.err.contains("--yes"), "{refused:?}");
    }
    assert!(is_stored(&place, keys[0]).await);
}

/// C147: a sweep removes the expired sessions and no other.
#[tokio::test]
async fn a_sweep_removes_expired_sessions_alone() {
    for place in Place::all() {
        fill(&place).await;
        assert_eq!(place.done(&["sweep"]), "2\n", "{:?}", place.storage);
        let report = place.json(&["count"]);
        assert_eq!((&report["alive"], &report["expired"]), (&5.into(), &0.into()), "{:?}", place.storage);
        assert_eq!(place.json(&["sweep"])["removed"], 0, "{:?}", place.storage);
    }
}

/// Copies the session of Ann in a file: so many sessions in all.
fn copy(place: &Place, key: SessionKey, sessions: u32) {
    let mut file = rusqlite::Connection::open(place.file()).unwrap();
    let copies = file.transaction().unwrap();
    for number in 1..sessions {
        let other: Vec<u8> = [&number.wrapping_mul(2_654_435_761).to_be_bytes()[..], &[0; 12]].concat();
        let copy = "INSERT INTO entry SELECT ?1, name, content, expires FROM entry WHERE session = ?2";
        copies.execute(copy, (&other, &key.as_bytes()[..])).unwrap();
    }
    copies.commit().unwrap();
}

fn number_of_sessions(place: &Place) -> u32 {
    let file = rusqlite::Connection::open(place.file()).unwrap();
    let count = "SELECT count(*), count(DISTINCT session) FROM entry WHERE name = 0 OR name = 'auth.user'";
    let (rows, sessions): (u32, u32) = file.query_row(count, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(rows, 2 * sessions, "each session should be whole");
    sessions
}

/// C146: Ctrl-C ends the work after the sessions in progress and states their number; the next run ends the rest.
#[tokio::test]
async fn an_interrupted_end_leaves_whole_sessions_and_goes_on() {
    const SESSIONS: u32 = 20_000;
    let place = Place::new(Storage::Sqlite);
    let key = visitor(&place.node(SystemTime::now).await, "ann").await.1;
    copy(&place, key, SESSIONS);
    let mut command = place.command(&["end", "--by", "auth.user=ann", "--yes"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    poll("some sessions to have ended", || (number_of_sessions(&place) < SESSIONS).then_some(()));
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{err}");
    let (ended, left): (u32, u32) = (out.trim().parse().unwrap(), number_of_sessions(&place));
    println!("{ended} of {SESSIONS} had ended");
    assert!(err.contains("sessions have ended; the command may be run again"), "{err}");
    assert!(left > 0 && ended + left == SESSIONS, "{ended} ended, {left} left");
    assert_eq!(place.done(&["end", "--by", "auth.user=ann", "--yes"]), format!("{left}\n"));
    assert_eq!(number_of_sessions(&place), 0);
}
