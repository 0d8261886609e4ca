//! What is wrong with a configuration, for the person who wrote it.

use std::fmt;

use serde::Deserialize;

/// A fault of a configuration: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The place: `routes[2].paths[0]`, or `plugin rate-limiting config.minute`.
    pub location: String,
    /// What is wrong there.
    pub problem: String,
    /// What would be right.
    pub fix: String,
}

impl ConfigError {
    /// A fault at `location`.
    #[must_use]
    pub fn new(
        location: impl Into<String>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            location: location.into(),
            problem: problem.into(),
            fix: fix.into(),
        }
    }

    /// The same fault, seen from outside: `outer` is put before the location.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let dot = if self.location.is_empty() || self.location.starts_with('[') {
            ""
        } else {
            "."
        };
        self.location = format!("{outer}{dot}{}", self.location);
        self
    }

    /// The same fault, seen from outside a row. Faults of plugins keep their location: it names the plugin already.
    #[must_use]
    pub(crate) fn within_row(self, row: &str) -> Self {
        if self.location.starts_with("plugin ") {
            return self;
        }
        self.within(row)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {}; {}",
            self.location, self.problem, self.fix
        )
    }
}

impl std::error::Error for ConfigError {}

/// Reads strict JSON; a fault names the field.
///
/// Straight first: only a document with a fault is read a second time, with the path kept, which costs more.
pub(crate) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, ConfigError> {
    if let Ok(value) = serde_json::from_str(json) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => {
            let location = match error.path().to_string() {
                path if path == "." => String::new(),
                path => path,
            };
            Err(described(location, &error.into_inner().to_string()))
        }
        Ok(value) => match reader.end() {
            Ok(()) => Ok(value),
            Err(error) => Err(described(String::new(), &error.to_string())),
        },
    }
}

fn described(location: String, message: &str) -> ConfigError {
    // serde_json ends its messages with a position in a document that nobody wrote by hand.
    let problem = message
        .rsplit_once(" at line ")
        .map_or(message, |(text, _)| text);
    let fix = if problem.starts_with("unknown field") {
        "remove the field, or correct its name"
    } else if problem.starts_with("missing field") {
        "give the field; the engine has no defaults of its own"
    } else if problem.starts_with("unknown variant") {
        "use one of those named"
    } else {
        "give a value of the kind described"
    };
    ConfigError::new(location, problem, fix)
}
