//! URL of the store: from a variable, a file or the command line, where it must have no password.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::args::Source;
use super::exit::Failure;
use crate::config::{ServerConfig, SessionConfig};

/// Time limit of one round trip to the store. An operator waits longer than a visitor.
const DEADLINE: Duration = Duration::from_secs(10);

const VARIABLE: &str = "SESSION_STORE";

/// Refuses a URL with a password among the arguments, before anything can repeat it in a message.
pub(super) fn refuse_passwords(mut args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    if args.any(|arg| has_password(&arg.to_string_lossy())) {
        return Err(Failure::usage(format!(
            "a URL with a password was given as an argument, which other users of this machine see in the list of \
             processes; put it into the variable {VARIABLE}, or into a file and name that with --store-file"
        )));
    }
    Ok(())
}

/// True if a text may be a URL with a password. Errs on the safe side: a password may contain any character.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let in_user = rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    let lower = rest.to_ascii_lowercase();
    in_user || ["?pass", "&pass"].iter().any(|parameter| lower.contains(parameter))
}

impl Source {
    /// Returns the settings for the store.
    pub(super) fn config(&self) -> Result<SessionConfig, Failure> {
        let server = ServerConfig { namespace: self.namespace.clone(), ..ServerConfig::default() };
        Ok(SessionConfig::new().store(self.url()?).server(server).deadline(DEADLINE))
    }

    fn url(&self) -> Result<String, Failure> {
        match (&self.store, &self.store_file) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(path)) => read(path),
            (None, None) => std::env::var(VARIABLE).map_err(|_| no_store()),
        }
    }
}

fn no_store() -> Failure {
    Failure::usage(format!(
        "no store: set {VARIABLE} to the URL of the application's setting `store`, or name a file with it by --store-file"
    ))
}

fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| Failure::usage(format!("`{shown}` cannot be read: {error}")))?;
    let url = String::from_utf8(text).ok().map(|text| text.trim().to_owned());
    url.filter(|url| url.contains(':') && !url.contains(char::is_control)).ok_or_else(|| {
        let remedy = "an SQLite file is named by --store sqlite://PATH";
        Failure::usage(format!("`{shown}` should contain one line, the URL of the store; {remedy}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_wherever_a_url_has_it() {
        for url in [
            "postgres://app:secret@db/shop",
            "postgres://app:se/cr?et#@db/shop",
            "redis://:secret@localhost",
            "--store=redis-cluster://u:p@a,b",
            "redis+unix:///socket?db=0&pass=secret",
            "postgres://db/shop?user=app&password=secret",
        ] {
            assert!(has_password(url), "{url}");
        }
        for url in
            ["postgres://app@db:5432/shop", "redis://localhost:6379/0", "sqlite:///a:b.db", "auth.user=a:b@c", "ann"]
        {
            assert!(!has_password(url), "{url}");
        }
    }
}
