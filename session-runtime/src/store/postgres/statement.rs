//! Statements of the store. The text, the parameters and the effect of each are declared in one place.

use tokio_postgres::types::Type;

/// A statement that is sent with parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// key, head, schemas, fields, contents → number of created records
    Create,
    /// key, now → head, texts
    LoadAll,
    /// key, now, schemas → head, texts
    Load,
    /// key, now, schema → head, texts; with those of the reserved section
    LoadOne,
    /// parameters of the function in `tables.sql` → head, texts, outcome
    Patch,
    /// key, now, generation, revision, the next one, totals, schema, field, content → head, if the record matched
    SetOne,
    /// the same with four schemas, fields and contents
    SetFew,
    /// key
    Delete,
    /// deadline, limit → number of removed records
    Sweep,
    /// preceding key, now, limit → head, texts, key
    Scan,
    /// keys, now → head, key of each record that was found
    Heads,
    /// stored key, SHA-256 of the text, preceding key, limit → key
    Find,
    /// key, generation → number of deleted records
    DeleteIf,
}

/// Effect on the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// Changes nothing, so the statement may be sent again.
    Reads,
    Writes,
}

/// Connections on which a statement is used. A connection through a pooler does not prepare statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UsedOn {
    AllConnections,
    /// Only where statements are prepared; otherwise it is skipped and returns no rows.
    PreparingConnections,
}

struct Declaration {
    text: &'static str,
    /// Replaces `{part}` in the text.
    part: &'static str,
    types: &'static [Type],
    effect: Effect,
    used_on: UsedOn,
}

impl Statement {
    /// All statements, in the order of their declaration.
    pub(super) const ALL: [Self; 13] = [
        Self::Create,
        Self::LoadAll,
        Self::Load,
        Self::LoadOne,
        Self::Patch,
        Self::SetOne,
        Self::SetFew,
        Self::Delete,
        Self::Sweep,
        Self::Scan,
        Self::Heads,
        Self::Find,
        Self::DeleteIf,
    ];

    /// Position in [`ALL`](Self::ALL).
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    pub(super) const fn types(self) -> &'static [Type] {
        self.declaration().types
    }

    /// True if it changes nothing, so that it may be sent again.
    pub(super) const fn reads(self) -> bool {
        matches!(self.declaration().effect, Effect::Reads)
    }

    /// True if it is used only where statements are prepared; otherwise it is skipped and returns no rows.
    pub(super) const fn is_prepared_only(self) -> bool {
        matches!(self.declaration().used_on, UsedOn::PreparingConnections)
    }

    /// Text in which `{schema}`, `{HEAD}` and `{lock_timeout}` are still to be replaced.
    pub(super) fn template(self) -> String {
        let Declaration { text, part, .. } = self.declaration();
        text.replace("{part}", part)
    }

    const fn declaration(self) -> &'static Declaration {
        match self {
            Self::Create => &CREATE,
            Self::LoadAll => &LOAD_ALL,
            Self::Load => &LOAD,
            Self::LoadOne => &LOAD_ONE,
            Self::Patch => &PATCH,
            Self::SetOne => &SET_ONE,
            Self::SetFew => &SET_FEW,
            Self::Delete => &DELETE,
            Self::Sweep => &SWEEP,
            Self::Scan => &SCAN,
            Self::Heads => &HEADS,
            Self::Find => &FIND,
            Self::DeleteIf => &DELETE_IF,
        }
    }
}

const NUMBER: Type = Type::INT8;
const NUMBERS: Type = Type::INT8_ARRAY;
const FLAGS: Type = Type::INT2_ARRAY;
const BYTES: Type = Type::BYTEA;
const TEXTS: Type = Type::BYTEA_ARRAY;

const CREATE: Declaration = Declaration {
    text: "WITH made AS (
  INSERT INTO {schema}.session_record (key, {HEAD})
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
  ON CONFLICT DO NOTHING RETURNING key
), filled AS (
  INSERT INTO {schema}.session_value (session, schema, field, content)
  SELECT made.key, c.schema, c.field, c.content
  FROM made, unnest($17, $18, $19) AS c (schema, field, content)
)
SELECT count(*) FROM made",
    part: "",
    types: &[
        BYTES, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, BYTES, NUMBER, BYTES, NUMBER, NUMBER, NUMBER, NUMBER,
        NUMBER, NUMBER, TEXTS, TEXTS, TEXTS,
    ],
    effect: Effect::Writes,
    used_on: UsedOn::AllConnections,
};

const LOAD_ALL: Declaration = Declaration {
    // The separator 255 is in no name: the byte does not occur in UTF-8.
    text: "SELECT {HEAD}, ARRAY (
  SELECT v.schema || v.field || pg_catalog.decode('ff', 'hex') || v.content
  FROM {schema}.session_value v
  WHERE v.session = $1 {part}
)
FROM {schema}.session_record r
WHERE r.key = $1 AND r.expires + 0 > $2",
    part: "",
    types: &[BYTES, NUMBER],
    effect: Effect::Reads,
    used_on: UsedOn::AllConnections,
};

// The subquery hides the array from the planner, which plans poorly for an array of unknown length.
const LOAD: Declaration =
    Declaration { part: "AND v.schema = ANY (ARRAY (SELECT unnest($3)))", types: &[BYTES, NUMBER, TEXTS], ..LOAD_ALL };

// The usual load: one schema, and the reserved section (`session` in hexadecimal). Without an array of unknown length the
// server keeps the plan, also on an application's connection. Measured there for one schema alone: 43 µs of the server's
// CPU time instead of 53.
const LOAD_ONE: Declaration = Declaration {
    part: "AND v.schema IN ($3, pg_catalog.decode('73657373696f6e', 'hex'))",
    types: &[BYTES, NUMBER, BYTES],
    ..LOAD_ALL
};

const PATCH: Declaration = Declaration {
    text: "SELECT (p.head).expires, (p.head).created, (p.head).touched, (p.head).ends, (p.head).expiry_kind,
  (p.head).expiry, (p.head).secret, (p.head).secret_since, (p.head).previous, (p.head).previous_until,
  (p.head).generation, (p.head).generation_since, (p.head).revision, (p.head).bytes, (p.head).keys,
  p.texts, p.outcome
FROM {schema}.session_patch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) p",
    part: "",
    types: &[BYTES, NUMBER, NUMBER, NUMBER, TEXTS, TEXTS, TEXTS, FLAGS, TEXTS, NUMBERS, NUMBERS, TEXTS],
    effect: Effect::Writes,
    used_on: UsedOn::AllConnections,
};

// The update waits for the record's lock and then checks its conditions again on the current record. The values are
// written after that. Only the revision is compared, and each change of a value raises it under that lock. So a record
// with the loaded revision has the loaded values and the loaded totals. If the record was deleted in between, there is
// no row to update, and a new record under its key is not visible to the statement.
const SET_ONE: Declaration = Declaration {
    text: "WITH saved AS (
  UPDATE {schema}.session_record r SET revision = $5, bytes = $6, keys = $7
  WHERE r.key = $1 AND r.expires + 0 > $2 AND r.generation = $3 AND r.revision = $4 {lock_timeout}
  RETURNING {HEAD}
), written AS (
  INSERT INTO {schema}.session_value (session, schema, field, content)
  SELECT $1, {part}
  ON CONFLICT ON CONSTRAINT session_value_pkey DO UPDATE SET content = excluded.content
)
SELECT * FROM saved",
    part: "$8, $9, $10 FROM saved",
    types: &[BYTES, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, BYTES, BYTES, BYTES],
    effect: Effect::Writes,
    // A connection of the store's own through a pooler has no lock timeout. The function sets its own.
    used_on: UsedOn::PreparingConnections,
};

const SET_FEW: Declaration = Declaration {
    part: "c.schema, c.field, c.content
  FROM saved, (VALUES ($8, $9, $10), ($11, $12, $13), ($14, $15, $16), ($17, $18, $19)) AS c (schema, field, content)
  WHERE c.content IS NOT NULL",
    types: &[
        BYTES, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES,
        BYTES, BYTES, BYTES, BYTES,
    ],
    ..SET_ONE
};

const DELETE: Declaration = Declaration {
    text: "SELECT {schema}.session_delete($1)",
    part: "",
    types: &[BYTES],
    effect: Effect::Writes,
    used_on: UsedOn::AllConnections,
};

// Keys in an array are looked up one by one, whatever number the planner expects.
const SWEEP: Declaration = Declaration {
    text: "WITH expired AS MATERIALIZED (
  SELECT r.key FROM {schema}.session_record r
  WHERE r.expires <= $1 ORDER BY r.expires LIMIT $2 FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM {schema}.session_record r
  WHERE r.key = ANY (ARRAY (SELECT expired.key FROM expired)) AND r.expires + 0 <= $1 RETURNING 1
)
SELECT count(*) FROM removed",
    part: "",
    types: &[NUMBER, NUMBER],
    effect: Effect::Writes,
    used_on: UsedOn::AllConnections,
};

// The limit includes expired records, so that a page reads a bounded number. A row whose key has another length belongs
// to no session.
const SCAN: Declaration = Declaration {
    text: "SELECT {HEAD}, CASE WHEN r.expires > $2 THEN ARRAY (
  SELECT v.schema || v.field || pg_catalog.decode('ff', 'hex') || v.content
  FROM {schema}.session_value v
  WHERE v.session = r.key
) END, key
FROM {schema}.session_record r
WHERE r.key > $1 AND length(r.key) = 16 ORDER BY r.key LIMIT $3",
    part: "",
    types: &[BYTES, NUMBER, NUMBER],
    effect: Effect::Reads,
    used_on: UsedOn::AllConnections,
};

// Keys in an array are looked up one by one, as in a sweep.
const HEADS: Declaration = Declaration {
    text: "SELECT {HEAD}, r.key FROM {schema}.session_record r
WHERE r.key = ANY (ARRAY (SELECT unnest($1))) AND r.expires + 0 > $2",
    part: "",
    types: &[TEXTS, NUMBER],
    effect: Effect::Reads,
    used_on: UsedOn::AllConnections,
};

const FIND: Declaration = Declaration {
    text: "SELECT i.session FROM {schema}.session_index i
WHERE i.name = $1 AND i.value = $2 AND i.session > $3 AND length(i.session) = 16 ORDER BY i.session LIMIT $4",
    part: "",
    types: &[BYTES, BYTES, BYTES, NUMBER],
    effect: Effect::Reads,
    used_on: UsedOn::AllConnections,
};

const DELETE_IF: Declaration = Declaration {
    text: "SELECT {schema}.session_delete_if($1, $2)",
    part: "",
    types: &[BYTES, NUMBER],
    effect: Effect::Writes,
    used_on: UsedOn::AllConnections,
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Words of a statement that changes tables or locks rows.
    const WRITE_WORDS: [&str; 12] = [
        "insert",
        "update",
        "delete",
        "merge",
        "truncate",
        "share",
        "lock",
        "set",
        "call",
        "session_patch",
        "session_delete",
        "session_delete_if",
    ];

    /// Words that stand before an opening parenthesis in a statement that only reads: keywords, and functions that
    /// change nothing.
    const READING_CALLS: [&str; 6] = ["any", "array", "decode", "in", "length", "unnest"];

    fn words(text: &str) -> impl Iterator<Item = String> {
        text.split(|c: char| c != '_' && !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
    }

    fn writes(text: &str) -> bool {
        words(text).any(|word| WRITE_WORDS.contains(&word.as_str()))
    }

    /// Names before an opening parenthesis.
    fn calls(text: &str) -> impl Iterator<Item = String> {
        let before = text.match_indices('(').map(|(at, _)| text[..at].trim_end().to_owned());
        before.filter_map(|before| words(&before).last().filter(|word| before.to_lowercase().ends_with(word)))
    }

    /// A statement that may be sent again has no effect, and the others have one.
    #[test]
    fn a_statement_reads_if_and_only_if_its_text_writes_nothing() {
        for statement in Statement::ALL {
            let text = statement.template();
            assert_eq!(statement.reads(), !writes(&text), "{statement:?}");
            if statement.reads() {
                let others: Vec<String> = calls(&text).filter(|call| !READING_CALLS.contains(&call.as_str())).collect();
                assert!(others.is_empty(), "{statement:?} calls {others:?}");
            }
        }
    }

    #[test]
    fn each_parameter_of_a_text_has_a_type_and_each_type_a_parameter() {
        for statement in Statement::ALL {
            let text = statement.template();
            let named = text.split('$').skip(1).map(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                rest[..end].parse::<usize>().unwrap()
            });
            let named: BTreeSet<usize> = named.collect();
            assert!(named.into_iter().eq(1..=statement.types().len()), "{statement:?}");
        }
    }

    #[test]
    fn the_index_of_a_statement_is_its_position() {
        for (at, statement) in Statement::ALL.into_iter().enumerate() {
            assert_eq!(statement.index(), at, "{statement:?}");
        }
    }
}
