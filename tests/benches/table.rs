//! The printed table: what was measured beside the goal that it is held to.

use std::fs;

/// Prints each line as soon as it is known.
pub(crate) struct Table {
    missed: usize,
}

/// The goal of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Table {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("machine: {}, {cores} cores\n", processor());
        println!("| measured | figure | goal |");
        println!("|---|---:|---:|");
        Self { missed: 0 }
    }

    /// One line; `digits` behind the point.
    pub(crate) fn line(&mut self, what: &str, figure: f64, digits: usize, goal: Goal) {
        let (goal, held) = match goal {
            Goal::AtMost(most) => (format!("≤ {}", number(most, digits)), figure <= most),
            Goal::AtLeast(least) => (format!("≥ {}", number(least, digits)), figure >= least),
            Goal::None => (String::new(), true),
        };
        self.missed += usize::from(!held);
        let missed = if held { "" } else { " (missed)" };
        println!("| {what} | {} | {goal}{missed} |", number(figure, digits));
    }

    pub(crate) fn end(self) {
        if self.missed > 0 {
            println!("\n{} of the goals missed", self.missed);
        }
    }
}

/// With separators between thousands.
fn number(figure: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", figure.abs());
    let whole = text.find('.').unwrap_or(text.len());
    let mut grouped = String::new();
    for (at, char) in text.char_indices() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(char);
    }
    let is_zero = text.chars().all(|char| matches!(char, '0' | '.'));
    if figure < 0.0 && !is_zero { format!("-{grouped}") } else { grouped }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

/// The middle one.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
