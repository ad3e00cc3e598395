//! Passwords and their hashes: Argon2id with the parameters that OWASP recommends (19 MiB, two passes), on the threads for
//! blocking work.

use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use rocket::tokio::sync::Semaphore;
use rocket::tokio::task::spawn_blocking;

pub(crate) const MIN_LETTERS: usize = 8;
pub(crate) const MAX_LETTERS: usize = 128;

/// Password that a user may choose: 8 to 128 letters of any kind, without rules about digits and signs (NIST SP 800-63B
/// section 3.1.1.2).
pub(crate) struct NewPassword(String);

impl NewPassword {
    pub(crate) fn new(text: &str) -> Option<Self> {
        let letters = text.chars().count();
        (MIN_LETTERS..=MAX_LETTERS).contains(&letters).then(|| Self(text.to_owned()))
    }
}

/// Computes hashes, one for each processor at a time: with more, a flood of logins would take 19 MiB each.
pub(crate) struct Hashes {
    turns: Arc<Semaphore>,
    /// Hash of no password, for names without an account.
    decoy: String,
}

impl Hashes {
    pub(crate) fn new() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new(processors)), decoy: hash("nothing is logged in with this") }
    }

    pub(crate) async fn hash(&self, password: NewPassword) -> String {
        self.run(move || hash(&password.0)).await
    }

    /// Returns whether the password has the hash. Without a hash the answer is false after the same time, so that the
    /// time does not show which names have an account.
    pub(crate) async fn is_right(&self, password: &str, hash: Option<&str>) -> bool {
        let (password, has_account) = (password.to_owned(), hash.is_some());
        let hash = hash.unwrap_or(&self.decoy).to_owned();
        self.run(move || verify(&password, &hash)).await && has_account
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("the semaphore is never closed");
        let work = move || {
            // Held until the work ends, even if the request is given up before.
            let _turn = turn;
            work()
        };
        spawn_blocking(work).await.expect("neither hashing nor comparing panics")
    }
}

/// Returns the hash with its parameters and a random salt, in the PHC format.
fn hash(password: &str) -> String {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.expect("the default parameters are valid, and the system has random bytes").to_string()
}

fn verify(password: &str, hash: &str) -> bool {
    let verify = |hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
    PasswordHash::new(hash).is_ok_and(verify)
}
