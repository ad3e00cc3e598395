//! The command `session`, for the operators of an application.
//!
//! Works on any store on a server or in a file, without the schemas of the application: stored records describe
//! themselves. No command creates or changes a table.
//!
//! ```console
//! $ cargo install session-runtime --no-default-features --features cli,sqlite,postgres,redis
//! $ export SESSION_STORE=postgres://app:secret@db.example/shop
//! $ session doctor
//! $ session list --by auth.user=ann
//! ```
//!
//! | command | does |
//! |---|---|
//! | `session doctor` | checks the settings of the store: one line for each, `ok`, `warning`, `wrong` or `unknown` |
//! | `session count` | counts the sessions by schema and version, and their bytes |
//! | `session list` | lists sessions; with `--by auth.user=ann` those that hold a value of an indexed field |
//! | `session show KEY` | shows a record as JSON; the values only with `--values` |
//! | `session end KEY…`, `session end --by auth.user=ann` | ends sessions |
//! | `session sweep` | removes expired sessions now |
//! | `session completions SHELL`, `session man` | print completions of a shell, and the manual page |
//!
//! `session help COMMAND` has the options and an example of each. The guide [`operating`](crate::guide::operating) has
//! the settings of each store, and the commands for common questions.
//!
//! # The store
//!
//! The variable `SESSION_STORE` or a file (`--store-file`) contains the URL of the store, as
//! [`SessionConfig::store`](crate::SessionConfig::store) takes it. `--store` takes a URL too, but none with a password:
//! other users of the machine see the arguments of a process. `--namespace` is the setting `server.namespace` of the
//! application.
//!
//! # Output
//!
//! A terminal shows aligned columns in colours, unless `NO_COLOR` is set. A pipe gets tab-separated lines without a
//! header. `--json` prints one object, or for `list` one object per line. `show` always prints JSON. Ids, hashes and
//! passwords are never printed; keys of sessions are, since they open nothing.
//!
//! # Exit status
//!
//! | status | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | no such session; or `doctor` found something wrong |
//! | 2 | wrong usage |
//! | 3 | the store cannot be reached, refuses, or holds something unreadable |
//! | 130 | interrupted by Ctrl-C; the message has the number of sessions so far |
//!
//! An interrupted command, or one that failed, leaves whole sessions, and may be run again.

mod args;
mod count;
mod doctor;
mod end;
mod exit;
mod list;
mod lookup;
mod opened;
mod output;
mod progress;
mod show;
mod source;
mod sweep;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Args, Command};
use exit::{Exit, Failure};
use opened::Opened;
use output::Output;

/// Runs the command with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = source::refuse_passwords(std::env::args_os()).and_then(|()| run());
    outcome.unwrap_or_else(Failure::report).into()
}

fn run() -> Result<Exit, Failure> {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(usage) => {
            usage.print()?;
            return Ok(if usage.use_stderr() { Exit::Usage } else { Exit::Done });
        }
    };
    match args.command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "session", &mut std::io::stdout());
            Ok(Exit::Done)
        }
        Command::Man { command } => print_page(command.as_deref()),
        command => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(operate(command, &args.source, Output::new(args.json)))
        }
    }
}

/// Prints the manual page of the program, or of one of its commands.
fn print_page(command: Option<&str>) -> Result<Exit, Failure> {
    let mut page = Args::command();
    page.build();
    if let Some(command) = command {
        let known = page.find_subcommand(command).cloned();
        page = known.ok_or_else(|| Failure::usage("there is no such command; `session --help` lists them"))?;
    }
    clap_mangen::Man::new(page).render(&mut std::io::stdout())?;
    Ok(Exit::Done)
}

/// Runs a command that needs the store.
async fn operate(command: Command, source: &args::Source, mut output: Output) -> Result<Exit, Failure> {
    let config = source.config()?;
    let opened = Opened::open(config).await;
    if let Command::Doctor(limits) = command {
        return doctor::run(opened, limits.into(), &mut output).await;
    }
    let opened = opened?;
    match command {
        Command::Count => count::run(&opened, &mut output).await,
        Command::List(list) => list::run(&opened, list, &mut output).await,
        Command::Show(show) => show::run(&opened, show, &mut output).await,
        Command::End(end) => end::run(&opened, end, &mut output).await,
        Command::Sweep => sweep::run(&opened, &mut output).await,
        Command::Doctor(_) | Command::Completions { .. } | Command::Man { .. } => Ok(Exit::Done),
    }
}
