//! What must hold when all is quiet: what is read, what is remembered, and what would be decided next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fenghuo_correlate::{Correlator, Limits};
use fenghuo_engine::correlate_role::header;
use fenghuo_engine::correlate_role::ledger::StateRecords;
use fenghuo_engine::correlate_role::outbox::{Outbox, REPEATED};
use fenghuo_model::{Decision, Input};

use crate::broker::{LogName, Record};
use crate::oracle::{Oracle, Told, oracle};
use crate::round::Round;

/// Adds to the round's complaints.
pub fn check(round: &mut Round<'_>) {
    let mut expected = oracle(round.script, &round.ground.gaps);
    let mut complaints = Vec::new();
    {
        let broker = round.ground.broker.borrow();
        let all = |log| broker.read(log, 0).filter(|it| it.header("ce_id") != Some("neighbour/1")).cloned().collect();
        let dispatched: Vec<Record> = all(LogName::Dispatch);
        let lost: BTreeSet<Told> = broker.lost().map(told).collect();
        dispatch(&dispatched, &expected, &lost, &mut complaints);
        let watched: Vec<Record> = all(LogName::Watch);
        in_order("watch", watched.iter().map(told), expected.watch.iter(), &mut complaints);
        letters(&all(LogName::DeadLetter), &expected, round.lost_state > 0, &mut complaints);
        let state = alive(broker.read(LogName::State, 0));
        remembered(
            &state,
            broker.committed().map(|kept| kept.next_offset),
            round.script.arrivals.len(),
            &expected,
            &mut complaints,
        );
        goes_on(round, &state, &mut expected, &mut complaints);
    }
    round.ground.complaints.append(&mut complaints);
}

fn told(record: &Record) -> Told {
    let payload = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
    (record.header("ce_id").unwrap_or_default().to_owned(), payload)
}

/// Every decision once, in order; again only under its id, marked, and every one in the end.
fn dispatch(read: &[Record], expected: &Oracle, lost: &BTreeSet<Told>, complaints: &mut Vec<String>) {
    let (again, once): (Vec<&Record>, Vec<&Record>) = read.iter().partition(|record| record.header(REPEATED).is_some());
    let not_lost = expected.dispatch.iter().filter(|told| !lost.contains(told));
    let once = once.into_iter().map(told).filter(|told| !lost.contains(told));
    in_order("dispatch", once, not_lost, complaints);
    let seen: BTreeSet<Told> = read.iter().map(told).collect();
    for (id, _) in expected.dispatch.iter().filter(|told| !seen.contains(told)) {
        complaints.push(format!("dispatch: {id} was never seen"));
    }
    for told in again.into_iter().map(told).filter(|told| !expected.dispatch.contains(told)) {
        complaints.push(format!("dispatch: published again is {}, which nobody decided so", told.0));
    }
}

fn in_order<'t>(
    what: &str,
    read: impl Iterator<Item = Told>,
    expected: impl Iterator<Item = &'t Told>,
    complaints: &mut Vec<String>,
) {
    let (read, expected): (Vec<Told>, Vec<&Told>) = (read.collect(), expected.collect());
    let differ = read.iter().zip(&expected).position(|(read, expected)| read != *expected);
    let place = differ.unwrap_or(read.len().min(expected.len()));
    if differ.is_some() || read.len() != expected.len() {
        complaints.push(format!(
            "{what}: {} read, {} expected; number {place} is {:?} and should be {:?}",
            read.len(),
            expected.len(),
            read.get(place).map(|(id, _)| id),
            expected.get(place).map(|(id, _)| id)
        ));
    }
}

fn letters(read: &[Record], expected: &Oracle, may_repeat: bool, complaints: &mut Vec<String>) {
    let mut offsets: Vec<i64> =
        read.iter().filter_map(|letter| letter.header("offset").and_then(|text| text.parse().ok())).collect();
    if may_repeat {
        offsets.sort_unstable();
        offsets.dedup();
    }
    if offsets != expected.letters {
        complaints.push(format!("dead letters: {offsets:?} instead of {:?}", expected.letters));
    }
}

fn alive<'r>(records: impl Iterator<Item = &'r Record>) -> StateRecords {
    let mut state = StateRecords::new();
    for record in records {
        let key = record.key.clone().unwrap_or_default();
        match &record.value {
            Some(value) => state.insert(key, value.clone()),
            None => state.remove(&key),
        };
    }
    state
}

/// The state is the oracle's, and no larger.
fn remembered(
    state: &StateRecords,
    committed: Option<i64>,
    end: usize,
    expected: &Oracle,
    complaints: &mut Vec<String>,
) {
    let header = header::read(state).ok().flatten();
    let next = header.map(|header| header.next_offset);
    if next != committed || next != i64::try_from(end).ok() {
        complaints.push(format!("offsets: state {next:?}, group {committed:?}, end {end}"));
    }
    // How accepted signals are bundled depends on the transactions.
    let is_bundle = |key: &[u8]| key.starts_with(b"accepted/");
    let own: BTreeMap<&[u8], &[u8]> = header::of_correlator(state).filter(|(key, _)| !is_bundle(key)).collect();
    let plain = expected.state.iter().filter(|(key, _)| !is_bundle(key));
    let plain: BTreeMap<&[u8], &[u8]> = plain.map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
    if own != plain {
        let differing = own.iter().find(|(key, value)| plain.get(*key) != Some(value)).map(|(key, _)| *key);
        let missing = plain.keys().find(|key| !own.contains_key(*key)).copied();
        let name = |key: Option<&[u8]>| key.map(|key| String::from_utf8_lossy(key).into_owned());
        complaints.push(format!("state: {:?} differs, {:?} is missing", name(differing), name(missing)));
    }
    let bundles = state.keys().filter(|key| is_bundle(key)).count();
    let accepted = expected.correlator.sizes().accepted;
    if bundles > accepted {
        complaints.push(format!("state: {bundles} records of {accepted} accepted signals"));
    }
    let unseen = state.keys().filter(|key| Outbox::owns(key)).count();
    if unseen > 0 {
        complaints.push(format!("state: {unseen} records of decisions that were seen"));
    }
}

/// A correlator made of the state decides on as the oracle does.
fn goes_on(round: &Round<'_>, state: &StateRecords, expected: &mut Oracle, complaints: &mut Vec<String>) {
    let rules = &round.script.rules;
    let own = header::of_correlator(state);
    let in_force = header::read(state).ok().flatten().map(|header| header.registry).filter(|name| !name.is_empty());
    let registry =
        in_force.and_then(|name| rules.registries.find(&name).ok()).unwrap_or_else(|| rules.registry.clone());
    let restored = Correlator::restore(registry.registry, Arc::clone(&rules.policy), &Limits::default(), own);
    let mut restored = match restored {
        Ok(restored) => restored,
        Err(error) => return complaints.push(format!("state: {error}")),
    };
    let later = |correlator: &mut Correlator| {
        let mut decisions = Vec::new();
        for input in &round.script.later {
            let _: Result<(), _> = Correlator::take(correlator, input as &Input, &mut decisions);
        }
        correlator.drain(&mut decisions);
        decisions.iter().map(Decision::to_json).collect::<Vec<_>>()
    };
    if later(&mut restored) != later(&mut expected.correlator) {
        complaints.push("state: what is decided next differs".to_owned());
    }
}
