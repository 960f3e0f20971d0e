//! Where settings come from: a flag beats the environment, the environment beats the TOML file,
//! the file beats the default.

use super::{Config, PARTS, Setting};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The prefix of environment variables that are ours.
const PREFIX: &str = "BRAID_";
/// Names the TOML file; the one variable that is no setting.
const CONFIG_VARIABLE: &str = "BRAID_CONFIG";

/// Why the command line, the environment or the TOML file was refused: one line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// A setting that somebody gave, in the words of where it was given.
#[derive(Debug)]
pub struct Given {
    /// The setting's name.
    pub name: String,
    pub text: String,
    /// `--kafka-listen`, `BRAID_KAFKA_LISTEN` or `kafka-listen in braid.toml`.
    pub origin: String,
}

/// Everything that was given, put together.
pub fn configure(
    file: Option<PathBuf>,
    flags: Vec<Given>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let environment = Environment::read(environment)?;
    let file = match file.or(environment.config) {
        Some(path) => in_file(&path)?,
        None => Vec::new(),
    };
    let mut config = Config::default();
    for given in file.into_iter().chain(environment.given).chain(flags) {
        let Some(setting) = find(&given.name) else {
            return Err(ConfigError(format!("unknown setting {}", given.origin)));
        };
        let set = setting.set(&mut config, &given.text);
        set.map_err(|reason| ConfigError(format!("{}: {reason}", given.origin)))?;
    }
    Ok(config)
}

/// The row of the table with this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    let mut settings = PARTS.iter().flat_map(|(_, settings)| *settings);
    settings.find(|setting| setting.name == name)
}

#[derive(Default)]
struct Environment {
    config: Option<PathBuf>,
    given: Vec<Given>,
}

impl Environment {
    fn read(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Environment, ConfigError> {
        let mut read = Environment::default();
        for (variable, value) in variables {
            let Some(origin) = variable.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            if origin == CONFIG_VARIABLE {
                read.config = Some(value.into());
                continue;
            }
            let Ok(text) = value.into_string() else {
                return Err(ConfigError(format!("{origin} is not UTF-8")));
            };
            let name = origin[PREFIX.len()..].to_lowercase().replace('_', "-");
            read.given.push(Given {
                name,
                text,
                origin: origin.into(),
            });
        }
        Ok(read)
    }
}

fn in_file(path: &Path) -> Result<Vec<Given>, ConfigError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("cannot read {shown}: {error}")))?;
    in_toml(&text, &shown.to_string())
}

fn in_toml(text: &str, file: &str) -> Result<Vec<Given>, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let message = error.message().replace('\n', " ");
        ConfigError(format!("{file}, line {line}: {message}"))
    })?;
    let given = |(name, value): (String, toml::Value)| {
        let origin = format!("{name} in {file}");
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(switch) => switch.to_string(),
            toml::Value::Table(_) if find(&name).is_none() => {
                return Err(ConfigError(format!("unknown setting {origin}")));
            }
            toml::Value::Table(_)
            | toml::Value::Array(_)
            | toml::Value::Float(_)
            | toml::Value::Datetime(_) => {
                let form = "is not a text, a whole number, true or false";
                return Err(ConfigError(format!("{origin} {form}")));
            }
        };
        Ok(Given { name, text, origin })
    };
    table.into_iter().map(given).collect()
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    1 + before.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests;
