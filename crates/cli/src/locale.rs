//! In whose language and time zone people are spoken to; what programs read stays English and UTC.

use clap::ValueEnum;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The languages in which people are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Chinese
    Zh,
    /// English
    En,
}

impl Language {
    /// The language of the first variable that is set of those that POSIX asks for messages, in its order.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
        match value {
            Some(value) if value.to_ascii_lowercase().starts_with("zh") => Self::Zh,
            _ => Self::En,
        }
    }
}

/// The language and time zone of the reader.
#[derive(Debug, Clone)]
pub struct Locale {
    /// In which language.
    pub language: Language,
    time_zone: TimeZone,
}

impl Locale {
    /// The locale of somebody who reads that language and lives in that zone.
    #[must_use]
    pub const fn new(language: Language, time_zone: TimeZone) -> Self {
        Self { language, time_zone }
    }

    /// An instant as a clock on the wall shows it, with its date: `2026-11-22 09:58:02`.
    #[must_use]
    pub fn date_and_time(&self, at_ms: i64) -> String {
        self.format(at_ms, "%Y-%m-%d %H:%M:%S")
    }

    /// An instant as a clock on the wall shows it: `09:58:02`.
    #[must_use]
    pub fn time_of_day(&self, at_ms: i64) -> String {
        self.format(at_ms, "%H:%M:%S")
    }

    /// The zone's name.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        self.time_zone.iana_name().unwrap_or("UTC")
    }

    fn format(&self, at_ms: i64, form: &str) -> String {
        match Timestamp::from_millisecond(at_ms) {
            Ok(instant) => instant.to_zoned(self.time_zone.clone()).strftime(form).to_string(),
            // Beyond the years that calendars can show; the number is still the truth.
            Err(_) => format!("{at_ms} ms"),
        }
    }
}

/// Reads a zone's name from the database that is built in, so that every machine knows the same zones.
///
/// # Errors
/// Says that there is no such zone.
pub fn parse_time_zone(name: &str) -> Result<TimeZone, String> {
    let unknown = |_| format!("no such time zone; names look like {DEFAULT_TIME_ZONE}, Europe/Berlin or UTC");
    TimeZoneDatabase::bundled().get(name).map_err(unknown)
}

/// Where the product was born.
pub const DEFAULT_TIME_ZONE: &str = "Asia/Shanghai";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_the_first_variable_set() {
        for (set, expected) in [
            (&[][..], Language::En),
            (&[("LANG", "zh_CN.UTF-8")], Language::Zh),
            (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C.UTF-8")], Language::En),
            (&[("LANG", "en_GB.UTF-8"), ("LC_MESSAGES", "zh_TW")], Language::Zh),
            (&[("LANG", "ZH_CN"), ("LC_ALL", "")], Language::Zh),
            (&[("LANG", "de_DE")], Language::En),
        ] {
            let variable = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(Language::of_environment(variable), expected, "{set:?}");
        }
    }

    #[test]
    fn instants_are_shown_in_the_zone() {
        for (zone, at_ms, expected) in [
            ("Asia/Shanghai", 1_795_312_682_000, "2026-11-22 09:58:02"),
            ("UTC", 1_795_312_682_999, "2026-11-22 01:58:02"),
            ("America/New_York", 1_795_312_682_000, "2026-11-21 20:58:02"),
            ("Asia/Shanghai", i64::MAX, "9223372036854775807 ms"),
        ] {
            let locale = Locale::new(Language::En, parse_time_zone(zone).unwrap());
            assert_eq!(locale.date_and_time(at_ms), expected, "{zone}");
        }
        assert!(parse_time_zone("Asia/Atlantis").is_err());
    }
}
