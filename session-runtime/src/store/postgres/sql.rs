//! Statements as they are sent to one database schema. None is built during a request.

use std::fmt::Write as _;

use super::statement::Statement;
use crate::record::key;

const TABLES: &str = include_str!("tables.sql");
const INDEX: &str = include_str!("index.sql");

/// Columns of a head, in the order in which [`head`](super::head) reads them.
const HEAD: &str = "expires, created, touched, ends, expiry_kind, expiry, secret, secret_since, previous, \
    previous_until, generation, generation_since, revision, bytes, keys";

/// A statement as it is sent to one database schema.
pub(super) struct Sql {
    pub(super) statement: Statement,
    pub(super) text: String,
}

/// All statements of a store.
pub(super) struct Statements {
    /// In the order of [`Statement::ALL`].
    sql: [Sql; Statement::ALL.len()],
    /// → format number
    pub(super) format: String,
    /// Creates the tables unless they exist.
    pub(super) tables: String,
    /// Creates the table of the index unless it exists.
    pub(super) index: String,
    /// Name of the function that indexes a stored key.
    index_key: String,
    /// Literal of the name of the table with the values.
    value_text: String,
    /// Literal of the schema.
    #[cfg(feature = "cli")]
    schema_text: String,
    /// Name of the table of records.
    #[cfg(feature = "cli")]
    record: String,
}

/// Source of the lock timeout, which limits the wait of a write for a lock of another transaction.
#[derive(Clone, Copy)]
pub(super) enum LockTimeout {
    /// The connection has a timeout, set by [`SET_UP`].
    Connection,
    /// Each statement sets its own.
    #[cfg(feature = "deadpool-postgres-0-14")]
    Statement,
}

/// Settings sent first on a connection of the store's own. Planning a statement costs more than the rest of it, so each
/// is planned once, until the statistics of the tables change. A sequential scan looks cheaper for small tables, but
/// they may grow before the next plan, so it is disabled. For the same reason statements use `expires + 0` where the
/// index on deadlines must not be used.
///
/// A database or a role may have other settings, so all settings that the plans need are set. The planner counts a
/// disabled path as so costly that the server compiles the plan, which takes seconds. Names are resolved in
/// `pg_catalog` only.
///
/// The result is the time in milliseconds after which the server ends an idle connection: 0 for never, and none on a
/// server that does not know this setting.
pub(super) const SET_UP: &str = "SET lock_timeout = '1s'; SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_indexscan = on; SET enable_indexonlyscan = on;
    SET enable_nestloop = on; SET enable_hashjoin = on; SET enable_sort = on; SET jit = off;
    SET max_parallel_workers_per_gather = 0; SET default_transaction_isolation = 'read committed';
    SET search_path = pg_catalog;
    SELECT (EXTRACT(epoch FROM current_setting('idle_session_timeout', true)::interval) * 1000)::bigint";

/// Longest name in bytes. The server truncates longer ones, so that two names could denote one schema.
pub(super) const LONGEST_NAME: usize = 63;

/// True if the server accepts this name of a schema unchanged.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.contains('\0')
}

impl LockTimeout {
    /// Condition that always holds, and limits lock waits of the transaction to a second from here on.
    const fn condition(self) -> &'static str {
        match self {
            Self::Connection => "",
            #[cfg(feature = "deadpool-postgres-0-14")]
            Self::Statement => "AND (SELECT pg_catalog.set_config('lock_timeout', '1s', true)) IS NOT NULL",
        }
    }
}

impl Statements {
    pub(super) fn new(schema: &str, lock_timeout: LockTimeout) -> Self {
        let name = quoted(schema, '"');
        let write = |text: &str| text.replace("{HEAD}", HEAD).replace("{schema}", &name);
        let sql = Statement::ALL.map(|statement| {
            let text = statement.template().replace("{lock_timeout}", lock_timeout.condition());
            Sql { statement, text: write(&text) }
        });
        Self {
            sql,
            format: write("SELECT version FROM {schema}.session_layout"),
            tables: tables(schema),
            index: index(schema),
            index_key: write("{schema}.session_index_key"),
            value_text: quoted(&write("{schema}.session_value"), '\''),
            #[cfg(feature = "cli")]
            schema_text: quoted(schema, '\''),
            #[cfg(feature = "cli")]
            record: write("{schema}.session_record"),
        }
    }

    /// Literal of the schema.
    #[cfg(feature = "cli")]
    pub(super) fn schema_text(&self) -> &str {
        &self.schema_text
    }

    /// SQL that counts at most `most` records that expired until this moment.
    #[cfg(feature = "cli")]
    pub(super) fn count_expired(&self, until: i64, most: i64) -> String {
        let record = &self.record;
        format!("SELECT count(*) FROM (SELECT 1 FROM {record} r WHERE r.expires <= {until} LIMIT {most}) expired")
    }

    /// SQL whose result has a row if this stored key is indexed.
    pub(super) fn index_exists(&self, name: &str) -> String {
        let (schema, field) = key::split_schema(name);
        format!(
            "SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = pg_catalog.to_regclass({}) AND t.tgname = \
             'session_index_' || pg_catalog.left(pg_catalog.encode(pg_catalog.sha256({} || {}), 'hex'), 40) || '_delete'",
            self.value_text,
            bytes(schema),
            bytes(field)
        )
    }

    /// SQL that indexes a stored key unless it is indexed.
    pub(super) fn index_key(&self, name: &str) -> String {
        let (schema, field) = key::split_schema(name);
        format!("SELECT {}({}, {})", self.index_key, bytes(schema), bytes(field))
    }

    pub(super) const fn get(&self, statement: Statement) -> &Sql {
        &self.sql[statement.index()]
    }
}

/// SQL that creates the tables in `schema` unless they exist.
pub(super) fn tables(schema: &str) -> String {
    if !is_name(schema) {
        return format!(
            "DO $$BEGIN RAISE EXCEPTION 'the name of the schema must have 1 to {LONGEST_NAME} bytes'; END$$"
        );
    }
    let name = quoted(schema, '"');
    let text = TABLES.replace("{schema_text}", &quoted(&name, '\''));
    text.replace("{layout_text}", &quoted(&format!("{name}.session_layout"), '\'')).replace("{schema}", &name)
}

/// SQL that creates the table of the index in `schema` unless it exists.
pub(super) fn index(schema: &str) -> String {
    let name = quoted(schema, '"');
    let text = |of: &str| quoted(&format!("{name}.{of}"), '\'');
    let sql = INDEX.replace("{index_text}", &text("session_index")).replace("{value_text}", &text("session_value"));
    sql.replace("{follow_text}", &text("session_index_follow")).replace("{schema}", &name)
}

/// Literal of the bytes of a text.
fn bytes(text: &str) -> String {
    let mut literal = "pg_catalog.decode('".to_owned();
    for byte in text.bytes() {
        // Writing into a `String` cannot fail.
        let _ = write!(literal, "{byte:02x}");
    }
    literal + "', 'hex')"
}

fn quoted(text: &str, quote: char) -> String {
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}
