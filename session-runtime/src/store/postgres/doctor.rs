//! Findings about a database: its settings as they hold for this user, and the transactions of others.

use async_trait::async_trait;

use super::PostgresStore;
use super::fault::Fault;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::store::operable::{Finding, Limits, MOST_UNSWEPT, Operable, UNSWEPT, Verdict, clock, unswept};

/// A question to the server, and the judgement of its answer.
struct Check {
    property: &'static str,
    /// Answers with one text, whose words are separated by spaces. `{schema}` is the quoted schema.
    sql: &'static str,
    judge: fn(&[&str], Limits) -> Finding,
}

const CHECKS: [Check; 12] = [
    Check {
        property: "version",
        sql: "SELECT current_setting('server_version_num') || ' ' || current_setting('server_version')",
        judge: version,
    },
    Check {
        property: "role",
        sql: "SELECT pg_is_in_recovery() || ' ' || current_setting('default_transaction_read_only')",
        judge: role,
    },
    Check { property: "fsync", sql: "SELECT current_setting('fsync')", judge: fsync },
    Check { property: "full_page_writes", sql: "SELECT current_setting('full_page_writes')", judge: full_page_writes },
    Check {
        property: "synchronous_commit",
        sql: "SELECT current_setting('synchronous_commit') || ' ' || (SELECT count(*) FROM pg_db_role_setting s
            LEFT JOIN pg_database d ON d.oid = s.setdatabase
            WHERE 'synchronous_commit=off' = ANY (s.setconfig)
            AND (s.setdatabase = 0 OR d.datname = current_database()))",
        judge: synchronous_commit,
    },
    Check {
        property: "replication",
        sql: "SELECT (SELECT count(*) FROM pg_stat_replication) || ' ' || current_setting('synchronous_standby_names')",
        judge: replication,
    },
    Check {
        property: "autovacuum",
        sql: "SELECT current_setting('autovacuum') || ' ' || current_setting('track_counts')",
        judge: autovacuum,
    },
    Check {
        property: "transactions",
        sql: "SELECT pg_has_role('pg_read_all_stats', 'USAGE') || ' ' || COALESCE(max(age), 0) FROM (
            SELECT extract(epoch FROM clock_timestamp() - a.xact_start)::bigint age FROM pg_stat_activity a
            WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
            UNION ALL SELECT extract(epoch FROM clock_timestamp() - p.prepared)::bigint FROM pg_prepared_xacts p
            WHERE p.database = current_database()) ages",
        judge: transactions,
    },
    Check {
        property: "connections",
        sql: "SELECT count(*) || ' ' || current_setting('max_connections') FROM pg_stat_activity
            WHERE backend_type = 'client backend'",
        judge: connections,
    },
    Check {
        property: "encryption",
        sql: "SELECT COALESCE((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false) || ' '
            || COALESCE(host(inet_client_addr()), 'socket')",
        judge: encryption,
    },
    Check {
        property: "triggers",
        sql: "SELECT count(*) FILTER (WHERE t.tgname = 'session_forget') || ' '
            || count(*) FILTER (WHERE t.tgenabled IN ('D', 'R')) || ' '
            || count(*) FILTER (WHERE t.tgname LIKE 'session\\_index\\_%\\_delete')
            FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relname IN ('session_record', 'session_value') AND n.nspname = {schema} AND NOT t.tgisinternal",
        judge: triggers,
    },
    Check {
        property: "rights",
        sql: "SELECT COALESCE(string_agg(r.right_name || '=' || t.name, ' '), '')
            FROM (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) r (right_name),
            (SELECT c.oid, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relname IN ('session_record', 'session_value') AND n.nspname = {schema}) t (oid, name)
            WHERE NOT has_table_privilege(t.oid, r.right_name)",
        judge: rights,
    },
];

#[async_trait]
impl Operable for PostgresStore {
    async fn findings(&self, limits: Limits) -> Vec<Finding> {
        let mut findings = Vec::with_capacity(CHECKS.len() + 2);
        for check in &CHECKS {
            findings.push(self.check(check, limits).await);
        }
        findings.push(self.clock_difference().await.unwrap_or_else(|fault| unanswered("clock", &fault)));
        findings.push(self.overdue().await.unwrap_or_else(|fault| unanswered("sweep", &fault)));
        findings
    }
}

impl PostgresStore {
    async fn check(&self, check: &Check, limits: Limits) -> Finding {
        let sql = check.sql.replace("{schema}", self.statements.schema_text());
        match self.access.simple(&sql).await {
            Ok(answer) => {
                let answer = answer.unwrap_or_default();
                (check.judge)(&answer.split_whitespace().collect::<Vec<_>>(), limits)
            }
            Err(fault) => unanswered(check.property, &fault),
        }
    }

    /// Compares the clocks, as of the middle of a round trip.
    async fn clock_difference(&self) -> Result<Finding, Fault> {
        let now = || Timestamp::from(SystemClock.now()).as_millis();
        let before = now();
        let there = self.access.simple("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").await?;
        let here = before.midpoint(now());
        let there: i64 = there.and_then(|there| there.parse().ok()).ok_or(Fault::Unreadable("answer"))?;
        Ok(clock(there.saturating_sub(here)))
    }

    async fn overdue(&self) -> Result<Finding, Fault> {
        let before = Timestamp::from(SystemClock.now()).before(UNSWEPT).as_millis();
        let sessions = self.access.simple(&self.statements.count_expired(before, MOST_UNSWEPT)).await?;
        Ok(unswept(sessions.and_then(|sessions| sessions.parse().ok()).ok_or(Fault::Unreadable("answer"))?))
    }
}

fn unanswered(property: &'static str, fault: &Fault) -> Finding {
    if fault.is_not_permitted() {
        return Verdict::Unknown.on(property, "needs SELECT on the tables of sessions");
    }
    Verdict::Unknown.on(property, format!("no answer: {}", fault.cause()))
}

fn version(answer: &[&str], _: Limits) -> Finding {
    let (number, name) = (number(answer, 0), answer[1..].join(" "));
    match number {
        130_000.. => Verdict::Ok.on("version", format!("PostgreSQL {name}")),
        _ => Verdict::Wrong.on("version", format!("PostgreSQL {name}; version 13 is needed")),
    }
}

fn role(answer: &[&str], _: Limits) -> Finding {
    match answer {
        ["true", ..] => Verdict::Wrong.on("role", "a standby, which refuses writes; name the primary in the URL"),
        [_, "on"] => Verdict::Wrong.on("role", "`default_transaction_read_only` is on: writes are refused"),
        _ => Verdict::Ok.on("role", "a primary that takes writes"),
    }
}

fn fsync(answer: &[&str], _: Limits) -> Finding {
    match answer {
        ["on"] => Verdict::Ok.on("fsync", "on"),
        _ => Verdict::Wrong.on("fsync", "off: a crash of the machine may destroy the database"),
    }
}

fn full_page_writes(answer: &[&str], _: Limits) -> Finding {
    match answer {
        ["on"] => Verdict::Ok.on("full_page_writes", "on"),
        _ => Verdict::Wrong.on("full_page_writes", "off: a crash of the machine may destroy the database"),
    }
}

fn synchronous_commit(answer: &[&str], _: Limits) -> Finding {
    match answer {
        ["off", ..] => {
            Verdict::Wrong.on("synchronous_commit", "off: a crash undoes the last acknowledged writes, logouts too")
        }
        [setting, "0"] => Verdict::Ok.on("synchronous_commit", *setting),
        _ => Verdict::Wrong.on("synchronous_commit", "off for a role or in this database (`ALTER ROLE … SET`)"),
    }
}

fn replication(answer: &[&str], _: Limits) -> Finding {
    match answer {
        [] | ["0", ..] => Verdict::Ok.on("replication", "no standby is connected"),
        [count] => {
            let detail = format!("{count} standbys, none of them synchronous: a failover may undo the last writes");
            Verdict::Warning.on("replication", detail)
        }
        [count, names @ ..] => {
            Verdict::Ok.on("replication", format!("{count} standbys; synchronous: {}", names.join(" ")))
        }
    }
}

fn autovacuum(answer: &[&str], _: Limits) -> Finding {
    match answer {
        ["on", "on"] => Verdict::Ok.on("autovacuum", "on"),
        _ => Verdict::Wrong.on("autovacuum", "off, or without `track_counts`: the tables grow without limit"),
    }
}

fn transactions(answer: &[&str], limits: Limits) -> Finding {
    let age = number(answer, 1);
    let most = i64::try_from(limits.transaction.as_secs()).unwrap_or(i64::MAX);
    match answer {
        _ if age >= most => {
            let detail =
                format!("the oldest is open for {age} s: removed rows cannot be vacuumed; see pg_stat_activity");
            Verdict::Warning.on("transactions", detail)
        }
        ["true", ..] => Verdict::Ok.on("transactions", format!("none is open for {most} s")),
        _ => Verdict::Unknown.on("transactions", "needs the role pg_read_all_stats (pg_monitor)"),
    }
}

fn connections(answer: &[&str], _: Limits) -> Finding {
    let (open, most) = (number(answer, 0), number(answer, 1));
    let detail = format!("{open} of {most}");
    if open.saturating_mul(10) < most.saturating_mul(9) {
        return Verdict::Ok.on("connections", detail);
    }
    Verdict::Warning.on("connections", format!("{detail}: raise `max_connections`, or use a pooler"))
}

fn encryption(answer: &[&str], _: Limits) -> Finding {
    match answer {
        ["true", ..] => Verdict::Ok.on("encryption", "TLS"),
        [_, "socket"] => Verdict::Ok.on("encryption", "none, through a socket of this machine"),
        [_, host] if host.starts_with("127.") || *host == "::1" => {
            Verdict::Ok.on("encryption", "none, inside this machine")
        }
        _ => Verdict::Warning.on("encryption", "none over a network; add `sslmode=require` to the URL"),
    }
}

fn triggers(answer: &[&str], _: Limits) -> Finding {
    match answer {
        ["1", "0", indexed] => Verdict::Ok.on("triggers", format!("enabled; {indexed} indexed fields")),
        ["0", ..] => Verdict::Wrong.on("triggers", "`session_forget` is missing: values of removed sessions remain"),
        _ => Verdict::Wrong
            .on("triggers", "some are disabled: values of removed sessions remain, or lookups miss sessions"),
    }
}

fn rights(answer: &[&str], _: Limits) -> Finding {
    if answer.is_empty() {
        return Verdict::Ok.on("rights", "this user may read and write sessions");
    }
    let missing = answer.join(", ").replace('=', " on ");
    Verdict::Warning.on("rights", format!("this user lacks {missing}"))
}

/// Returns the number at this position of an answer; 0 if there is none.
fn number(answer: &[&str], at: usize) -> i64 {
    answer.get(at).and_then(|text| text.parse().ok()).unwrap_or(0)
}
