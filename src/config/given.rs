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
mod tests {
    use super::*;

    fn flag(name: &str, text: &str) -> Given {
        Given {
            name: name.into(),
            text: text.into(),
            origin: format!("--{name}"),
        }
    }

    fn variable(name: &str, value: &str) -> (OsString, OsString) {
        (name.into(), value.into())
    }

    fn file(text: &str) -> (tempfile::NamedTempFile, Option<PathBuf>) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("to write it");
        let path = Some(file.path().to_owned());
        (file, path)
    }

    fn refusal(outcome: Result<Config, ConfigError>) -> String {
        outcome.expect_err("a refusal").0
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let (_file, path) = file("num-partitions = 2\nregion = 'eu-west-1'\ndurability = 'os'");
        let environment = [
            variable("BRAID_NUM_PARTITIONS", "3"),
            variable("BRAID_REGION", "eu-north-1"),
        ];
        let flags = vec![flag("num-partitions", "4")];

        let config = configure(path, flags, environment).expect("a configuration");

        assert_eq!(config.kafka.num_partitions, 4);
        assert_eq!(config.kinesis.region, "eu-north-1");
        assert_eq!(config.store.durability, super::super::Durability::Os);
        assert!(!config.store.memory);
    }

    #[test]
    fn the_environment_may_name_the_file() {
        let (_file, path) = file("memory = true");
        let path = path.expect("a path").into_os_string();

        let config = configure(None, Vec::new(), [("BRAID_CONFIG".into(), path)]);

        assert!(config.expect("a configuration").store.memory);
    }

    #[test]
    fn an_unknown_setting_is_refused_wherever_it_is_given() {
        let flags = vec![flag("kafka-lisen", "x")];
        let text = refusal(configure(None, flags, []));
        assert_eq!(text, "unknown setting --kafka-lisen");

        let text = refusal(configure(None, Vec::new(), [variable("BRAID_MEMROY", "1")]));
        assert_eq!(text, "unknown setting BRAID_MEMROY");

        let refused = in_toml("[kafka]\nlisten = 1", "a.toml").expect_err("a refusal");
        assert_eq!(refused.0, "unknown setting kafka in a.toml");
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let config = configure(None, Vec::new(), [variable("BRAIDED", "1")]);

        assert_eq!(config, Ok(Config::default()));
    }

    #[test]
    fn a_bad_value_is_named_with_where_it_stands_and_what_would_do() {
        let refused = |name, text| refusal(configure(None, vec![flag(name, text)], []));

        assert_eq!(
            refused("num-partitions", "0"),
            r#"--num-partitions: "0" is out of range (1 to 10000)"#
        );
        assert_eq!(
            refused("kafka-listen", "9092"),
            r#"--kafka-listen: "9092" is not an address and a port, such as 127.0.0.1:9092"#
        );
        assert_eq!(
            refused("durability", "disc"),
            r#"--durability: "disc" is neither disk nor os"#
        );
        assert_eq!(
            refused("stop-ms-max", "soon"),
            r#"--stop-ms-max: "soon" is not a number that fits (0 to 10min)"#
        );
        assert_eq!(
            refused("account-id", "12"),
            r#"--account-id: "12" is not twelve digits"#
        );
        assert_eq!(
            refused("kafka-advertised", "broker"),
            r#"--kafka-advertised: "broker" is not a host and a port, such as broker.example:9092"#
        );
    }

    #[test]
    fn broken_toml_is_one_line_with_its_place() {
        let refused = in_toml("memory = true\nlog = [", "a.toml").expect_err("a refusal");

        assert!(refused.0.starts_with("a.toml, line 2: "), "{}", refused.0);
        assert!(!refused.0.contains('\n'), "{}", refused.0);
    }

    #[test]
    fn a_missing_file_is_refused() {
        let path = Some(PathBuf::from("/nowhere/braid.toml"));

        let text = refusal(configure(path, Vec::new(), []));

        assert!(
            text.starts_with("cannot read /nowhere/braid.toml: "),
            "{text}"
        );
    }

    #[test]
    fn sizes_take_units() {
        let flags = vec![
            flag("tail-cache-bytes", "128MiB"),
            flag("stop-ms-max", "3s"),
        ];

        let config = configure(None, flags, []).expect("a configuration");

        assert_eq!(config.store.tail_cache_bytes, 128 << 20);
        assert_eq!(config.process.stop_ms_max, 3_000);
    }

    #[test]
    fn every_default_is_legal_and_every_name_is_its_own() {
        let mut config = Config::default();
        let mut names = std::collections::BTreeSet::new();
        for setting in PARTS.iter().flat_map(|(_, settings)| *settings) {
            assert!(
                names.insert(setting.name),
                "{} is listed twice",
                setting.name
            );
            let default = setting.default_text();
            if !default.is_empty() {
                assert_eq!(
                    setting.set(&mut config, &default),
                    Ok(()),
                    "{}",
                    setting.name
                );
            }
        }
        assert_eq!(config, Config::default());
    }
}
