//! The table of settings as it stands in a file or in the environment, and its conversion to [`SessionConfig`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use ubyte::ByteUnit;

use crate::config::{AdmissionConfig, CrossSite, KeyText, Limits, OnSaveError, ServerConfig, SessionConfig, Transport};
use crate::cookie::{CookieConfig, SameSite};
use crate::record::expiry::TouchEvery;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings, such as { store = \"memory:\" }")]
pub(super) struct Table {
    store: Option<String>,
    transport: TransportWord,
    cookie: CookieTable,
    idle: Option<Time>,
    absolute: Option<Time>,
    remember: Option<Time>,
    touch_every: Option<TimeOrOff>,
    renew_every: Option<TimeOrOff>,
    renew_grace: Option<Time>,
    deadline: Option<Time>,
    watch_every: Option<Time>,
    on_save_error: SaveErrorWord,
    limits: LimitsTable,
    hold: BTreeMap<String, u16>,
    server: ServerTable,
    admission: AdmissionTable,
    cache: Option<TimeOrOff>,
    cross_site: CrossSiteWord,
    trusted_origins: Vec<String>,
    cross_site_paths: Vec<String>,
    clear_site_data: bool,
    keys: KeyTexts,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, such as { connections = 4, namespace = \"shop\" }")]
struct ServerTable {
    connections: Option<usize>,
    connect_timeout: Option<Time>,
    back_off: Option<Time>,
    back_off_max: Option<Time>,
    namespace: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, such as { max_queue_time = \"500ms\" }")]
struct AdmissionTable {
    in_flight_time: Option<Time>,
    max_queue_time: Option<Time>,
    min_in_flight: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, such as { same_site = \"Strict\" }")]
struct CookieTable {
    name: Option<String>,
    path: Option<String>,
    domain: Option<String>,
    same_site: SameSiteWord,
    secure: Option<bool>,
    persistent: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table, such as { record = \"64KiB\", keys = 1000 }")]
struct LimitsTable {
    record: Option<ByteUnit>,
    keys: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SaveErrorWord {
    #[default]
    Fail,
    Log,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TransportWord {
    #[default]
    Cookie,
    Bearer,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CrossSiteWord {
    #[default]
    Refuse,
    Allow,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum SameSiteWord {
    Strict,
    #[default]
    Lax,
    None,
}

/// Duration with its unit, such as `"14d"` or `"1h 30m"`.
#[derive(Clone, Copy)]
struct Time(Duration);

#[derive(Clone, Copy)]
enum TimeOrOff {
    Time(Duration),
    Off,
}

/// One key or a list of keys. The error for a value that is not a string does not show the value.
#[derive(Default)]
struct KeyTexts(Vec<KeyText>);

impl<'de> Deserialize<'de> for KeyTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use ::figment::value::Value;
        let values = match <Value as Deserialize>::deserialize(deserializer)? {
            Value::Array(_, values) => values,
            value => vec![value],
        };
        let texts: Option<_> = values.into_iter().map(|value| value.into_string().map(KeyText::from)).collect();
        texts.map(Self).ok_or_else(|| de::Error::custom("expected a list of keys, each a text in quotes"))
    }
}

struct TimeVisitor;

impl de::Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a duration with its unit, such as \"14d\", \"30m\" or \"500ms\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
        humantime::parse_duration(text).map(Time).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimeVisitor)
    }
}

struct TimeOrOffVisitor;

impl de::Visitor<'_> for TimeOrOffVisitor {
    type Value = TimeOrOff;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"off\", or a duration with its unit, such as \"1h\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<TimeOrOff, E> {
        match text {
            "off" => Ok(TimeOrOff::Off),
            _ => humantime::parse_duration(text)
                .map(TimeOrOff::Time)
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for TimeOrOff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimeOrOffVisitor)
    }
}

impl From<Table> for SessionConfig {
    fn from(table: Table) -> Self {
        let mut config = Self::new().cookie(table.cookie.into());
        config.store = table.store;
        config.transport = match table.transport {
            TransportWord::Cookie => Transport::Cookie,
            TransportWord::Bearer => Transport::Bearer,
        };
        let set = |time: &mut Duration, to: Option<Time>| *time = to.map_or(*time, |to| to.0);
        set(&mut config.absolute, table.absolute);
        set(&mut config.renew_grace, table.renew_grace);
        config.idle = table.idle.map(|idle| idle.0);
        config.remember = table.remember.map(|remember| remember.0);
        set(&mut config.deadline, table.deadline);
        set(&mut config.watch_every, table.watch_every);
        config.touch_every = match table.touch_every {
            None => TouchEvery::TenthOfIdle,
            Some(TimeOrOff::Time(period)) => TouchEvery::Period(period),
            Some(TimeOrOff::Off) => TouchEvery::Off,
        };
        config.renew_every = match table.renew_every {
            Some(TimeOrOff::Time(period)) => Some(period),
            Some(TimeOrOff::Off) | None => None,
        };
        config.on_save_error = match table.on_save_error {
            SaveErrorWord::Fail => OnSaveError::Fail,
            SaveErrorWord::Log => OnSaveError::Log,
        };
        config.hold = table.hold;
        (config.server, config.admission) = (table.server.into(), table.admission.into());
        config.cache = match table.cache {
            Some(TimeOrOff::Time(bound)) => Some(bound),
            Some(TimeOrOff::Off) | None => None,
        };
        config.cross_site = match table.cross_site {
            CrossSiteWord::Refuse => CrossSite::Refuse,
            CrossSiteWord::Allow => CrossSite::Allow,
        };
        (config.trusted_origins, config.cross_site_paths) = (table.trusted_origins, table.cross_site_paths);
        config.clear_site_data = table.clear_site_data;
        config.keys = table.keys.0.into();
        config.limits(table.limits.into())
    }
}

impl From<CookieTable> for CookieConfig {
    fn from(table: CookieTable) -> Self {
        let defaults = Self::new();
        Self {
            name: table.name,
            path: table.path.unwrap_or(defaults.path),
            domain: table.domain,
            same_site: match table.same_site {
                SameSiteWord::Strict => SameSite::Strict,
                SameSiteWord::Lax => SameSite::Lax,
                SameSiteWord::None => SameSite::None,
            },
            secure: table.secure,
            persistent: table.persistent,
        }
    }
}

impl From<ServerTable> for ServerConfig {
    fn from(table: ServerTable) -> Self {
        let defaults = Self::default();
        let or = |time: Option<Time>, default| time.map_or(default, |time| time.0);
        Self {
            connections: table.connections.unwrap_or(defaults.connections),
            connect_timeout: or(table.connect_timeout, defaults.connect_timeout),
            back_off: or(table.back_off, defaults.back_off),
            back_off_max: or(table.back_off_max, defaults.back_off_max),
            namespace: table.namespace,
        }
    }
}

impl From<AdmissionTable> for AdmissionConfig {
    fn from(table: AdmissionTable) -> Self {
        let defaults = Self::default();
        Self {
            in_flight_time: table.in_flight_time.map_or(defaults.in_flight_time, |time| time.0),
            max_queue_time: table.max_queue_time.map_or(defaults.max_queue_time, |time| time.0),
            min_in_flight: table.min_in_flight.unwrap_or(defaults.min_in_flight),
        }
    }
}

impl From<LimitsTable> for Limits {
    fn from(table: LimitsTable) -> Self {
        let defaults = Self::default();
        let bytes = table.record.map(|size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX));
        Self {
            record_bytes: bytes.unwrap_or(defaults.record_bytes),
            record_keys: table.keys.unwrap_or(defaults.record_keys),
        }
    }
}
