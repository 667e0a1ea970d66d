//! The clauses of the contract, and whether each has a scenario and each scenario only clauses that exist.

use std::collections::BTreeSet;

use crate::notation::Scenario;

/// Reads `id: the sentence` lines; blank lines and lines that begin with `#` are headings.
///
/// # Errors
/// A line without an id, or an id that stands twice.
pub fn read_clauses(text: &str) -> Result<BTreeSet<String>, String> {
    let mut clauses = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let (id, _) = line.split_once(": ").ok_or_else(|| format!("clauses.txt:{number}: no `id: sentence`"))?;
        if !clauses.insert(id.to_owned()) {
            return Err(format!("clauses.txt:{number}: {id} stands twice"));
        }
    }
    Ok(clauses)
}

/// Clauses that no scenario stands for, scenarios that stand for none, or for one that does not exist.
pub fn orphans(clauses: &BTreeSet<String>, scenarios: &[Scenario]) -> Vec<String> {
    let named: BTreeSet<&String> = scenarios.iter().flat_map(|scenario| &scenario.clauses).collect();
    let without = clauses.iter().filter(|clause| !named.contains(clause));
    let mut orphans: Vec<String> = without.map(|clause| format!("no scenario stands for {clause}")).collect();
    for scenario in scenarios {
        if scenario.clauses.is_empty() {
            orphans.push(format!("{}: stands for no clause", scenario.at));
        }
        let unknown = scenario.clauses.iter().filter(|clause| !clauses.contains(*clause));
        orphans.extend(unknown.map(|clause| format!("{}: there is no clause {clause}", scenario.at)));
    }
    orphans
}
