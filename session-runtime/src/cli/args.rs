//! Arguments of the command, and its help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::store::Limits;

const SESSION: &str = "\
Examples:
  export SESSION_STORE=postgres://app:secret@db.example/shop
  session doctor
  session count --store sqlite:///var/lib/shop/sessions.db
  session list --by auth.user=ann --store-file /run/secrets/session-store

Exit status:
  0    done
  1    no such session; or `doctor` found something wrong
  2    wrong usage
  3    the store cannot be reached, refuses, or holds something unreadable
  130  interrupted by Ctrl-C; whole sessions remain, and the command may be run again";

const DOCTOR: &str = "\
Prints one line for each property:

  ok       as it should be
  warning  a promise of the library is at risk
  wrong    a promise of the library is broken
  unknown  a permission to look is missing; the line names it

Example:
  session doctor || alert \"the session store is set up wrongly\"

Exit status: 0 unless something is wrong, else 1; 3 if the store cannot be reached or refuses.";

const COUNT: &str = "\
The first line has all sessions, the others those that hold a schema, by the
version that stored it. Bytes are those of stored keys and values, as the setting
`limits.record` counts them; the engine needs more. Reads all sessions, with
pauses for the requests of visitors.

Columns in a pipe: schema (* for all), version, alive, expired, unreadable, bytes.

Example:
  session count --json | jq .alive";

const BY: &str = "\
A value is looked up in the index of its field, which the application declares
with `#[session(index)]`. It is taken as text, and if it is a number, `true` or
`false`, as that too. Sessions that an older version of the application stored
under another name of the field are found by that name.";

const LIST: &str = "\
Columns in a pipe: key, created, used, expires, schemas with their versions.

Example, the places where a user is logged in:
  session list --by auth.user=ann";

const SHOW: &str = "\
Without --values, the sizes of the fields are shown, and nothing that a visitor
has entered.

Example:
  session show --values n0s8DqoVTAmrqKzKVhmmtA | jq .schemas.cart";

const END: &str = "\
Asks first if it runs on a terminal; a script needs --yes. Prints the number of
sessions that have ended. With --by, sessions whose value cannot be read end too.

Examples:
  session end n0s8DqoVTAmrqKzKVhmmtA
  session end --by auth.user=ann --yes";

const SWEEP: &str = "\
Removes the sessions that expired at least a minute ago. A running application
does this by itself every minute. Pauses after each step, for the requests of
visitors.

Example:
  session sweep";

/// Looks at the sessions of an application, and ends them.
#[derive(Parser)]
#[command(name = "session", version, after_help = SESSION)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) source: Source,
    /// Prints JSON: one object, or for `list` one per line.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Place of the sessions.
#[derive(clap::Args)]
pub(super) struct Source {
    /// URL of the store, without a password. Default: the variable `SESSION_STORE`.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) store: Option<String>,
    /// File that contains the URL of the store.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "store")]
    pub(super) store_file: Option<PathBuf>,
    /// Setting `server.namespace` of the application: a schema of PostgreSQL, a prefix of Redis.
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) namespace: Option<String>,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Checks the settings of the store.
    #[command(after_help = DOCTOR)]
    Doctor(DoctorArgs),
    /// Counts sessions by schema and version.
    #[command(after_help = COUNT)]
    Count,
    /// Lists sessions.
    #[command(after_help = LIST, after_long_help = [BY, "\n\n", LIST].concat())]
    List(ListArgs),
    /// Shows a session as JSON.
    #[command(after_help = SHOW)]
    Show(ShowArgs),
    /// Ends sessions, and so logs their visitors out.
    #[command(after_help = END, after_long_help = [BY, "\n\n", END].concat())]
    End(EndArgs),
    /// Removes expired sessions now.
    #[command(after_help = SWEEP)]
    Sweep,
    /// Prints the completions of a shell.
    #[command(after_help = "Example:\n  session completions bash > /etc/bash_completion.d/session")]
    Completions {
        /// Shell to print them for.
        shell: Shell,
    },
    /// Prints the manual page of the program, or of one of its commands.
    #[command(after_help = "Example:\n  session man doctor > /usr/local/share/man/man1/session-doctor.1")]
    Man {
        /// Command to print the page of.
        command: Option<String>,
    },
}

#[derive(clap::Args)]
pub(super) struct DoctorArgs {
    /// Age of an open transaction from which it is a warning, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    longest_transaction: u64,
    /// Size of a write-ahead log of SQLite from which it is a warning, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    largest_log: u64,
}

impl From<DoctorArgs> for Limits {
    fn from(args: DoctorArgs) -> Self {
        let log = args.largest_log.saturating_mul(1 << 20);
        Self { transaction: Duration::from_secs(args.longest_transaction), log }
    }
}

#[derive(clap::Args)]
pub(super) struct ListArgs {
    /// Lists the sessions that hold a value of an indexed field, such as `auth.user=ann`.
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(super) by: Option<String>,
    /// Maximum number of sessions.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) limit: u64,
}

#[derive(clap::Args)]
pub(super) struct ShowArgs {
    /// Key of the session, as `list` prints it.
    pub(super) key: String,
    /// Shows the stored values.
    #[arg(long)]
    pub(super) values: bool,
}

#[derive(clap::Args)]
pub(super) struct EndArgs {
    /// Keys of sessions, as `list` prints them.
    #[arg(value_name = "KEY", required_unless_present = "by", conflicts_with = "by")]
    pub(super) keys: Vec<String>,
    /// Ends the sessions that hold a value of an indexed field, such as `auth.user=ann`.
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(super) by: Option<String>,
    /// Does not ask.
    #[arg(long)]
    pub(super) yes: bool,
}
