//! A TOML text that a person wrote, read key by key, so that every fault names file, line, caret and nearest key.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Something wrong in a file, with where it stands and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file's name as it was given.
    pub file: String,
    /// Line, from 1; 0 if the file as a whole is meant.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub reason: String,
    /// The line itself with the first column (in characters, from 0) and the number of characters meant.
    pub excerpt: Option<(String, usize, usize)>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.reason)?,
            line => write!(f, "{}:{line}: {}", self.file, self.reason)?,
        }
        if let Some((text, column, width)) = &self.excerpt {
            write!(f, "\n    {text}\n    {:column$}{}", "", "^".repeat((*width).max(1)))?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// Collects the faults of one text.
#[derive(Debug)]
pub struct Faults<'t> {
    file: &'t str,
    text: &'t str,
    found: Vec<Fault>,
}

impl<'t> Faults<'t> {
    /// No fault yet in `text`, which came from `file`.
    #[must_use]
    pub fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// Notes a fault at a span of bytes.
    pub fn at(&mut self, span: &Range<usize>, reason: impl Into<String>) {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let end = self.text.ceil_char_boundary(span.end.clamp(start, self.text.len()));
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line = self.text[..start].matches('\n').count() + 1;
        let column = self.text[line_start..start].chars().count();
        let width = self.text[start..end.min(line_end)].chars().count();
        let excerpt = self.text[line_start..line_end].trim_end().to_owned();
        self.found.push(Fault {
            file: self.file.to_owned(),
            line,
            reason: reason.into(),
            excerpt: Some((excerpt, column, width)),
        });
    }

    /// `value` if nothing was found, else all faults in the order of their lines.
    ///
    /// # Errors
    /// The faults.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Vec<Fault>> {
        self.found.sort_by_key(|fault| fault.line);
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}

/// One table of the text with the keys that it may hold; what is asked for is thereby allowed.
#[derive(Debug)]
pub struct Table<'a, 't> {
    table: Option<&'a DeTable<'t>>,
    name: String,
    span: Range<usize>,
    asked: Vec<&'static str>,
}

/// Parses a whole text; a syntax error is noted and gives an empty table.
pub fn parse<'t>(text: &'t str, faults: &mut Faults<'_>) -> DeTable<'t> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        faults.at(&error.span().unwrap_or(0..0), format!("not TOML: {}", error.message()));
    }
    table.into_inner()
}

impl<'a, 't> Table<'a, 't> {
    /// The text's top level.
    #[must_use]
    pub fn root(table: &'a DeTable<'t>) -> Self {
        Self { table: Some(table), name: String::new(), span: 0..0, asked: Vec::new() }
    }

    /// Where the table stands, for faults of the table as a whole.
    #[must_use]
    pub fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// Whether the text says anything for `key`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// The value of `key` as it stands.
    pub fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.table?.get(key)
    }

    /// The table `key`, empty if it is not there.
    pub fn table(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Table<'a, 't> {
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        let empty = |name| Table { table: None, name, span: 0..0, asked: Vec::new() };
        match self.value(key) {
            None => empty(name),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Table { table: Some(table), name, span: value.span(), asked: Vec::new() },
                other => {
                    faults.at(&value.span(), format!("`{name}` is a table, not {}", kind_of(other)));
                    empty(name)
                }
            },
        }
    }

    /// The tables of the array `key` (`[[key]]`), if the text has it.
    pub fn tables(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<Vec<Table<'a, 't>>> {
        let value = self.value(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            faults.at(&value.span(), format!("`{key}` is written `[[{key}]]`, once for each"));
            return None;
        };
        let mut tables = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) => tables.push(Table {
                    table: Some(table),
                    name: key.to_owned(),
                    span: item.span(),
                    asked: Vec::new(),
                }),
                other => faults.at(&item.span(), format!("`{key}` holds tables, not {}", kind_of(other))),
            }
        }
        Some(tables)
    }

    /// The value of `key`, read by `read`, which says what is expected if it cannot.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
        read: impl FnOnce(&DeValue<'t>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(expected) => {
                faults.at(&value.span(), format!("`{key}` {expected}"));
                None
            }
        }
    }

    /// A text.
    pub fn string(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<String> {
        self.read(key, faults, |value| match value {
            DeValue::String(text) => Ok(text.to_string()),
            other => Err(format!("is a text in quotes, not {}", kind_of(other))),
        })
    }

    /// A duration such as `"90s"`, in milliseconds.
    pub fn duration_ms(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<i64> {
        self.read(key, faults, |value| {
            let expected = || "is a duration with its unit, such as \"90s\", \"10m\" or \"2h\"".to_owned();
            value.as_str().and_then(crate::time::parse_duration_ms).ok_or_else(expected)
        })
    }

    /// An integer of at least `least`.
    pub fn integer(&mut self, key: &'static str, least: u32, faults: &mut Faults<'_>) -> Option<u32> {
        self.read(key, faults, |value| {
            let number = match value {
                DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
                _ => None,
            };
            number.filter(|number| *number >= least).ok_or_else(|| format!("is a whole number of at least {least}"))
        })
    }

    /// A truth value.
    pub fn boolean(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<bool> {
        self.read(key, faults, |value| value.as_bool().ok_or_else(|| "is true or false".to_owned()))
    }

    /// All keys of a table whose keys are free, with their values.
    pub fn entries(&self) -> impl Iterator<Item = (&'a Spanned<toml::de::DeString<'t>>, &'a Spanned<DeValue<'t>>)> {
        self.table.into_iter().flat_map(|table| table.iter())
    }

    /// Notes every key that was never asked for, with the nearest one that may stand there.
    pub fn finish(self, faults: &mut Faults<'_>) {
        for (key, _) in self.entries() {
            let word = key.get_ref().as_ref();
            if !self.asked.contains(&word) {
                let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
                faults.at(&key.span(), format!("unknown key `{word}`{place}{}", did_you_mean(word, &self.asked)));
            }
        }
    }
}

/// `; did you mean …?` with the nearest of the allowed words, or all of them.
#[must_use]
pub fn did_you_mean(word: &str, allowed: &[&str]) -> String {
    let nearest = allowed
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, candidate)) if distance <= 2.max(candidate.len() / 3) => {
            format!("; did you mean `{candidate}`?")
        }
        Some(_) => format!("; one of: {}", allowed.join(", ")),
        None => String::new(),
    }
}

/// What a value is, for messages.
#[must_use]
pub fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
