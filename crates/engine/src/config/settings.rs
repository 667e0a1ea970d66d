//! What was said, and where: every setting as text with its origin, from four layers.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use fenghuo_decode::Format;
use fenghuo_model::Fault;
use fenghuo_model::toml_text::{Faults, Table, did_you_mean, kind_of, parse};
use toml::de::{DeTable, DeValue};

use super::RawTopic;

/// What environment variables begin with; tables and keys are separated by `__`.
pub const ENVIRONMENT_PREFIX: &str = "FENGHUO__";
/// The variable that names a pod (Kubernetes sets it from `metadata.name` where it is told to): the name of a static
/// member where the configuration says nothing of one. `instance = ""` says that there is to be none.
pub const POD_NAME: &str = "POD_NAME";
/// What the keys of librdkafka's properties begin with.
pub const PROPERTIES: &str = "kafka.properties.";

/// The key of a static member's name.
const INSTANCE: &str = "kafka.instance";

/// Every key of one value, with its default; tables follow one another.
const KEYS: &[(&str, &str, Option<&str>)] = &[
    ("", "registry", None),
    ("", "policy", None),
    ("", "utc_offset", Some("+08:00")),
    ("kafka", "brokers", Some("127.0.0.1:9092")),
    ("kafka", "group", Some("fenghuo")),
    ("kafka", "instance", None),
    ("kafka", "connect_wait", Some("30s")),
    ("kafka", "drain_wait", Some("10s")),
    ("topics", "signals", Some("fenghuo.signals")),
    ("topics", "dispatch", Some("fenghuo.dispatch")),
    ("topics", "watch", Some("fenghuo.watch")),
    ("topics", "state", Some("fenghuo.state")),
    ("topics", "dead_letter", Some("fenghuo.dead-letter")),
    ("decode", "forward", Some("changes")),
    ("correlate", "standby", Some("256MiB")),
    ("http", "listen", None),
];

/// Where a setting was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is built in.
    Default,
    /// In the file.
    File {
        /// Its name.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The bytes of the value.
        span: Range<usize>,
    },
    /// In the environment, by that variable.
    Environment(String),
    /// On the command line, by that key.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, .. } => write!(f, "{file}:{line}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(key) => write!(f, "flag {key}"),
        }
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Table and key, joined by a dot.
    pub key: String,
    /// The value as it was written.
    pub text: String,
    /// Where.
    pub origin: Origin,
    /// Whether it is not to be shown.
    pub secret: bool,
}

/// All layers, and what was wrong in them.
#[derive(Debug)]
pub struct Settings<'t> {
    file: String,
    text: &'t str,
    faults: Faults<'t>,
    elsewhere: Vec<Fault>,
    values: BTreeMap<String, Setting>,
    raw: Vec<(RawTopic, Origin)>,
}

fn joined(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

fn known_keys() -> impl Iterator<Item = String> {
    KEYS.iter().map(|(table, key, _)| joined(table, key))
}

impl<'t> Settings<'t> {
    /// The defaults, and above them the file.
    pub fn read_file(file: &'t str, text: &'t str) -> Self {
        let faults = Faults::new(file, text);
        let (values, raw, elsewhere) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut settings = Self { file: file.to_owned(), text, faults, elsewhere, values, raw };
        for (table, key, default) in KEYS {
            if let Some(default) = default {
                settings.set(&joined(table, key), default, Origin::Default);
            }
        }
        let document = parse(text, &mut settings.faults);
        let mut root = Table::root(&document);
        settings.read_keys("", &mut root);
        for name in ["kafka", "topics", "decode", "correlate", "http"] {
            let mut table = root.table(name, &mut settings.faults);
            settings.read_keys(name, &mut table);
            if name == "kafka"
                && let Some(properties) = table.value("properties")
            {
                match properties.get_ref() {
                    DeValue::Table(properties) => settings.read_properties("", properties),
                    other => {
                        let reason = format!("`kafka.properties` is a table, not {}", kind_of(other));
                        settings.faults.at(&properties.span(), reason);
                    }
                }
            }
            table.finish(&mut settings.faults);
        }
        for table in root.tables("raw", &mut settings.faults).unwrap_or_default() {
            settings.read_raw(table);
        }
        root.finish(&mut settings.faults);
        settings
    }

    fn read_keys(&mut self, name: &str, table: &mut Table<'_, 't>) {
        for (_, key, _) in KEYS.iter().filter(|(owner, ..)| *owner == name) {
            if let Some(span) = table.value(key).map(toml::Spanned::span)
                && let Some(text) = table.string(key, &mut self.faults)
            {
                let origin = self.in_file(span);
                self.set(&joined(name, key), &text, origin);
            }
        }
    }

    /// Properties, whose dotted names TOML reads as tables within tables unless they are quoted.
    fn read_properties(&mut self, prefix: &str, table: &DeTable<'t>) {
        for (key, value) in table {
            let name = joined(prefix, key.get_ref());
            let text = match value.get_ref() {
                DeValue::Table(inner) => {
                    self.read_properties(&name, inner);
                    continue;
                }
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.as_str().to_owned(),
                DeValue::Float(number) => number.as_str().to_owned(),
                DeValue::Boolean(truth) => truth.to_string(),
                other => {
                    self.faults.at(&value.span(), format!("the property `{name}` is a text, not {}", kind_of(other)));
                    continue;
                }
            };
            let origin = self.in_file(value.span());
            self.set(&format!("{PROPERTIES}{name}"), &text, origin);
        }
    }

    fn read_raw(&mut self, mut table: Table<'_, 't>) {
        let span = table.span().clone();
        let topic = table.string("topic", &mut self.faults);
        let format = table.read("format", &mut self.faults, |value| {
            let word = value.as_str().ok_or("is a text in quotes")?;
            Format::from_word(word).map_err(|error| format!("is none: {error}"))
        });
        let has_format = table.has("format");
        let people = table.boolean("people", &mut self.faults).unwrap_or(false);
        table.finish(&mut self.faults);
        match (topic, format) {
            (Some(topic), Some(format)) => {
                let origin = self.in_file(span);
                self.raw.push((RawTopic { topic, format, people }, origin));
            }
            (None, _) => self.faults.at(&span, "a [[raw]] needs `topic`"),
            (_, None) if !has_format => self.faults.at(&span, "a [[raw]] needs `format`, such as \"gb26875\""),
            _ => {}
        }
    }

    /// Above the file: variables such as `FENGHUO__KAFKA__BROKERS`.
    pub fn read_environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        let (mut ours, others): (Vec<_>, Vec<_>) =
            environment.into_iter().partition(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX));
        ours.sort();
        let pod = others.into_iter().find(|(name, _)| name == POD_NAME);
        if let Some((variable, text)) = pod.filter(|_| !self.values.contains_key(INSTANCE)) {
            self.set(INSTANCE, &text, Origin::Environment(variable));
        }
        for (variable, text) in ours {
            let words = variable[ENVIRONMENT_PREFIX.len()..].to_lowercase();
            let key = match words.strip_prefix("kafka__properties__") {
                // librdkafka's names hold dots and no underscores; `_file` is our own ending.
                Some(property) => match property.strip_suffix("_file") {
                    Some(property) => format!("{PROPERTIES}{}_file", property.replace('_', ".")),
                    None => format!("{PROPERTIES}{}", property.replace('_', ".")),
                },
                None => words.replace("__", "."),
            };
            let origin = Origin::Environment(variable);
            self.set_known(&key, &text, origin);
        }
    }

    /// Above all: what was typed.
    pub fn read_flags(&mut self, flags: &[(String, String)]) {
        for (key, text) in flags {
            self.set_known(key, text, Origin::Flag(key.clone()));
        }
    }

    fn set_known(&mut self, key: &str, text: &str, origin: Origin) {
        if key.starts_with(PROPERTIES) || known_keys().any(|known| known == key) {
            self.set(key, text, origin);
        } else if key == "raw" || key.starts_with("raw.") {
            self.fault(&origin, "raw topics stand in the file, as [[raw]]".to_owned());
        } else {
            let keys: Vec<_> = known_keys().collect();
            let keys: Vec<_> = keys.iter().map(String::as_str).collect();
            self.fault(&origin, format!("unknown key `{key}`{}", did_you_mean(key, &keys)));
        }
    }

    fn set(&mut self, key: &str, text: &str, origin: Origin) {
        let setting = Setting { key: key.to_owned(), text: text.to_owned(), origin, secret: false };
        self.values.insert(key.to_owned(), setting);
    }

    fn in_file(&self, span: Range<usize>) -> Origin {
        let line = self.text[..span.start.min(self.text.len())].matches('\n').count() + 1;
        Origin::File { file: self.file.clone(), line, span }
    }

    /// Notes what is wrong with something said there.
    pub fn fault(&mut self, origin: &Origin, reason: String) {
        match origin {
            Origin::File { span, .. } => self.faults.at(span, reason),
            other => self.elsewhere.push(Fault { file: other.to_string(), line: 0, reason, excerpt: None }),
        }
    }

    /// The setting in effect, an empty text counting as none.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Setting> {
        self.values.get(key).filter(|setting| !setting.text.is_empty()).cloned()
    }

    /// The setting in effect; that there is none is noted.
    pub fn required(&mut self, key: &str) -> Setting {
        self.get(key).unwrap_or_else(|| {
            let reason = format!("`{key}` is missing");
            self.elsewhere.push(Fault { file: self.file.clone(), line: 0, reason, excerpt: None });
            Setting { key: key.to_owned(), text: String::new(), origin: Origin::Default, secret: false }
        })
    }

    /// Takes every property of librdkafka, without the common beginning of their keys.
    pub fn properties(&self) -> Vec<(String, Setting)> {
        let ours = self.values.range(PROPERTIES.to_owned()..);
        ours.map_while(|(key, setting)| Some((key.strip_prefix(PROPERTIES)?.to_owned(), setting.clone()))).collect()
    }

    /// Keeps a setting's value from being shown.
    pub fn hide(&mut self, key: &str) {
        if let Some(setting) = self.values.get_mut(key) {
            setting.secret = true;
        }
    }

    /// A path: within the folder of the file that names it, or of the process where no file does.
    #[must_use]
    pub fn path(&self, setting: &Setting) -> PathBuf {
        match (&setting.origin, Path::new(&self.file).parent()) {
            (Origin::File { .. }, Some(folder)) => folder.join(&setting.text),
            _ => PathBuf::from(&setting.text),
        }
    }

    /// The raw topics, in their order.
    #[must_use]
    pub fn raw_topics(&self) -> Vec<RawTopic> {
        self.raw.iter().map(|(raw, _)| raw.clone()).collect()
    }

    /// Where a raw topic is named for the last time.
    #[must_use]
    pub fn raw_origin(&self, topic: &str) -> Origin {
        let last = self.raw.iter().rev().find(|(raw, _)| raw.topic == topic);
        last.map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// Everything in effect, in the order of the tables, secrets masked.
    #[must_use]
    pub fn shown(&self) -> Vec<Setting> {
        let keys = known_keys().filter_map(|key| self.values.get(&key).cloned());
        let properties = self.properties().into_iter().map(|(_, setting)| setting);
        let raw = self.raw.iter().enumerate().flat_map(|(number, (raw, origin))| {
            let people = if raw.people { "true" } else { "false" };
            [("topic", raw.topic.as_str()), ("format", raw.format.word()), ("people", people)].map(|(key, text)| {
                Setting {
                    key: format!("raw.{number}.{key}"),
                    text: text.to_owned(),
                    origin: origin.clone(),
                    secret: false,
                }
            })
        });
        let mask = |mut setting: Setting| {
            if setting.secret {
                "********".clone_into(&mut setting.text);
            }
            setting
        };
        keys.chain(properties).chain(raw).map(mask).collect()
    }

    /// `value` if nothing is wrong.
    ///
    /// # Errors
    /// Everything that is.
    pub fn into_result<T>(self, value: T) -> Result<T, Vec<Fault>> {
        let mut elsewhere = self.elsewhere;
        match self.faults.into_result(value) {
            Ok(value) if elsewhere.is_empty() => Ok(value),
            Ok(_) => Err(elsewhere),
            Err(mut faults) => {
                faults.append(&mut elsewhere);
                Err(faults)
            }
        }
    }
}
