//! Reads a chapter of scenarios: towns, policies and duty logs, each scenario with the chapter's or its own.
//!
//! Everything wrong is said with file and line.

use crate::notation::{Scenario, read_log_line, split_words};
use crate::town;

/// A registry and a policy: a chapter's for all its scenarios, or a scenario's own.
#[derive(Debug, Default)]
struct Setting {
    registry: Option<String>,
    policy: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Section {
    Head,
    Registry,
    Policy,
    Log,
}

/// A chapter as far as it has been read.
struct Chapter {
    shared: Setting,
    scenarios: Vec<(Scenario, Setting)>,
    section: Section,
}

/// Reads a chapter; `file` is its name in messages.
///
/// # Errors
/// The first thing that cannot be read, with file and line.
pub fn read_chapter(file: &str, text: &str) -> Result<Vec<Scenario>, String> {
    let mut chapter = Chapter { shared: Setting::default(), scenarios: Vec::new(), section: Section::Head };
    for (number, line) in (1..).zip(text.lines()) {
        let at = format!("{file}:{number}");
        chapter.read_line(&at, line).map_err(|reason| format!("{at}: {reason}"))?;
    }
    let Chapter { shared, scenarios, .. } = chapter;
    let settle = |(scenario, own): (Scenario, Setting)| Scenario {
        registry: own.registry.or_else(|| shared.registry.clone()).unwrap_or_default(),
        policy: own.policy.or_else(|| shared.policy.clone()).unwrap_or_default(),
        ..scenario
    };
    Ok(scenarios.into_iter().map(settle).collect())
}

impl Chapter {
    fn read_line(&mut self, at: &str, line: &str) -> Result<(), String> {
        if let Some(title) = line.strip_prefix("== ") {
            self.scenarios.push((begin(at, title), Setting::default()));
            self.section = Section::Head;
            return Ok(());
        }
        let next = match line.split_whitespace().next() {
            Some("[registry]") => Some(Section::Registry),
            Some("[policy]") => Some(Section::Policy),
            Some("[log]") => Some(Section::Log),
            _ => None,
        };
        if let Some(next) = next {
            self.section = next;
            return Ok(());
        }
        if self.section == Section::Policy {
            let policy = self.setting().policy.get_or_insert_default();
            policy.push_str(line);
            policy.push('\n');
            return Ok(());
        }
        let words = split_words(line)?;
        if words.is_empty() { Ok(()) } else { self.read_words(at, line, &words) }
    }

    fn read_words(&mut self, at: &str, line: &str, words: &[String]) -> Result<(), String> {
        if self.section == Section::Registry {
            let is_device = line.starts_with(' ');
            return town::read_line(words, is_device, self.setting().registry.get_or_insert_default());
        }
        let (scenario, _) = self.scenarios.last_mut().ok_or("stands before the first `== ` and in no section")?;
        match (self.section, words[0].as_str()) {
            (Section::Log, _) => read_log_line(at, line, words, &mut scenario.entries)?,
            (_, "clauses:") => scenario.clauses.extend_from_slice(&words[1..]),
            (_, "refused:") => scenario.refused = line.strip_prefix("refused: ").map(str::to_owned),
            (_, word) => return Err(format!("{word:?} is neither `clauses:` nor `refused:` nor a section")),
        }
        Ok(())
    }

    fn setting(&mut self) -> &mut Setting {
        self.scenarios.last_mut().map_or(&mut self.shared, |(_, own)| own)
    }
}

fn begin(at: &str, title: &str) -> Scenario {
    Scenario {
        at: at.to_owned(),
        title: title.to_owned(),
        clauses: Vec::new(),
        registry: String::new(),
        policy: String::new(),
        refused: None,
        entries: Vec::new(),
    }
}
