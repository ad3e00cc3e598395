//! The statements, written for one schema: what goes in, what comes out. None is built while a request waits.

use tokio_postgres::types::Type;

const LAYOUT: &str = include_str!("tables.sql");

/// The columns of a head, in the order in which [`head`](super::head) reads them.
const HEAD: &str = "expires, created, touched, ends, expiry_kind, expiry, secret, secret_since, previous, \
    previous_until, generation, generation_since, revision, bytes, keys";

/// One statement with the types of its parameters.
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) types: &'static [Type],
    /// Whether it changes nothing, so that it may be sent again.
    pub(super) reads: bool,
    /// Where a connection keeps it once it is prepared.
    pub(super) place: usize,
    /// Whether it is worth its while only where it is prepared. Elsewhere it is not sent, and answers no row.
    pub(super) prepared_only: bool,
}

/// How many statements a connection prepares.
pub(super) const PLACES: usize = 11;

/// The places of statements that only read.
const READS: [usize; 5] = [1, 2, 6, 7, 8];

/// The places of statements that are long, and short work once they are prepared.
const PREPARED_ONLY: [usize; 2] = [9, 10];

/// All statements of a store.
pub(super) struct Statements {
    /// key, head, schemas, fields, contents → how many records were made
    pub(super) create: Sql,
    /// key, now → head, texts
    pub(super) load_all: Sql,
    /// key, now, schemas → head, texts
    pub(super) load: Sql,
    /// key, now, schema → head, texts
    pub(super) load_one: Sql,
    /// key, now, four schemas → head, texts
    pub(super) load_few: Sql,
    /// as the function in `tables.sql` → head, texts, outcome
    pub(super) patch: Sql,
    /// key, now, generation, revision, the next one, totals, schema, field, content → head, if the record was so
    pub(super) set_one: Sql,
    /// the same with four schemas, fields and contents
    pub(super) set_few: Sql,
    /// key
    pub(super) delete: Sql,
    /// until when, limit → how many
    pub(super) sweep: Sql,
    /// after which key, now, limit → head, texts, key
    pub(super) scan: Sql,
    /// → version
    pub(super) version: String,
    pub(super) layout: String,
}

/// Who sees to it that a write does not wait for long for a lock of somebody else's.
#[derive(Clone, Copy)]
pub(super) enum LockTimeout {
    /// The connection has been told to, by [`SET_UP`].
    Connection,
    /// Each statement for itself.
    Statement,
}

/// What a connection of the store's own is told at first. Planning a statement costs more than all the rest of it, so each is
/// planned once, until the tables' statistics change. While they are small, reading them whole looks cheaper: not to be
/// done, since they may be large before that. For the same reason statements say `expires + 0` where the index of deadlines
/// is not what should be looked at.
///
/// A database or a role may have other settings, so all that the plans need are set: a way that is off counts as so costly that
/// the server compiles the plan, which takes seconds. Names are found in `pg_catalog` alone.
pub(super) const SET_UP: &str = "SET lock_timeout = '1s'; SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_indexscan = on; SET enable_indexonlyscan = on;
    SET enable_nestloop = on; SET enable_hashjoin = on; SET enable_sort = on; SET jit = off;
    SET max_parallel_workers_per_gather = 0; SET default_transaction_isolation = 'read committed';
    SET search_path = pg_catalog";

/// Fails inside a transaction that was begun before, and does nothing otherwise: only a transaction of the statement's own
/// may be ended by it. Where it fails, so does what follows on the connection.
pub(super) const OUTSIDE: &str = "DO 'BEGIN COMMIT; END'";

/// Bytes of the longest name. The server cuts what is longer, so that two names could mean one schema.
pub(super) const LONGEST_NAME: usize = 63;

/// Whether the server takes this as it is for the name of a schema.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && !name.contains('\0')
}

impl LockTimeout {
    /// A condition that holds, and lets the transaction wait for a second from here on.
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

/// What creates the tables in `schema` unless they are there.
pub(super) fn layout(schema: &str) -> String {
    if !is_name(schema) {
        return format!(
            "DO $$BEGIN RAISE EXCEPTION 'the name of the schema must have 1 to {LONGEST_NAME} bytes'; END$$"
        );
    }
    let name = quoted(schema, '"');
    let text = LAYOUT.replace("{schema_text}", &quoted(&name, '\''));
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

// No name has the byte 255 in it: it is none of UTF-8.
const LOAD: &str = "SELECT {HEAD}, ARRAY (
  SELECT v.schema || v.field || pg_catalog.decode('ff', 'hex') || v.content
  FROM {schema}.session_value v
  WHERE v.session = $1 {wanted}
)
FROM {schema}.session_record r
WHERE r.key = $1 AND r.expires + 0 > $2";

// How many are wanted is said where it can be: a plan for any number is a poor one, so on a connection of the application's
// the server would make one for each load. Where it cannot, the subquery keeps it from looking.
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

// The update waits for the record's lock and then looks at its conditions again, at the record as it stands by then; the
// values are written after that. What is compared is the revision alone, and each change of a value raises it under that
// lock. So with the revision that was loaded, every value is what was loaded, and so are the totals. A record that was
// deleted in between is no row to update, and a new one under its key is not among those that the statement sees.
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

// As an array they are looked up one by one, however many the planner thinks there are.
const SWEEP: &str = "WITH expired AS MATERIALIZED (
  SELECT r.key FROM {schema}.session_record r
  WHERE r.expires <= $1 ORDER BY r.expires LIMIT $2 FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM {schema}.session_record r
  WHERE r.key = ANY (ARRAY (SELECT expired.key FROM expired)) AND r.expires + 0 <= $1 RETURNING 1
)
SELECT count(*) FROM removed";

// The limit counts expired records too: a page looks at so many and no more. A key of another length is none.
const SCAN: &str = "SELECT {HEAD}, CASE WHEN r.expires > $2 THEN ARRAY (
  SELECT v.schema || v.field || pg_catalog.decode('ff', 'hex') || v.content
  FROM {schema}.session_value v
  WHERE v.session = r.key
) END, key
FROM {schema}.session_record r
WHERE r.key > $1 AND length(r.key) = 16 ORDER BY r.key LIMIT $3";
