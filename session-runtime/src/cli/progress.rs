//! Progress on standard error, if that is a terminal, and the wish to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::exit::Exit;

/// Number of steps of a bar.
const STEPS: u32 = 1_000;
const TICK: Duration = Duration::from_millis(100);

/// A bar, or a number where the end is not known.
pub(super) struct Progress {
    bar: ProgressBar,
    verb: &'static str,
}

impl Progress {
    /// `verb` is the participle for the work on a session: `counted`.
    pub(super) fn new(verb: &'static str) -> Self {
        // Hidden unless standard error is a terminal.
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self { bar, verb }
    }

    /// Shows the number of sessions so far, and the part that is done if it is known.
    pub(super) fn show(&self, sessions: u64, fraction: Option<f64>) {
        if let Some(fraction) = fraction {
            self.show_bar(fraction);
        }
        self.bar.set_message(format!("{} sessions {}", grouped(sessions), self.verb));
    }

    fn show_bar(&self, fraction: f64) {
        if self.bar.length().is_none() {
            self.bar.set_length(STEPS.into());
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed}, left {eta}") {
                self.bar.set_style(style);
            }
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a small number")]
        self.bar.set_position((fraction.clamp(0.0, 1.0) * f64::from(STEPS)) as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Groups the digits of a number: 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = (digits.len() + 2) % 3 + 1;
    let (head, rest) = digits.split_at(first.min(digits.len()));
    let groups = rest.as_bytes().chunks(3).map(|group| format!(",{}", String::from_utf8_lossy(group)));
    groups.fold(head.to_owned(), |text, group| text + &group)
}

/// The wish of the user to stop: Ctrl-C. The first ends the command after the sessions in progress, the second at once.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on.
    pub(super) fn listen() -> Self {
        let stop = Self::default();
        let wish = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                wish.0.store(true, Ordering::Relaxed);
                if tokio::signal::ctrl_c().await.is_ok() {
                    std::process::exit(Exit::Interrupted as i32);
                }
            }
        });
        stop
    }

    pub(super) fn is_wished(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        let numbers = [0, 12, 123, 1_234, 123_456, 1_234_567, 1_000_000_000];
        let texts = numbers.map(grouped);
        assert_eq!(texts, ["0", "12", "123", "1,234", "123,456", "1,234,567", "1,000,000,000"]);
    }
}
