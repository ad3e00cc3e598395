//! Checks at launch, once per master, whether the servers evict sessions.
//!
//! A server that evicts removes whole sessions, or the hash of a `lazy` schema, although no write failed. Every policy
//! but `noeviction` does that once `maxmemory` is reached. `volatile-ttl` does too, since each session has an expiry
//! time in the engine.

use ::redis::Value;

use super::fault::Fault;
use super::script::command;
use super::servers::{Route, Servers};
use super::{reply, slots};

/// Logs a warning if a server may evict sessions.
pub(super) async fn warn(servers: &Servers) {
    let Ok(masters) = slots::masters(servers).await else { return };
    for slot in masters {
        if let Some(policy) = policy(servers, Route::Slot(slot)).await {
            return tracing::warn!(
                "Redis may evict sessions: `maxmemory` is set and `maxmemory-policy` is `{policy}`, so sessions in use \
                 vanish when the memory is full, logged-in ones too; set `maxmemory-policy noeviction`"
            );
        }
    }
    tracing::debug!("Redis reports no policy that evicts sessions");
}

/// Returns the policy by which this server evicts sessions. `None` if it does not evict, or if the user may run neither
/// command.
async fn policy(servers: &Servers, route: Route<'_>) -> Option<String> {
    let mut info = command("INFO", 1, 8);
    info.arg("memory");
    if let Ok(answer) = servers.read(&info, route).await
        && let Some(text) = text(&answer)
    {
        return evicting(setting(text, "maxmemory:")?, setting(text, "maxmemory_policy:")?);
    }
    let (limit, policy) =
        (config(servers, route, "maxmemory").await.ok()?, config(servers, route, "maxmemory-policy").await.ok()?);
    evicting(&limit?, &policy?)
}

fn evicting(limit: &str, policy: &str) -> Option<String> {
    (limit != "0" && policy != "noeviction").then(|| policy.to_owned())
}

fn text(answer: &Value) -> Option<&str> {
    str::from_utf8(reply::text(answer).ok()?).ok()
}

fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

async fn config(servers: &Servers, route: Route<'_>, name: &str) -> Result<Option<String>, Fault> {
    let mut config = command("CONFIG", 2, 32);
    config.arg("GET").arg(name);
    let answer = servers.read(&config, route).await?;
    let (_, value) = reply::pairs(&answer)?.next().ok_or_else(Fault::unexpected)?;
    Ok(text(value).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_evicts_where_there_is_a_limit() {
        let text = "# Memory\r\nmaxmemory:0\r\nmaxmemory_human:0B\r\nmaxmemory_policy:volatile-ttl\r\n";
        assert_eq!(
            (setting(text, "maxmemory:"), setting(text, "maxmemory_policy:")),
            (Some("0"), Some("volatile-ttl"))
        );
        assert_eq!(evicting("0", "volatile-ttl"), None);
        assert_eq!(evicting("1000", "noeviction"), None);
        assert_eq!(evicting("1000", "volatile-ttl").as_deref(), Some("volatile-ttl"));
    }
}
