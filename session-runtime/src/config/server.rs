//! Connections to a store that is a separate server.

use std::time::Duration;

/// Connection settings for a store that is a separate server. A store that is built by hand has its own settings.
///
/// # Examples
///
/// ```
/// use session_runtime::config::ServerConfig;
/// use std::time::Duration;
///
/// let server = ServerConfig { connections: 4, ..ServerConfig::default() };
/// assert_eq!(server.connect_timeout, Duration::from_secs(1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Number of connections that requests share; each carries many requests at once. Default: 2. A store in
    /// `PostgreSQL` opens one more for loads once all are busy.
    pub connections: usize,
    /// Time limit of one connection attempt. Default: 1 second.
    pub connect_timeout: Duration,
    /// Pause after a failed connection attempt, doubled after each further failure. Default: 50 milliseconds.
    pub back_off: Duration,
    /// Longest such pause. Default: 2 seconds.
    pub back_off_max: Duration,
    /// Location of the sessions on the server. `PostgreSQL`: a schema of the database, by default `public`. Redis: the
    /// prefix of all key names, by default `session`.
    pub namespace: Option<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            connections: 2,
            connect_timeout: Duration::from_secs(1),
            back_off: Duration::from_millis(50),
            back_off_max: Duration::from_secs(2),
            namespace: None,
        }
    }
}
