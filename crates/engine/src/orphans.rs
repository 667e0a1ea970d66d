//! Partitions that the group gave to nobody, and how they find an owner.
//!
//! A handover between members takes two rounds: one gives up, then the other receives. A static member that dies in
//! between and comes back at once gets its old share without any round at all, and what it had given up belongs to
//! nobody, for as long as no other member comes or goes. Nobody would read it, and the fires there would be missed. So
//! each member looks now and then at what the group has distributed, and the one that holds the first partition of all
//! calls for another round, by leaving and joining again.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::groups::GroupList;

use crate::config::Kafka;
use crate::events::TopicPartition;
use crate::failure::Failure;
use crate::kafka::{ANSWER_WAIT, EventConsumer, ends_reader, partition_count};

/// How often the group is looked at; what nobody has at two looks in a row is an orphan.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Partitions that belong to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphans {
    /// Which.
    pub partitions: BTreeSet<TopicPartition>,
    /// The first partition that belongs to anybody: its owner is the one to act.
    pub first_owned: Option<TopicPartition>,
}

/// Looks at a group's distribution of some topics, on a thread of its own, until nobody listens any more.
///
/// # Errors
/// A client cannot be made.
pub fn watch(kafka: &Kafka, role: &str, topics: Vec<String>) -> Result<Receiver<Orphans>, Failure> {
    let reader = ends_reader(kafka)?;
    let group = format!("{}.{role}", kafka.group);
    let (tell, told) = channel();
    let look = move || {
        let mut before = BTreeSet::new();
        loop {
            thread::sleep(LOOK_EVERY);
            let now = look(&reader, &group, &topics);
            let partitions: BTreeSet<TopicPartition> =
                now.iter().flat_map(|now| now.partitions.intersection(&before)).cloned().collect();
            before = now.as_ref().map(|now| now.partitions.clone()).unwrap_or_default();
            let first_owned = now.and_then(|now| now.first_owned);
            // Also the empty news tells whether anybody listens.
            if tell.send(Orphans { partitions, first_owned }).is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name(format!("{role} orphans")).spawn(look);
    thread.map_err(|source| Failure::File { path: "thread".to_owned(), source })?;
    Ok(told)
}

/// Calls for another round where the last look found partitions that belong to nobody, if that is ours to do: the
/// member that has the first of those that belong to somebody leaves the group and joins it again, which makes the
/// group distribute everything anew.
pub fn call_for(
    found: &Receiver<Orphans>,
    consumer: &EventConsumer,
    (role, topics): (&'static str, &[String]),
    is_ours: impl Fn(&TopicPartition) -> bool,
) {
    let Some(orphans) = found.try_iter().last().filter(|orphans| !orphans.partitions.is_empty()) else { return };
    if !orphans.first_owned.as_ref().is_some_and(is_ours) {
        return;
    }
    tracing::warn!(role, partitions = ?orphans.partitions, "nobody has them; calling for another round");
    consumer.unsubscribe();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    if let Err(error) = consumer.subscribe(&topics) {
        // The next look finds the same.
        tracing::error!(%error, "the group was not joined again");
    }
}

/// What belongs to nobody now; nothing if the group is in the midst of a round, or did not answer.
fn look(reader: &EventConsumer, group: &str, topics: &[String]) -> Option<Orphans> {
    let mut all = BTreeSet::new();
    for topic in topics {
        let count = partition_count(reader, topic).ok()??;
        all.extend((0..count).map(|partition| TopicPartition { topic: topic.as_str().into(), partition }));
    }
    let owned = owned(&reader.fetch_group_list(Some(group), ANSWER_WAIT).ok()?, group)?;
    let partitions = all.difference(&owned).cloned().collect();
    Some(Orphans { partitions, first_owned: owned.into_iter().find(|owned| all.contains(owned)) })
}

/// Everything that the members of a group have; nothing if it is not at rest.
fn owned(list: &GroupList, group: &str) -> Option<BTreeSet<TopicPartition>> {
    let found = list.groups().iter().find(|found| found.name() == group && found.state() == "Stable")?;
    let assignments = found.members().iter().map(|member| read_assignment(member.assignment().unwrap_or_default()));
    Some(assignments.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Reads Kafka's ConsumerProtocolAssignment: a version (2 bytes), and topics, each with its partitions; what follows is
/// the assignor's own. Numbers are big-endian, texts begin with their length (2 bytes), lists with theirs (4).
fn read_assignment(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (_version, mut rest) = bytes.split_first_chunk::<2>()?;
    let (topics, tail) = rest.split_first_chunk::<4>()?;
    rest = tail;
    let mut partitions = Vec::new();
    for _ in 0..i32::from_be_bytes(*topics) {
        let (length, tail) = rest.split_first_chunk::<2>()?;
        let (name, tail) = tail.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
        let (number, mut tail) = tail.split_first_chunk::<4>()?;
        for _ in 0..i32::from_be_bytes(*number) {
            let (partition, after) = tail.split_first_chunk::<4>()?;
            tail = after;
            let topic = str::from_utf8(name).ok()?.into();
            partitions.push(TopicPartition { topic, partition: i32::from_be_bytes(*partition) });
        }
        rest = tail;
    }
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read() {
        let bytes = [
            &[0, 3, 0, 0, 0, 2][..],
            &[0, 2, b'r', b'x', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3],
            &[0, 1, b's', 0, 0, 0, 1, 0, 0, 0, 1],
            &[0, 0, 0, 0],
        ]
        .concat();
        let partition = |topic: &str, partition| TopicPartition { topic: topic.into(), partition };
        let expected = vec![partition("rx", 0), partition("rx", 3), partition("s", 1)];
        assert_eq!(read_assignment(&bytes), Some(expected));
        assert_eq!(read_assignment(&[]), Some(vec![]));
        for length in 1..bytes.len() - 4 {
            assert_eq!(read_assignment(&bytes[..length]), None, "{length} bytes");
        }
    }
}
