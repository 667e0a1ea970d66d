//! What a migration writes: a function of what the partitions keep, the registry and what the decode role has done.

use std::collections::BTreeMap;

use fenghuo_correlate::state::{Moved, Part, Regrouped, regroup};
use serde::Serialize;

use crate::attempts;
use crate::correlate_role::header::{self, Header, of_correlator};
use crate::correlate_role::ledger::StateRecords;
use crate::correlate_role::replays::{Mark, lowest};
use crate::partitioner::partition_of;
use crate::registries::Version;

/// What a partition keeps, and where its log is.
#[derive(Debug, Clone, Default)]
pub struct Partition {
    /// The records of the state topic.
    pub records: StateRecords,
    /// The first offset of the signals partition, and the one after its last.
    pub log: (i64, i64),
}

/// A region that another partition takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionMove {
    /// Its name.
    pub region: String,
    /// The partition that had it.
    pub from: i32,
    /// The partition that has it from now on.
    pub to: i32,
    /// How many records of state that is.
    pub records: usize,
}

/// A record of state that is another one now, or gone, in a partition.
pub type Write = (i32, Vec<u8>, Option<Vec<u8>>);

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The number of partitions that the state was written for.
    pub before: i32,
    /// The number that there is.
    pub after: i32,
    /// Regions that other partitions take over.
    pub regions: Vec<RegionMove>,
    /// Buildings whose open incidents go to other regions.
    pub buildings: Vec<Moved>,
    /// Incidents of which another one of the same building goes on; see [`Regrouped::doubled`].
    pub doubled: Vec<String>,
    /// Regions of which nothing is kept.
    pub gone: Vec<String>,
    /// What is written; nothing if all is as it must be.
    pub writes: Vec<Write>,
    /// The offset of the next signal of every partition.
    pub next_offsets: Vec<i64>,
}

impl Plan {
    /// Whether all is as it must be.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.writes.is_empty()
    }
}

/// The headers of the partitions that have one, and the number of partitions for which they were written.
///
/// # Errors
/// They contradict each other, or nothing was ever written.
pub fn headers(partitions: &[Partition], deployment: &str) -> Result<(i32, Vec<Option<Header>>), Vec<String>> {
    let read = |partition: &Partition| header::read(&partition.records).map_err(|error| vec![error.to_string()]);
    let headers = partitions.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = headers.first().and_then(Option::as_ref) else {
        return Err(vec![
            "partition 0 of the state topic holds no state: the group never ran, and there is nothing \
                         to migrate"
                .to_owned(),
        ]);
    };
    let mut faults = Vec::new();
    for (number, header) in (0..).zip(&headers) {
        match header {
            Some(header) if header.deployment != deployment => {
                let group = &header.deployment;
                faults.push(format!("the state of partition {number} belongs to the group {group:?}"));
            }
            Some(header) if header.partitions != first.partitions => faults.push(format!(
                "the state of partition {number} was written for {} partitions, that of partition 0 for {}",
                header.partitions, first.partitions
            )),
            Some(header) if header.policy != first.policy => faults.push(format!(
                "partition {number} has another policy in force than partition 0: start the service as it was, run \
                 `fenghuo apply`, stop it, and migrate then"
            )),
            None if number < first.partitions => {
                faults.push(format!("partition {number} has no state: bring the state topic back"));
            }
            _ => {}
        }
    }
    if faults.is_empty() { Ok((first.partitions, headers)) } else { Err(faults) }
}

/// What is to be done so that each region's records stand in the partition of its signals; `forwarded` is, of every raw
/// partition, the offset before which the decode role sends nothing again.
///
/// # Errors
/// Everything that is in the way.
pub fn plan(
    partitions: &[Partition],
    registry: &Version,
    deployment: &str,
    forwarded: &BTreeMap<(String, i32), i64>,
) -> Result<Plan, Vec<String>> {
    let (before, headers) = headers(partitions, deployment)?;
    let after = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
    let kept: Vec<Part<'_>> = (0..).zip(partitions).map(|(number, partition)| part(number, partition)).collect();
    let home = |region: &str| partition_of(region, before);
    let said = |faults: Vec<_>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    let regrouped = regroup(&registry.registry, home, &kept).map_err(said)?;
    let mut target: Vec<BTreeMap<&[u8], &[u8]>> = vec![BTreeMap::new(); partitions.len()];
    let mut regions = Vec::new();
    for (region, records) in &regrouped.regions {
        let (from, to) = (home(region), partition_of(region, after));
        if from != to {
            regions.push(RegionMove { region: region.clone(), from, to, records: records.len() });
        }
        if let Some(place) = usize::try_from(to).ok().and_then(|to| target.get_mut(to)) {
            place.extend(records.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
        }
    }
    let mut writes: Vec<Write> = Vec::new();
    for (part, target) in kept.iter().zip(&target) {
        let existing: BTreeMap<&[u8], &[u8]> = part.records.iter().copied().collect();
        let other = target.iter().filter(|(key, value)| existing.get(*key) != Some(value));
        writes.extend(other.map(|(key, value)| (part.number, key.to_vec(), Some(value.to_vec()))));
        let is_lone = |key: &[u8]| regrouped.lone.contains(&(part.number, key.to_vec()));
        let left = existing.keys().filter(|key| !target.contains_key(*key) && !is_lone(key));
        writes.extend(left.map(|key| (part.number, key.to_vec(), None)));
    }
    let next_offsets: Vec<i64> = partitions
        .iter()
        .zip(&headers)
        .map(|(partition, header)| header.as_ref().map_or(partition.log.0, |header| header.next_offset))
        .collect();
    let names_another = |header: &Header| !header.registry.is_empty() && *header.registry != *registry.name;
    if !writes.is_empty() || before != after || headers.iter().flatten().any(names_another) {
        writes.extend(new_headers(partitions, &headers, &next_offsets, (registry, forwarded)));
    }
    let Regrouped { moved: buildings, doubled, gone, .. } = regrouped;
    Ok(Plan { before, after, regions, buildings, doubled, gone, writes, next_offsets })
}

/// The records of a partition that are the regions' own.
fn part(number: i32, partition: &Partition) -> Part<'_> {
    let records = of_correlator(&partition.records).filter(|(key, _)| *key != b"counters");
    Part { number, records: records.collect() }
}

/// A header for every partition; what was written of attempts at it means nothing any more.
fn new_headers(
    partitions: &[Partition],
    headers: &[Option<Header>],
    next_offsets: &[i64],
    (registry, forwarded): (&Version, &BTreeMap<(String, i32), i64>),
) -> Vec<Write> {
    let known: Vec<&Header> = headers.iter().flatten().collect();
    let Some(first) = known.first() else { return Vec::new() };
    let header = Header {
        deployment: first.deployment.clone(),
        partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
        next_offset: 0,
        written_ms: known.iter().map(|header| header.written_ms).max().unwrap_or(0),
        marks: marks(&known, forwarded),
        policy: first.policy.clone(),
        registry: if known.iter().all(|header| header.registry.is_empty()) {
            String::new()
        } else {
            registry.name.to_string()
        },
    };
    let mut writes = Vec::new();
    for ((number, partition), next_offset) in (0..).zip(partitions).zip(next_offsets) {
        let (key, value) = Header { next_offset: *next_offset, ..header.clone() }.record();
        writes.push((number, key, value));
        if partition.records.contains_key(attempts::KEY) {
            writes.push((number, attempts::KEY.to_vec(), None));
        }
    }
    writes
}

/// The marks that hold in every partition, whichever regions it has from now on: what lies at or below them was taken
/// wherever it belonged.
fn marks(headers: &[&Header], forwarded: &BTreeMap<(String, i32), i64>) -> Vec<(String, i32, Mark)> {
    let mut all: BTreeMap<(&str, i32), Vec<Mark>> = BTreeMap::new();
    for (topic, partition, mark) in headers.iter().flat_map(|header| &header.marks) {
        all.entry((topic, *partition)).or_default().push(*mark);
    }
    let one = |((topic, partition), marks): ((&str, i32), Vec<Mark>)| {
        let forwarded = forwarded.get(&(topic.to_owned(), partition)).copied();
        let mark = lowest(&marks, marks.len() == headers.len(), forwarded)?;
        Some((topic.to_owned(), partition, mark))
    };
    all.into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CITY: &str = "{\"type\":\"building\",\"id\":\"B1\",\"lon\":113.75,\"lat\":23.02,\"region\":\"r\"}\n";

    fn registry() -> Version {
        Version::read("registry", CITY.as_bytes()).unwrap()
    }

    fn header() -> Header {
        Header {
            deployment: "town".to_owned(),
            partitions: 2,
            next_offset: 5,
            written_ms: 1,
            marks: Vec::new(),
            policy: String::new(),
            registry: String::new(),
        }
    }

    fn kept(headers: impl IntoIterator<Item = Option<Header>>) -> Vec<Partition> {
        let record = |header: Header| {
            let (key, value) = header.record();
            (key, value.unwrap())
        };
        let one = |header: Option<Header>| Partition { records: header.map(record).into_iter().collect(), log: (0, 5) };
        headers.into_iter().map(one).collect()
    }

    fn plan_of(headers: impl IntoIterator<Item = Option<Header>>) -> Result<Plan, Vec<String>> {
        plan(&kept(headers), &registry(), "town", &BTreeMap::new())
    }

    /// The headers that a plan writes, by partition.
    fn written(plan: &Plan) -> Vec<(i32, Header)> {
        let records = plan.writes.iter().filter(|(_, key, _)| key == header::KEY);
        let read = |(number, key, value): &Write| {
            let records = StateRecords::from([(key.clone(), value.clone().unwrap())]);
            (*number, header::read(&records).unwrap().unwrap())
        };
        records.map(read).collect()
    }

    #[test]
    fn what_is_as_it_must_be_is_left_alone() {
        let in_force = Header { registry: registry().name.to_string(), ..header() };
        for header in [header(), in_force] {
            let plan = plan_of([Some(header.clone()), Some(header)]).unwrap();
            assert!(plan.is_nothing(), "{plan:?}");
            assert_eq!(plan.next_offsets, [5, 5]);
        }
    }

    #[test]
    fn every_partition_names_the_registry_under_which_it_goes_on() {
        let before = Header { registry: "0123456789abcdef".to_owned(), ..header() };
        let plan = plan_of([Some(before.clone()), Some(before)]).unwrap();
        let now = Header { registry: registry().name.to_string(), ..header() };
        assert_eq!(written(&plan), [(0, now.clone()), (1, now)]);
    }

    #[test]
    fn a_partition_that_was_added_gets_a_header_and_begins_where_its_log_does() {
        let plan = plan_of([Some(header()), Some(header()), None]).unwrap();
        let headers = written(&plan);
        assert_eq!((plan.before, plan.after, headers.len()), (2, 3, 3));
        assert!(headers.iter().all(|(_, header)| header.partitions == 3));
        assert_eq!(plan.next_offsets, [5, 5, 0]);
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let other = |change: fn(&mut Header)| {
            let mut header = header();
            change(&mut header);
            Some(header)
        };
        for (headers, reason) in [
            (vec![None, None], "the group never ran"),
            (vec![Some(header()), None], "partition 1 has no state"),
            (
                vec![Some(header()), other(|header| header.deployment = "village".into())],
                "belongs to the group \"village\"",
            ),
            (vec![Some(header()), other(|header| header.partitions = 7)], "was written for 7 partitions"),
            (vec![Some(header()), other(|header| header.policy = "[clock]".into())], "another policy in force"),
        ] {
            let faults = plan_of(headers).unwrap_err().join("\n");
            assert!(faults.contains(reason), "{faults:?} instead of {reason:?}");
        }
    }
}
