//! A Redis server as a plugin's configuration names it.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::config::ConfigError;

/// The configuration as Kong's schema has it. What is left out has Kong's default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    database: Option<f64>,
    #[serde(default)]
    timeout: Option<f64>,
    #[serde(default)]
    ssl: bool,
    #[serde(rename = "ssl_verify", default)]
    _ssl_verify: Option<IgnoredAny>,
    #[serde(rename = "server_name", default)]
    _server_name: Option<IgnoredAny>,
}

/// A server, and how to enter it.
#[derive(PartialEq, Eq)]
pub struct Server {
    /// A name or an address; an IPv6 address without brackets.
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// Without one the password is the default user's.
    pub(super) username: Option<Secret>,
    pub(super) password: Option<Secret>,
    pub(super) database: u32,
    /// Milliseconds for a connection with all its greetings, and for an answer.
    pub(super) timeout: u32,
}

/// What must not be shown: itself, or where this process finds it.
#[derive(PartialEq, Eq)]
pub(super) enum Secret {
    Plain(Box<str>),
    /// The environment's variable of this name.
    Environment(Box<str>),
}

/// How references begin, as Kong writes them, and where the only ones lead that are known here.
const REFERENCE: &str = "{vault://";
const ENVIRONMENT: &str = "{vault://env/";

impl Secret {
    /// None where it is a reference to anything but the environment.
    fn compile(text: &str) -> Option<Self> {
        if !text.starts_with(REFERENCE) {
            return Some(Self::Plain(text.into()));
        }
        let name = text.strip_prefix(ENVIRONMENT)?.strip_suffix('}')?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(is_name) {
            return None;
        }
        let name = name.replace('-', "_").to_ascii_uppercase();
        Some(Self::Environment(name.into()))
    }

    /// None where the environment hasn't got it.
    pub(super) fn read(&self) -> Option<String> {
        match self {
            Self::Plain(text) => Some(text.to_string()),
            Self::Environment(name) => std::env::var(&**name).ok(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Settings(..)")
    }
}

impl fmt::Debug for Server {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Server({}:{}/{})",
            self.host, self.port, self.database
        )
    }
}

impl Server {
    /// Compiles `settings`; faults name the field of `plugin`'s `config.redis`.
    pub(crate) fn compile(plugin: &str, settings: Settings) -> Result<Self, ConfigError> {
        let fault = |field: &str, problem: &str, fix: &str| {
            ConfigError::new(
                format!("plugin {plugin} config.redis.{field}"),
                problem,
                fix,
            )
        };
        if settings.ssl {
            // A password must not go in the clear where TLS is expected.
            return Err(fault(
                "ssl",
                "TLS towards Redis isn't spoken yet",
                "set it to false, and reach Redis over a network that you trust or a tunnel (stunnel, WireGuard)",
            ));
        }
        let host = settings.host.unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault(
                "host",
                "needed where policy is redis",
                "give the server's name or address",
            ));
        }
        let port = settings.port.unwrap_or(6379);
        if port == 0 {
            return Err(fault("port", "0 is no port", "give 1 to 65535"));
        }
        let secret = |field: &str, text: Option<String>| match text {
            Some(text) if !text.is_empty() => match Secret::compile(&text) {
                Some(secret) => Ok(Some(secret)),
                None => Err(fault(
                    field,
                    "a reference to what isn't known here",
                    "write {vault://env/NAME} for the variable NAME of the gateway's environment",
                )),
            },
            _ => Ok(None),
        };
        let username = secret("username", settings.username)?;
        let password = secret("password", settings.password)?;
        if username.is_some() && password.is_none() {
            return Err(fault(
                "password",
                "a user without a password",
                "give the user's password, or leave the username out",
            ));
        }
        let Some(database) = whole(settings.database.unwrap_or(0.0), 0) else {
            return Err(fault(
                "database",
                "not the number of a database",
                "give a whole number, 0 for the first",
            ));
        };
        let Some(timeout) = whole(settings.timeout.unwrap_or(2000.0), 1) else {
            return Err(fault(
                "timeout",
                "not a time in which Redis could answer",
                "give milliseconds, at least 1",
            ));
        };
        Ok(Self {
            host: host.into(),
            port,
            username,
            password,
            database,
            timeout,
        })
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only whole numbers that fit pass"
)]
fn whole(number: f64, least: u32) -> Option<u32> {
    let fits = number >= f64::from(least) && number <= f64::from(i32::MAX);
    (fits && number.fract() == 0.0).then_some(number as u32)
}
