//! Which source of settings wins, and how each refusal is worded.

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
