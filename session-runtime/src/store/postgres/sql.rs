//! Statements for one database schema, with their parameters and results. None is built during a request.

use tokio_postgres::types::Type;

const FORMAT: &str = include_str!("tables.sql");

/// Columns of a head, in the order in which [`head`](super::head) reads them.
const HEAD: &str = "expires, created, touched, ends, expiry_kind, expiry, secret, secret_since, previous, \
    previous_until, generation, generation_since, revision, bytes, keys";

/// A statement and the types of its parameters.
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) types: &'static [Type],
    /// True if it changes nothing, so that it may be sent again.
    pub(super) reads: bool,
    /// Index of the prepared statement in a connection.
    pub(super) place: usize,
    /// Run only as a prepared statement; otherwise skipped, returning no rows.
    pub(super) prepared_only: bool,
}

/// Number of statements that a connection prepares.
pub(super) const PLACES: usize = 11;

/// Indexes of the statements that only read.
const READS: [usize; 5] = [1, 2, 6, 7, 8];

/// Indexes of statements that are long, but cheap once they are prepared.
const PREPARED_ONLY: [usize; 2] = [9, 10];

/// All statements of a store.
pub(super) struct Statements {
    /// key, head, schemas, fields, contents → number of created records
    pub(super) create: Sql,
    /// key, now → head, texts
    pub(super) load_all: Sql,
    /// key, now, schemas → head, texts
    pub(super) load: Sql,
    /// key, now, schema → head, texts
    pub(super) load_one: Sql,
    /// key, now, four schemas → head, texts
    pub(super) load_few: Sql,
    /// parameters of the function in `tables.sql` → head, texts, outcome
    pub(super) patch: Sql,
    /// key, now, generation, revision, the next one, totals, schema, field, content → head, if the record matched
    pub(super) set_one: Sql,
    /// the same with four schemas, fields and contents
    pub(super) set_few: Sql,
    /// key
    pub(super) delete: Sql,
    /// deadline, limit → number of removed records
    pub(super) sweep: Sql,
    /// preceding key, now, limit → head, texts, key
    pub(super) scan: Sql,
    /// → version
    pub(super) version: String,
    pub(super) layout: String,
}

/// Source of the lock timeout, which limits the wait of a write for a lock of another transaction.
#[derive(Clone, Copy)]
pub(super) enum LockTimeout {
    /// The connection has a timeout, set by [`SET_UP`].
    Connection,
    /// Each statement sets its own.
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
pub(super) const SET_UP: &str = "SET lock_timeout = '1s'; SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_indexscan = on; SET enable_indexonlyscan = on;
    SET enable_nestloop = on; SET enable_hashjoin = on; SET enable_sort = on; SET jit = off;
    SET max_parallel_workers_per_gather = 0; SET default_transaction_isolation = 'read committed';
    SET search_path = pg_catalog";

/// Fails inside a transaction that is already open, and does nothing otherwise: it may end only the transaction of its
/// own statement. If it fails, the statements that follow on the connection fail too.
pub(super) const OUTSIDE: &str = "DO 'BEGIN COMMIT; END'";

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
            Self::Statement => "AND (SELECT pg_catalog.set_config('lock_timeout', '1s', true)) IS NOT NULL",
        }
    }
}

const BIGINT: Type = Type::INT8;
const KEY: &[Type] = &[Type::BYTEA];
const KEY_NOW: &[Type] = &[Type::BYTEA, BIGINT];
const KEY_NOW_SCHEMAS: &[Type] = &[Type::BYTEA, BIGINT, Type::BYTEA_ARRAY];
const KEY_NOW_ONE: &[Type] = &[Type::BYTEA, BIGINT, Type::BYTEA];
const KEY_NOW_FEW: &[Type] = &[Type::BYTEA, BIGINT, Type::BYTEA, Type::BYTEA, Type::BYTEA, Type::BYTEA];
const UNTIL_LIMIT: &[Type] = &[BIGINT, BIGINT];
const KEY_NOW_LIMIT: &[Type] = &[Type::BYTEA, BIGINT, BIGINT];

impl Statements {
    pub(super) fn new(schema: &str, lock_timeout: LockTimeout) -> Self {
        let name = quoted(schema, '"');
        let write = |text: &str| text.replace("{schema}", &name).replace("{HEAD}", HEAD);
        let sql = |place, types, text: &str| {
            let (reads, prepared_only) = (READS.contains(&place), PREPARED_ONLY.contains(&place));
            Sql { text: write(text), types, place, reads, prepared_only }
        };
        let set = |changes| SET.replace("{changes}", changes).replace("{in_time}", lock_timeout.condition());
        Self {
            create: sql(0, CREATE_TYPES, CREATE),
            load_all: sql(1, KEY_NOW, &LOAD.replace("{wanted}", "")),
            load: sql(2, KEY_NOW_SCHEMAS, &LOAD.replace("{wanted}", SCHEMAS)),
            load_one: sql(7, KEY_NOW_ONE, &LOAD.replace("{wanted}", ONE_SCHEMA)),
            load_few: sql(8, KEY_NOW_FEW, &LOAD.replace("{wanted}", FEW_SCHEMAS)),
            patch: sql(3, PATCH_TYPES, PATCH),
            set_one: sql(9, &SET_TYPES[..10], &set(ONE_CHANGE)),
            set_few: sql(10, SET_TYPES, &set(FEW_CHANGES)),
            delete: sql(4, KEY, "SELECT {schema}.session_delete($1)"),
            sweep: sql(5, UNTIL_LIMIT, SWEEP),
            scan: sql(6, KEY_NOW_LIMIT, SCAN),
            version: write("SELECT version FROM {schema}.session_layout"),
            layout: layout(schema),
        }
    }
}

/// SQL that creates the tables in `schema` unless they exist.
pub(super) fn layout(schema: &str) -> String {
    if !is_name(schema) {
        return format!(
            "DO $$BEGIN RAISE EXCEPTION 'the name of the schema must have 1 to {LONGEST_NAME} bytes'; END$$"
        );
    }
    let name = quoted(schema, '"');
    let text = FORMAT.replace("{schema_text}", &quoted(&name, '\''));
    text.replace("{layout_text}", &quoted(&format!("{name}.session_layout"), '\'')).replace("{schema}", &name)
}

fn quoted(text: &str, quote: char) -> String {
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

const CREATE_TYPES: &[Type] = &[
    Type::BYTEA,
    BIGINT,
    BIGINT,
    BIGINT,
    BIGINT,
    BIGINT,
    BIGINT,
    Type::BYTEA,
    BIGINT,
    Type::BYTEA,
    BIGINT,
    BIGINT,
    BIGINT,
    BIGINT,
    BIGINT,
    BIGINT,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
];

const CREATE: &str = "WITH made AS (
  INSERT INTO {schema}.session_record (key, {HEAD})
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
  ON CONFLICT DO NOTHING RETURNING key
), filled AS (
  INSERT INTO {schema}.session_value (session, schema, field, content)
  SELECT made.key, c.schema, c.field, c.content
  FROM made, unnest($17, $18, $19) AS c (schema, field, content)
)
SELECT count(*) FROM made";

// The separator 255 is in no name: the byte does not occur in UTF-8.
const LOAD: &str = "SELECT {HEAD}, ARRAY (
  SELECT v.schema || v.field || pg_catalog.decode('ff', 'hex') || v.content
  FROM {schema}.session_value v
  WHERE v.session = $1 {wanted}
)
FROM {schema}.session_record r
WHERE r.key = $1 AND r.expires + 0 > $2";

// The number of wanted schemas is fixed where possible: a plan for any number is a poor one, so on an application's
// connection the server would plan each load again. Where it cannot be fixed, the subquery hides the array from the
// planner.
const ONE_SCHEMA: &str = "AND v.schema = $3";
const FEW_SCHEMAS: &str = "AND v.schema IN ($3, $4, $5, $6)";
const SCHEMAS: &str = "AND v.schema = ANY (ARRAY (SELECT unnest($3)))";

const PATCH_TYPES: &[Type] = &[
    Type::BYTEA,
    BIGINT,
    BIGINT,
    BIGINT,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT2_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
];

const PATCH: &str = "SELECT (p.head).expires, (p.head).created, (p.head).touched, (p.head).ends, (p.head).expiry_kind,
  (p.head).expiry, (p.head).secret, (p.head).secret_since, (p.head).previous, (p.head).previous_until,
  (p.head).generation, (p.head).generation_since, (p.head).revision, (p.head).bytes, (p.head).keys,
  p.texts, p.outcome
FROM {schema}.session_patch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) p";

const SET_TYPES: &[Type] = &[
    Type::BYTEA,
    BIGINT,
    BIGINT,
    BIGINT,
    BIGINT,
    BIGINT,
    BIGINT,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
];

// The update waits for the record's lock and then checks its conditions again on the current record. The values are
// written after that. Only the revision is compared, and each change of a value raises it under that lock. So a record
// with the loaded revision has the loaded values and the loaded totals. A record that was deleted in between is no row
// to update, and a new one under its key is not visible to the statement.
const SET: &str = "WITH saved AS (
  UPDATE {schema}.session_record r SET revision = $5, bytes = $6, keys = $7
  WHERE r.key = $1 AND r.expires + 0 > $2 AND r.generation = $3 AND r.revision = $4 {in_time}
  RETURNING {HEAD}
), written AS (
  INSERT INTO {schema}.session_value (session, schema, field, content)
  SELECT $1, {changes}
  ON CONFLICT ON CONSTRAINT session_value_pkey DO UPDATE SET content = excluded.content
)
SELECT * FROM saved";

const ONE_CHANGE: &str = "$8, $9, $10 FROM saved";
const FEW_CHANGES: &str = "c.schema, c.field, c.content
  FROM saved, (VALUES ($8, $9, $10), ($11, $12, $13), ($14, $15, $16), ($17, $18, $19)) AS c (schema, field, content)
  WHERE c.content IS NOT NULL";

// Keys in an array are looked up one by one, whatever number the planner expects.
const SWEEP: &str = "WITH expired AS MATERIALIZED (
  SELECT r.key FROM {schema}.session_record r
  WHERE r.expires <= $1 ORDER BY r.expires LIMIT $2 FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM {schema}.session_record r
  WHERE r.key = ANY (ARRAY (SELECT expired.key FROM expired)) AND r.expires + 0 <= $1 RETURNING 1
)
SELECT count(*) FROM removed";

// The limit includes expired records, so that a page reads a bounded number. A key of another length is not a
// session's.
const SCAN: &str = "SELECT {HEAD}, CASE WHEN r.expires > $2 THEN ARRAY (
  SELECT v.schema || v.field || pg_catalog.decode('ff', 'hex') || v.content
  FROM {schema}.session_value v
  WHERE v.session = r.key
) END, key
FROM {schema}.session_record r
WHERE r.key > $1 AND length(r.key) = 16 ORDER BY r.key LIMIT $3";
