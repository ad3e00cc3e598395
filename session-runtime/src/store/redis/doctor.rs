//! Findings about servers: each master is asked, and each property has one finding, that of the worst master.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use ::redis::Value;
use async_trait::async_trait;

use super::RedisStore;
use super::fault::Fault;
use super::scan_step::SweepPosition;
use super::script::command;
use super::servers::Route;
use super::{reply, slots};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::store::operable::{Finding, Limits, Operable, Verdict, clock};

/// The answer of `INFO`, by name.
struct Info(BTreeMap<String, String>);

/// Judges a property of a server. The second argument is true for a cluster.
type Judge = fn(&Info, bool) -> Finding;

const JUDGES: [Judge; 8] = [version, role, mode, maxmemory_policy, memory, evicted, writes, connections];

#[async_trait]
impl Operable for RedisStore {
    async fn findings(&self, _: Limits) -> Vec<Finding> {
        let masters = match slots::masters(&self.servers).await {
            Ok(masters) => masters,
            Err(fault) => return vec![unanswered("masters", "the command CLUSTER", &fault)],
        };
        let mut findings = vec![Verdict::Ok.on("masters", masters.len().to_string())];
        let mut of_masters = Vec::new();
        for slot in masters {
            of_masters.push(self.of_master(slot).await);
        }
        findings.extend(worst(of_masters));
        findings
    }

    fn is_swept(&self) -> bool {
        *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner) == SweepPosition::default()
    }
}

impl RedisStore {
    /// Returns the findings about the master of a slot, and its name.
    async fn of_master(&self, slot: u16) -> (String, Vec<Finding>) {
        let info = match self.info(slot).await {
            Ok(info) => info,
            Err(fault) => {
                return (format!("master of slot {slot}"), vec![unanswered("settings", "the command INFO", &fault)]);
            }
        };
        let is_cluster = self.servers.is_cluster();
        let mut findings: Vec<Finding> = JUDGES.iter().map(|judge| judge(&info, is_cluster)).collect();
        findings.push(self.append_only(&info, slot).await);
        findings.push(replicas(&info));
        findings.push(
            self.clock_difference(slot).await.unwrap_or_else(|fault| unanswered("clock", "the command TIME", &fault)),
        );
        if is_cluster {
            let state = self.cluster_state(slot).await;
            findings.push(state.unwrap_or_else(|fault| unanswered("cluster", "the command CLUSTER", &fault)));
        }
        (format!("master with port {}", info.text("tcp_port")), findings)
    }

    async fn info(&self, slot: u16) -> Result<Info, Fault> {
        let answer = self.servers.read(&command("INFO", 0, 0), Route::Slot(slot)).await?;
        let text = str::from_utf8(reply::text(&answer)?).map_err(|_| Fault::unexpected())?;
        let pairs = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        Ok(Info(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// Returns a setting; `None` if the server does not have it.
    async fn setting(&self, name: &str, slot: u16) -> Result<Option<String>, Fault> {
        let mut config = command("CONFIG", 2, 32);
        config.arg("GET").arg(name);
        let answer = self.servers.read(&config, Route::Slot(slot)).await?;
        let value = reply::pairs(&answer)?.next().map(|(_, value)| value);
        Ok(value.and_then(|value| str::from_utf8(reply::text(value).ok()?).ok().map(str::to_owned)))
    }

    /// Finding about the log that survives a crash of the server.
    async fn append_only(&self, info: &Info, slot: u16) -> Finding {
        if info.text("aof_enabled") != "1" {
            return match self.setting("save", slot).await {
                Ok(Some(save)) if save.is_empty() => {
                    Verdict::Wrong.on("appendonly", "no, and no snapshots: a restart loses all sessions")
                }
                _ => Verdict::Warning
                    .on("appendonly", "no: a crash undoes the writes since the last snapshot, logouts too"),
            };
        }
        match self.setting("appendfsync", slot).await {
            Ok(Some(policy)) if policy == "no" => Verdict::Warning
                .on("appendonly", "yes, with appendfsync no: a crash of the machine loses what was not written yet"),
            Ok(Some(policy)) => Verdict::Ok.on("appendonly", format!("yes, with appendfsync {policy}")),
            Ok(None) => Verdict::Ok.on("appendonly", "yes"),
            Err(fault) => unanswered("appendfsync", "the command CONFIG GET", &fault),
        }
    }

    /// Compares the clocks, as of the middle of a round trip.
    async fn clock_difference(&self, slot: u16) -> Result<Finding, Fault> {
        let now = || Timestamp::from(SystemClock.now()).as_millis();
        let before = now();
        let answer = self.servers.read(&command("TIME", 0, 0), Route::Slot(slot)).await?;
        let here = before.midpoint(now());
        let [seconds, micros] = reply::first::<2>(&answer)?.each_ref().map(number);
        let there = seconds?.saturating_mul(1_000).saturating_add(micros? / 1_000);
        Ok(clock(there.saturating_sub(here)))
    }

    async fn cluster_state(&self, slot: u16) -> Result<Finding, Fault> {
        let mut state = command("CLUSTER", 1, 8);
        state.arg("INFO");
        let answer = self.servers.read(&state, Route::Slot(slot)).await?;
        let text = str::from_utf8(reply::text(&answer)?).map_err(|_| Fault::unexpected())?;
        Ok(if text.contains("cluster_state:ok") {
            Verdict::Ok.on("cluster", "all slots are served")
        } else {
            Verdict::Wrong.on("cluster", "the state of the cluster is `fail`: some sessions are out of reach")
        })
    }
}

fn number(value: &Value) -> Result<i64, Fault> {
    let text = str::from_utf8(reply::text(value)?).map_err(|_| Fault::unexpected())?;
    text.parse().map_err(|_| Fault::unexpected())
}

/// Returns the worst finding for each property, with the name of its master if the others differ.
fn worst(of_masters: Vec<(String, Vec<Finding>)>) -> Vec<Finding> {
    let mut worst: Vec<(String, Finding)> = Vec::new();
    let masters = of_masters.len();
    for (master, findings) in of_masters {
        for finding in findings {
            match worst.iter_mut().find(|(_, known)| known.property == finding.property) {
                Some(known) if known.1.verdict < finding.verdict => *known = (master.clone(), finding),
                Some(_) => {}
                None => worst.push((master.clone(), finding)),
            }
        }
    }
    let named = |(master, finding): (String, Finding)| match finding.verdict {
        Verdict::Ok => finding,
        _ if masters == 1 => finding,
        verdict => verdict.on(finding.property, format!("{}; {master}", finding.detail)),
    };
    worst.into_iter().map(named).collect()
}

fn unanswered(property: &'static str, needs: &str, fault: &Fault) -> Finding {
    if fault.is_not_permitted() {
        return Verdict::Unknown.on(property, format!("needs {needs}"));
    }
    Verdict::Unknown.on(property, format!("no answer: {}", fault.cause()))
}

impl Info {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }
}

fn version(info: &Info, _: bool) -> Finding {
    let redis = info.text("redis_version");
    let major: u32 = redis.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    match info.text("valkey_version") {
        "" if major < 7 => Verdict::Wrong.on("version", format!("Redis {redis}; version 7 is needed")),
        "" => Verdict::Ok.on("version", format!("Redis {redis}")),
        valkey => Verdict::Ok.on("version", format!("Valkey {valkey}")),
    }
}

fn role(info: &Info, _: bool) -> Finding {
    match info.text("role") {
        "master" => Verdict::Ok.on("role", "master"),
        role => Verdict::Wrong
            .on("role", format!("{role}: it refuses writes, and may be behind; name the master in the URL")),
    }
}

fn mode(info: &Info, is_cluster: bool) -> Finding {
    match (info.text("cluster_enabled"), is_cluster) {
        ("1", false) => Verdict::Wrong.on("mode", "the server is a node of a cluster; use a redis-cluster: URL"),
        ("1", true) => Verdict::Ok.on("mode", "cluster"),
        _ => Verdict::Ok.on("mode", "one server"),
    }
}

fn maxmemory_policy(info: &Info, _: bool) -> Finding {
    let policy = info.text("maxmemory_policy");
    match (policy, info.number("maxmemory")) {
        ("noeviction", _) => Verdict::Ok.on("maxmemory-policy", "noeviction"),
        (_, 0) => Verdict::Ok.on("maxmemory-policy", format!("{policy}, without effect: there is no maxmemory")),
        _ => {
            let detail = format!("{policy}: sessions in use vanish when the memory is full; set noeviction");
            Verdict::Wrong.on("maxmemory-policy", detail)
        }
    }
}

fn memory(info: &Info, _: bool) -> Finding {
    let (used, most) = (info.number("used_memory"), info.number("maxmemory"));
    let mebibytes = used >> 20;
    match most {
        0 => Verdict::Ok.on("memory", format!("{mebibytes} MiB, without a limit")),
        most if used / 9 >= most / 10 => {
            Verdict::Warning.on("memory", format!("{mebibytes} of {} MiB: full memory refuses writes", most >> 20))
        }
        most => Verdict::Ok.on("memory", format!("{mebibytes} of {} MiB", most >> 20)),
    }
}

fn evicted(info: &Info, _: bool) -> Finding {
    match info.number("evicted_keys") {
        0 => Verdict::Ok.on("evicted keys", "none since the start"),
        keys => Verdict::Wrong.on("evicted keys", format!("{keys} since the start; some may have been sessions")),
    }
}

fn writes(info: &Info, _: bool) -> Finding {
    let failed = ["aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"];
    match failed.iter().find(|name| info.text(name) == "err") {
        None => Verdict::Ok.on("disk", "the last writes to disk succeeded"),
        Some(name) => Verdict::Wrong.on("disk", format!("{name} is `err`: see the log of the server")),
    }
}

fn connections(info: &Info, _: bool) -> Finding {
    let (open, most) = (info.number("connected_clients"), info.number("maxclients"));
    match most {
        0 => Verdict::Ok.on("connections", open.to_string()),
        _ if open.saturating_mul(10) >= most.saturating_mul(9) => {
            Verdict::Warning.on("connections", format!("{open} of {most}: raise maxclients"))
        }
        _ => Verdict::Ok.on("connections", format!("{open} of {most}")),
    }
}

fn replicas(info: &Info) -> Finding {
    match info.number("connected_slaves") {
        0 => Verdict::Ok.on("replicas", "none"),
        replicas => Verdict::Ok.on("replicas", format!("{replicas}; a failover may undo the last writes, logouts too")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(text: &str) -> Info {
        Info(text.split(' ').filter_map(|pair| pair.split_once(':')).map(|(a, b)| (a.into(), b.into())).collect())
    }

    #[test]
    fn a_policy_that_evicts_is_wrong_where_there_is_a_limit() {
        let verdict = |text: &str| maxmemory_policy(&info(text), false).verdict;
        assert_eq!(verdict("maxmemory:1000 maxmemory_policy:volatile-ttl"), Verdict::Wrong);
        assert_eq!(verdict("maxmemory:0 maxmemory_policy:volatile-ttl"), Verdict::Ok);
        assert_eq!(verdict("maxmemory:1000 maxmemory_policy:noeviction"), Verdict::Ok);
    }

    #[test]
    fn memory_is_a_warning_from_nine_tenths_of_its_limit() {
        let verdict = |used: u64| memory(&info(&format!("used_memory:{used} maxmemory:1000")), false).verdict;
        assert_eq!([0, 890, 900, 2_000].map(verdict), [Verdict::Ok, Verdict::Ok, Verdict::Warning, Verdict::Warning]);
    }

    #[test]
    fn of_several_masters_the_worst_is_named() {
        let of = |name: &str, verdict: Verdict| {
            (name.to_owned(), vec![verdict.on("role", "x"), Verdict::Ok.on("mode", "y")])
        };
        let findings = worst(vec![of("a", Verdict::Ok), of("b", Verdict::Wrong), of("c", Verdict::Warning)]);
        assert_eq!(findings, [Verdict::Wrong.on("role", "x; b"), Verdict::Ok.on("mode", "y")]);
    }

    #[test]
    fn an_old_server_is_wrong_and_a_valkey_is_not() {
        let verdict = |text: &str| version(&info(text), false).verdict;
        assert_eq!(verdict("redis_version:6.2.7"), Verdict::Wrong);
        assert_eq!(verdict("redis_version:7.0.15"), Verdict::Ok);
        assert_eq!(verdict("redis_version:7.2.4 valkey_version:8.0.1"), Verdict::Ok);
    }
}
