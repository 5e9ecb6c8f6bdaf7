//! Reading a config: the layers, and what is wrong with them.

use core::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::Config;

/// Environment variables of an edge begin so: `MESHEDFLOW_EDGE_LISTEN`, `MESHEDFLOW_EDGE_LIMITS__PING_S`.
pub const ENV_PREFIX: &str = "MESHEDFLOW_EDGE_";

/// What is wrong with a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A file cannot be read.
    File(PathBuf, String),
    /// A file is not TOML, or a key or its type is not one of ours; the parser's words name both.
    Toml(String, String),
    /// A value does not do.
    Value {
        /// The key, dotted.
        key: String,
        /// What it is set to.
        value: String,
        /// What would do.
        expected: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, why) => write!(f, "cannot read config {}: {why}", path.display()),
            Self::Toml(from, why) => write!(f, "config from {from}: {}", why.trim_end()),
            Self::Value { key, value, expected } => {
                write!(f, "config `{key}` is {value}; expected {expected}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(super) fn value(key: &str, value: &str, expected: &str) -> Self {
        Self::Value { key: key.into(), value: value.into(), expected: expected.into() }
    }
}

impl Config {
    /// Reads `file` if there is one, lays the environment's [`ENV_PREFIX`] variables and then `flags` (dotted keys)
    /// over it, and checks the result.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|e| ConfigError::File(path.to_owned(), e.to_string()))
        };
        let text = file.map(read).transpose()?.unwrap_or_default();
        let from_env = env.into_iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase().replace("__", ".");
            Some((name, key, value))
        });
        let from_flags = flags.iter().map(|(key, value)| (format!("flag {key}"), key.clone(), value.clone()));
        let config = Self::layered(&text, from_env.chain(from_flags))?;
        config.check()?;
        Ok(config)
    }

    /// Reads a config from TOML text alone; not yet checked.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::layered(text, [].into_iter())
    }

    /// Overrides are `(from, dotted key, value)`. The file is read by itself first, so that its errors name lines.
    fn layered(
        text: &str,
        overrides: impl Iterator<Item = (String, String, String)>,
    ) -> Result<Self, ConfigError> {
        let in_file = |e: toml::de::Error| ConfigError::Toml("file".into(), e.to_string());
        let mut config: Self = toml::from_str(text).map_err(in_file)?;
        let mut table: Table = toml::from_str(text).map_err(in_file)?;
        for (from, key, value) in overrides {
            set(&mut table, &key, scalar(&value)).map_err(|why| ConfigError::Toml(from.clone(), why))?;
            config = Self::deserialize(table.clone()).map_err(|e| ConfigError::Toml(from, e.to_string()))?;
        }
        Ok(config)
    }
}

/// A value as TOML reads it, or else the text itself.
fn scalar(text: &str) -> Value {
    let read = toml::from_str::<Table>(&format!("value = {text}")).ok();
    read.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.into()))
}

fn set(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    match key.split_once('.') {
        None => {
            table.insert(key.into(), value);
            Ok(())
        }
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
            let inner = inner.as_table_mut().ok_or_else(|| format!("`{head}` is not a table"))?;
            set(inner, rest, value)
        }
    }
}
