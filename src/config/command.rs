//! The command line: what to do, and the flags.

use super::Config;
use super::given::{ConfigError, Given, configure, find};
use super::page::help;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the program was asked to do.
#[derive(Debug, PartialEq)]
pub enum Command {
    Serve(Config),
    /// Ask a running server whether it is ready.
    Healthcheck(Config),
    /// Print this and do nothing.
    Print(String),
}

/// What to do with the settings once they are read.
#[derive(Clone, Copy)]
enum Verb {
    Serve,
    Healthcheck,
}

impl Command {
    /// Reads the arguments after the program's name, and the environment.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Command, ConfigError> {
        let mut arguments = text_of(arguments)?.into_iter().peekable();
        let verb = match arguments.peek().map(String::as_str) {
            Some("serve") => Some(Verb::Serve),
            Some("healthcheck") => Some(Verb::Healthcheck),
            _ => None,
        };
        arguments.next_if(|_| verb.is_some());
        let mut flags = Vec::new();
        let mut file = None;
        while let Some(argument) = arguments.next() {
            if argument == "--help" || argument == "-h" {
                return Ok(Command::Print(help()));
            }
            if argument == "--version" || argument == "-V" {
                return Ok(Command::Print(version()));
            }
            let flag = Flag::split(&argument)?;
            let given = flag.complete(|| arguments.next())?;
            match given.name.as_str() {
                "config" => file = Some(PathBuf::from(given.text)),
                _ => flags.push(given),
            }
        }
        let config = configure(file, flags, environment)?;
        Ok(match verb.unwrap_or(Verb::Serve) {
            Verb::Serve => Command::Serve(config),
            Verb::Healthcheck => Command::Healthcheck(config),
        })
    }
}

fn text_of(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, ConfigError> {
    let text = |argument: OsString| {
        let refused = |found| ConfigError(format!("argument {found:?} is not UTF-8"));
        argument.into_string().map_err(refused)
    };
    arguments.into_iter().map(text).collect()
}

fn version() -> String {
    format!("braid {}\n", env!("CARGO_PKG_VERSION"))
}

/// `--name` or `--name=text`.
struct Flag {
    name: String,
    text: Option<String>,
}

impl Flag {
    fn split(argument: &str) -> Result<Flag, ConfigError> {
        let Some(flag) = argument.strip_prefix("--") else {
            let hint = "`braid --help` lists what there is";
            return Err(ConfigError(format!(
                "unknown argument {argument:?}; {hint}"
            )));
        };
        let (name, text) = match flag.split_once('=') {
            Some((name, text)) => (name, Some(text.to_owned())),
            None => (flag, None),
        };
        let name = name.to_owned();
        Ok(Flag { name, text })
    }

    /// Takes the next argument for the value, unless the flag has its own or is a switch.
    fn complete(self, next: impl FnOnce() -> Option<String>) -> Result<Given, ConfigError> {
        let origin = format!("--{}", self.name);
        let setting = find(&self.name);
        if setting.is_none() && self.name != "config" {
            return Err(ConfigError(format!("unknown setting {origin}")));
        }
        let is_switch = setting.is_some_and(|setting| setting.is_switch);
        let text = match self.text {
            Some(text) => Some(text),
            None if is_switch => Some("true".to_owned()),
            None => next(),
        };
        match text {
            Some(text) => Ok(Given {
                name: self.name,
                text,
                origin,
            }),
            None => Err(ConfigError(format!("{origin} needs a value"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, ConfigError> {
        Command::parse(line.split_whitespace().map(OsString::from), [])
    }

    fn served(line: &str) -> Config {
        match parse(line) {
            Ok(Command::Serve(config)) => config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn serving_is_what_happens_without_a_word() {
        assert_eq!(parse(""), Ok(Command::Serve(Config::default())));
        assert_eq!(parse("serve"), Ok(Command::Serve(Config::default())));
    }

    #[test]
    fn a_value_stands_behind_its_flag_or_in_it() {
        let config = served("serve --num-partitions 3 --region=eu-west-1 --memory");

        assert_eq!(config.kafka.num_partitions, 3);
        assert_eq!(config.kinesis.region, "eu-west-1");
        assert!(config.store.memory);
        assert!(!served("--memory=false").store.memory);
    }

    #[test]
    fn healthcheck_knows_the_same_settings() {
        let Ok(Command::Healthcheck(config)) = parse("healthcheck --kinesis-listen 127.0.0.1:1")
        else {
            panic!("not a health check")
        };

        assert_eq!(config.kinesis.listen.port(), 1);
    }

    #[test]
    fn help_lists_every_setting() {
        let Ok(Command::Print(help)) = parse("--help") else {
            panic!("no help")
        };

        assert!(help.contains("--kafka-listen"), "{help}");
        assert!(help.contains("--config"), "{help}");
    }

    #[test]
    fn mistakes_are_named() {
        let refused = |line: &str| parse(line).expect_err("a refusal").0;

        assert_eq!(refused("--nope"), "unknown setting --nope");
        assert_eq!(refused("--region"), "--region needs a value");
        assert_eq!(
            refused("serve it"),
            "unknown argument \"it\"; `braid --help` lists what there is"
        );
    }
}
