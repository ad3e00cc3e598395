//! The programs of the rollout: this test's own executable, started anew as one version of a shop.

use std::process::Command;

use rocket::{Build, Rocket, get, post};
use session_runtime::Session;

use super::{v1, v2, v3};
use crate::process::{Host, Shop};

const VERSION: &str = "SESSION_ROLLOUT_VERSION";

/// The visitor's user. A login copies the whole record under a new id.
#[derive(Session)]
#[session(key = "auth", version = 1)]
pub(super) struct Auth {
    #[session(renew)]
    pub(super) user: Option<u32>,
}

/// One version in all programs, so it works in every state of the cart.
#[derive(Session)]
#[session(key = "prefs", version = 1, lazy)]
pub(super) struct Prefs {
    #[session(merge = keys)]
    pub(super) values: std::collections::BTreeMap<u32, String>,
}

/// A release, and what it is held at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    V1,
    V2,
    V3,
    V3Held,
}

impl Program {
    pub(super) fn version(self) -> u16 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 | Self::V3Held => 3,
        }
    }

    /// The version of a cart that this program has changed.
    pub(super) fn writes(self) -> u16 {
        match self {
            Self::V3Held => 2,
            _ => self.version(),
        }
    }

    pub(super) fn launch(self, host: &Host) -> Shop {
        let hold = if self == Self::V3Held { ",hold={cart=2}" } else { "" };
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "rollout::program::serves_when_asked_to", "--nocapture"]);
        command.env(VERSION, self.version().to_string());
        host.launch(command, &host.sqlite(&format!(",deadline=\"60s\"{hold}")))
    }
}

/// No test but the program itself: without the variable it ends at once.
#[test]
fn serves_when_asked_to() {
    let Ok(version) = std::env::var(VERSION) else { return };
    let rocket = match version.as_str() {
        "1" => v1::build(),
        "2" => v2::build(),
        "3" => v3::build(),
        _ => panic!("there is no version {version}"),
    };
    rocket::execute(rocket.launch()).unwrap();
}

/// The routes that the versions have in common.
pub(super) fn common() -> Rocket<Build> {
    rocket::build().mount("/", rocket::routes![ping, prefs, set_pref])
}

#[get("/ping")]
fn ping() {}

#[get("/prefs")]
fn prefs(prefs: &Prefs) -> String {
    format!("{:?}", prefs.values())
}

#[post("/pref/<number>")]
fn set_pref(number: u32, mut prefs: Session<Prefs>) {
    prefs.values_mut().insert(number, format!("p{number}"));
}

/// Changes one of the fields that every version has. A macro, since their types have nothing in common but names.
macro_rules! change {
    ($cart:ident, $field:ident, $number:ident) => {{
        match $field {
            "items" => *$cart.items_mut().entry($number % 5).or_default() += 1,
            "tags" => drop($cart.tags_mut().insert(format!("t{}", $number))),
            "count" => *$cart.count_mut() += i64::from($number),
            "list" => $cart.list_mut().push($number),
            "last" => $cart.set_last(f64::from($number) + 0.5),
            "currency" => $cart.set_currency(format!("c{}", $number)),
            _ => return rocket::http::Status::NotFound,
        }
        rocket::http::Status::Ok
    }};
}
pub(super) use change;

/// Appends what is new.
#[expect(clippy::ptr_arg, reason = "the signature of a merge function")]
pub(super) fn append(base: &Vec<u32>, theirs: &Vec<u32>, ours: Vec<u32>) -> Vec<u32> {
    let new = ours.into_iter().filter(|item| !base.contains(item));
    theirs.iter().copied().chain(new).collect()
}
