//! The formats of raw records, by the words that configuration and command line use for them.

use std::fmt;

use thiserror::Error;

/// Formats that have a name already and come with a later release.
const LATER: [&str; 4] = ["dc09", "onenet", "huawei", "jetlinks"];

/// How the bytes of a record are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The native JSON form of a signal.
    Signal,
    /// Frames of user information transmission devices, GB/T 26875.3-2011.
    Gb26875,
    /// What the NB-IoT platform CTWing pushes: a JSON envelope around a detector's or panel's payload.
    Ctwing,
}

/// Why a word names no format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnknownFormat {
    /// The format has a name and no decoder yet.
    #[error("format {0:?} comes with a later release; there are: {list}", list = words())]
    Later(&'static str),
    /// There is no such format.
    #[error("unknown format {0:?}; there are: {list}", list = words())]
    Unknown(String),
}

impl Format {
    /// Every format that can be read.
    pub const ALL: &'static [Self] = &[Self::Signal, Self::Gb26875, Self::Ctwing];

    /// The word as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Gb26875 => "gb26875",
            Self::Ctwing => "ctwing",
        }
    }

    /// Whether what is sent may say itself when the platform received it; else that is the record's timestamp.
    #[must_use]
    pub const fn has_times_of_receipt(self) -> bool {
        match self {
            Self::Signal | Self::Ctwing => true,
            Self::Gb26875 => false,
        }
    }

    /// The format that the word stands for.
    ///
    /// # Errors
    /// There is none, or it comes with a later release.
    pub fn from_word(word: &str) -> Result<Self, UnknownFormat> {
        if let Some(format) = Self::ALL.iter().find(|format| format.word() == word) {
            return Ok(*format);
        }
        let later = LATER.iter().find(|later| **later == word);
        Err(later.map_or_else(|| UnknownFormat::Unknown(word.to_owned()), |later| UnknownFormat::Later(later)))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

fn words() -> String {
    Format::ALL.iter().map(|format| format.word()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_contract_is_known() {
        for format in Format::ALL {
            assert_eq!(Format::from_word(format.word()), Ok(*format));
        }
        for word in ["dc09", "onenet", "huawei", "jetlinks"] {
            assert_eq!(Format::from_word(word), Err(UnknownFormat::Later(word)));
        }
        let unknown = Format::from_word("GB26875").unwrap_err();
        assert_eq!(unknown.to_string(), r#"unknown format "GB26875"; there are: signal, gb26875, ctwing"#);
    }
}
