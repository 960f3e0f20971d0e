//! What a row of the table means: one setting, read from text and shown as text.

use super::Config;
use super::unit::Unit;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// One row of the table.
pub struct Setting {
    /// The flag and the TOML key; the environment variable has the same words.
    pub name: &'static str,
    pub doc: &'static str,
    /// A flag that needs no value.
    pub is_switch: bool,
    pub get: fn(&Config) -> String,
    pub set: fn(&mut Config, &str) -> Result<(), String>,
    pub range: fn() -> Option<(String, String)>,
}

impl Setting {
    pub fn unit(&self) -> Unit {
        Unit::of(self.name)
    }

    /// As it would be written; empty for none.
    pub fn default_text(&self) -> String {
        self.unit().written(&(self.get)(&Config::default()))
    }

    /// The smallest and the largest value, for people.
    pub fn range_text(&self) -> Option<String> {
        let (least, most) = (self.range)()?;
        let unit = self.unit();
        Some(format!(
            "{} to {}",
            unit.written(&least),
            unit.written(&most)
        ))
    }

    pub fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        (self.set)(config, &self.unit().plain(text)).map_err(|reason| {
            let range = self.range_text().map(|range| format!(" ({range})"));
            format!("{text:?} {reason}{}", range.unwrap_or_default())
        })
    }
}

/// When an acknowledgement leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once the disk has confirmed the write.
    Disk,
    /// Once the operating system has it: a power cut may lose it, the end of the process not.
    Os,
}

/// A type that a setting can have. The error completes the sentence `"x" …`.
pub trait Value: Sized {
    const IS_SWITCH: bool = false;
    fn read(text: &str) -> Result<Self, String>;
    fn show(&self) -> String;
}

impl Value for SocketAddr {
    fn read(text: &str) -> Result<SocketAddr, String> {
        let form = "is not an address and a port, such as 127.0.0.1:9092";
        text.parse().map_err(|_| form.into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for bool {
    const IS_SWITCH: bool = true;

    fn read(text: &str) -> Result<bool, String> {
        text.parse().map_err(|_| "is neither true nor false".into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn read(text: &str) -> Result<String, String> {
        (!text.is_empty())
            .then(|| text.to_owned())
            .ok_or_else(|| "is empty".into())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for Option<String> {
    fn read(text: &str) -> Result<Option<String>, String> {
        String::read(text).map(Some)
    }

    fn show(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

impl Value for PathBuf {
    fn read(text: &str) -> Result<PathBuf, String> {
        String::read(text).map(PathBuf::from)
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Durability {
    fn read(text: &str) -> Result<Durability, String> {
        match text {
            "disk" => Ok(Durability::Disk),
            "os" => Ok(Durability::Os),
            _ => Err("is neither disk nor os".into()),
        }
    }

    fn show(&self) -> String {
        match self {
            Durability::Disk => "disk".into(),
            Durability::Os => "os".into(),
        }
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Value for $number {
            fn read(text: &str) -> Result<$number, String> {
                text.parse().map_err(|_| "is not a number that fits".into())
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
numbers! { u32 u64 usize }

pub fn check_range<T: PartialOrd>(value: &T, range: RangeInclusive<T>) -> Result<(), String> {
    let within = range.contains(value);
    within.then_some(()).ok_or_else(|| "is out of range".into())
}

pub fn range_texts<T: Display>(range: RangeInclusive<T>) -> (String, String) {
    (range.start().to_string(), range.end().to_string())
}

pub fn is_account_id(text: &str) -> Result<(), String> {
    let is_id = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_id
        .then_some(())
        .ok_or_else(|| "is not twelve digits".into())
}

pub fn is_host_and_port(text: &Option<String>) -> Result<(), String> {
    let named = text.as_deref().and_then(|text| text.rsplit_once(':'));
    let is_named = named.is_some_and(|(host, port)| {
        let port = port.parse::<u16>();
        !host.is_empty() && port.is_ok_and(|port| port != 0)
    });
    let form = "is not a host and a port, such as broker.example:9092";
    is_named.then_some(()).ok_or_else(|| form.into())
}

pub fn is_log_filter(text: &str) -> Result<(), String> {
    let parsed = text.parse::<tracing_subscriber::filter::Targets>();
    let form = "is not a level, or a list such as warn,braid::kafka=debug";
    parsed.map(drop).map_err(|_| form.into())
}

/// Makes the parts of [`Config`], their defaults, and the table, from one list.
macro_rules! settings {
    ($(
        $(#[doc = $part_doc:literal])*
        $part:ident: $Part:ident {
            $(
                $(#[doc = $doc:literal])*
                $name:literal $field:ident: $type:ty = $default:expr
                    $(, in $range:expr)? $(, valid $valid:path)?;
            )*
        }
    )*) => {
        /// What the server is started with, validated once.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Config {
            $( $(#[doc = $part_doc])* pub $part: $Part, )*
        }

        $(
            $(#[doc = $part_doc])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Part {
                $( $(#[doc = $doc])* pub $field: $type, )*
            }

            impl Default for $Part {
                fn default() -> $Part {
                    $Part { $( $field: $default, )* }
                }
            }
        )*

        /// Every setting, by part.
        const PARTS: &[(&str, &[Setting])] = &[ $( (concat!($($part_doc),*), &[ $(
            Setting {
                name: $name,
                doc: concat!($($doc),*),
                is_switch: <$type as setting::Value>::IS_SWITCH,
                get: |config| setting::Value::show(&config.$part.$field),
                set: |config, text| {
                    let value = <$type as setting::Value>::read(text)?;
                    $( setting::check_range(&value, $range)?; )?
                    $( $valid(&value)?; )?
                    config.$part.$field = value;
                    Ok(())
                },
                range: || {
                    let range = None;
                    $( let range = range.or_else(|| Some(setting::range_texts::<$type>($range))); )?
                    range
                },
            },
        )* ]), )* ];
    };
}
pub(super) use settings;
