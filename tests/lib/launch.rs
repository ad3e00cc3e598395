//! Rocket in the process of a test.

use rocket::figment::Figment;

use crate::log::Log;

/// The configuration of an application on a free port. It reads neither files nor environment, and the tests have the log.
pub fn quiet_config() -> Figment {
    Log::listen();
    Figment::from(rocket::Config::debug_default())
        .merge(("port", 0))
        .merge(("log_level", "off"))
        .merge(("shutdown.ctrlc", false))
        .merge(("shutdown.signals", Vec::<String>::new()))
        .merge(("shutdown.grace", 0))
        .merge(("shutdown.mercy", 0))
}
