//! The nouns of a scenario, and how a line of its log is read: a statement, or a decision that must follow.
//!
//! The notation is told in the scenarios' README.

use serde_json::{Map, Value, json};

use crate::clock_face;
use crate::town;

/// One duty log with the decisions that it must lead to.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Where it begins, `file:line`.
    pub at: String,
    /// What it shows, in a sentence.
    pub title: String,
    /// The clauses it stands for.
    pub clauses: Vec<String>,
    /// The registry, as JSON Lines.
    pub registry: String,
    /// The policy, as TOML.
    pub policy: String,
    /// Words of the reason, where registry or policy must be refused.
    pub refused: Option<String>,
    /// The log, line by line.
    pub entries: Vec<Entry>,
}

/// A line of the log, and what must follow from it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it stands, `file:line`.
    pub at: String,
    /// The line as it was written.
    pub text: String,
    /// The time in front of it, Unix milliseconds.
    pub time_ms: Option<i64>,
    /// What is done.
    pub act: Act,
    /// The decisions, in order.
    pub decisions: Vec<Expected>,
    /// Words of the reason, where the line must be rejected.
    pub rejected: Option<String>,
}

/// What a line of the log does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Hands over inputs, each one JSON line.
    Say(Vec<String>),
    /// Lets the clocks run until no timer is left.
    Drain,
    /// Asks what was counted so far.
    Count(Vec<(String, String)>),
}

/// A decision as the log expects it; what it does not mention may be anything.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Its kind.
    pub kind: String,
    /// The building where the incident is; of `unplaced` the device.
    pub subject: String,
    /// Keys and the values they must have.
    pub keys: Vec<(String, String)>,
    /// `decided_at`, where it is not the line's time.
    pub decided_at: Option<String>,
}

/// Appends what a line of the log says, or says what must follow from the line before; `words` are its words.
///
/// # Errors
/// What cannot be read.
pub fn read_log_line(at: &str, line: &str, words: &[String], entries: &mut Vec<Entry>) -> Result<(), String> {
    let entry = |time_ms, act| Entry {
        at: at.to_owned(),
        text: line.trim().to_owned(),
        time_ms,
        act,
        decisions: Vec::new(),
        rejected: None,
    };
    let before = "stands before any line of the log";
    match words[0].as_str() {
        "=" => entries.last_mut().ok_or(before)?.decisions.push(read_expected(&words[1..])?),
        "!" => entries.last_mut().ok_or(before)?.rejected = Some(words[1..].join(" ")),
        "drain" => entries.push(entry(None, Act::Drain)),
        "count" => entries.push(entry(None, Act::Count(read_keys(&words[1..])?))),
        time => {
            let time_ms = clock_face::read(time).ok_or_else(|| format!("{time:?} is no time such as 10:00:00.250"))?;
            entries.push(entry(Some(time_ms), Act::Say(read_statements(time_ms, &words[1..])?)));
        }
    }
    Ok(())
}

fn read_expected(words: &[String]) -> Result<Expected, String> {
    let [kind, subject, keys @ ..] = words else { return Err("a decision has a kind and a building".to_owned()) };
    let (stamps, keys): (Vec<String>, Vec<String>) = keys.iter().cloned().partition(|word| word.starts_with('@'));
    Ok(Expected {
        kind: kind.clone(),
        subject: subject.clone(),
        keys: read_keys(&keys)?,
        decided_at: stamps.first().map(|stamp| stamp[1..].to_owned()),
    })
}

fn read_keys(words: &[String]) -> Result<Vec<(String, String)>, String> {
    let read = |word: &String| {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is no key=value"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    words.iter().map(read).collect()
}

/// `D1 fire at=…`, `D1..D9 fire`, `tick region=…` as JSON lines.
fn read_statements(time_ms: i64, words: &[String]) -> Result<Vec<String>, String> {
    let [who, options @ ..] = words else { return Err("a time says nothing alone".to_owned()) };
    if who == "tick" {
        let mut tick = Map::from_iter([("tick".to_owned(), json!(time_ms))]);
        tick.extend(read_keys(options)?.into_iter().map(|(key, value)| (key, json!(value))));
        return Ok(vec![Value::Object(tick).to_string()]);
    }
    let [kind, options @ ..] = options else { return Err(format!("{who} states nothing")) };
    let mut signal = Map::new();
    signal.insert("kind".to_owned(), json!(kind));
    signal.insert("at".to_owned(), json!(time_ms));
    signal.insert("received_at".to_owned(), json!(time_ms));
    for option in options {
        match option.split_once('=') {
            None if option == "test" => signal.insert("test".to_owned(), json!(true)),
            None => return Err(format!("{option:?} is no key=value")),
            Some(("received", value)) => signal.insert("received_at".to_owned(), time_value(value)),
            Some((key @ ("at" | "until"), value)) => signal.insert(key.to_owned(), time_value(value)),
            Some((key, value)) => signal.insert(key.to_owned(), json!(value)),
        };
    }
    signal.retain(|_, value| value != "none");
    Ok(town::expand(who)?
        .into_iter()
        .map(|device| {
            signal.insert("device".to_owned(), json!(device));
            Value::Object(signal.clone()).to_string()
        })
        .collect())
}

fn time_value(word: &str) -> Value {
    clock_face::read(word).map_or_else(|| json!(word), |time_ms| json!(time_ms))
}

/// Words between blanks; `"…"` holds blanks together; a `#` that stands alone begins a comment.
///
/// # Errors
/// A quotation mark that stays open.
pub fn split_words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let (mut word, mut is_quoted, mut is_begun) = (String::new(), false, false);
    for letter in line.chars().chain([' ']) {
        match letter {
            '"' => (is_quoted, is_begun) = (!is_quoted, true),
            ' ' if !is_quoted && is_begun => {
                if word == "#" {
                    return Ok(words);
                }
                words.push(std::mem::take(&mut word));
                is_begun = false;
            }
            ' ' if !is_quoted => {}
            letter => {
                word.push(letter);
                is_begun = true;
            }
        }
    }
    if is_quoted { Err("a quotation mark stays open".to_owned()) } else { Ok(words) }
}
