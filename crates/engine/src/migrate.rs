//! The operator's migration: after the number of partitions or a building's region has changed, each region's state is
//! put where its signals will be, with the group stopped.
//!
//! First what stands in the signals topic is taken to its end, exactly as the service would have taken it (`rest.rs`);
//! then what is to be written follows from what is kept (`plan.rs`), and one transaction writes it (`write.rs`): an
//! interrupted migration changes nothing, and a second one finds nothing left to do. Who did it, and what, stays in
//! partition 0 of the state topic, under keys that begin with `migration/`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fenghuo_model::Fault;
use rdkafka::consumer::Consumer as _;
use serde::Serialize;

use crate::config::Config;
use crate::correlate_role::header::Header;
use crate::correlate_role::kafka_ledger::KafkaLedger;
use crate::correlate_role::ledger::{Ledger as _, Trouble};
use crate::events::TopicPartition;
use crate::failure::Failure;
use crate::kafka::{ANSWER_WAIT, EventConsumer, committed, connect, ends_reader, group_reader, partition_count};
use crate::service::{Shutdown, failure_of_question};
use crate::sources::{Rules, read_files};
use crate::{correlate_role, decode_role};

pub mod plan;
mod rest;
mod write;

use plan::{Partition, Plan, RegionMove, headers, plan};

/// What the keys of the records of migrations begin with: `migration/<time>`.
pub const KEY_PREFIX: &str = "migration/";

/// A little more than the session of a member that ended without leaving.
const SESSION_WAIT: Duration = Duration::from_secs(12);

/// By whose order, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Who.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
}

/// What was found, and what was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migration {
    /// Signals and ticks that the correlate role had not taken, by partition.
    pub rest: Vec<(i32, i64)>,
    /// What is to be done, or was.
    pub plan: Plan,
}

/// The record of a migration.
#[derive(Debug, Serialize)]
struct Carried<'p> {
    by: &'p str,
    at: &'p str,
    before: i32,
    after: i32,
    regions: &'p [RegionMove],
    buildings: Vec<[&'p str; 4]>,
}

/// Clients and names that a migration needs.
struct Desk<'c> {
    config: &'c Config,
    rules: Rules,
    /// Asks and commits as the correlate role's group, and is no member of it.
    group: Arc<EventConsumer>,
    ends: Arc<EventConsumer>,
    partitions: i32,
}

/// Looks what is to be done and, with an order, does it.
///
/// # Errors
/// Members are at work, or something is in the way; nothing was migrated then.
pub fn migrate(config: &Config, order: Option<&Order>, shutdown: &Shutdown) -> Result<Migration, Failure> {
    let desk = Desk::open(config, shutdown)?;
    desk.require_nobody()?;
    let mut partitions = desk.partitions()?;
    let rest = desk.rest(&partitions)?;
    if let Some(order) = order {
        desk.fence()?;
        if !rest.is_empty() {
            let (before, _) = headers(&partitions, &config.kafka.group).map_err(refused)?;
            for (partition, _) in &rest {
                desk.take_rest(*partition, before).map_err(|trouble| failure_of_rest(config, *partition, &trouble))?;
            }
        }
        desk.require_nobody()?;
        partitions = desk.partitions()?;
        if let Some((partition, left)) = desk.rest(&partitions)?.first() {
            let reason = format!(
                "partition {partition} has {left} signals that came meanwhile: something still writes into {}; stop it",
                config.topics.signals
            );
            return Err(Failure::of_configuration("migrate", reason));
        }
        let plan = desk.plan(&partitions)?;
        if !plan.is_nothing() {
            desk.write(&plan, order)?;
        }
        return Ok(Migration { rest, plan });
    }
    Ok(Migration { rest, plan: desk.plan(&partitions)? })
}

fn refused(reasons: Vec<String>) -> Failure {
    let fault = |reason| Fault { file: "migrate".to_owned(), line: 0, reason, excerpt: None };
    Failure::Configuration(reasons.into_iter().map(fault).collect())
}

fn failure_of(config: &Config, trouble: &Trouble) -> Failure {
    let (brokers, reason) = (config.kafka.brokers.clone(), trouble.to_string());
    match trouble {
        Trouble::Refused(_) => Failure::Refused { brokers, reason },
        Trouble::Anew(_) => Failure::Client { role: "migrate", reason },
        Trouble::Gap { .. } | Trouble::Open(_) | Trouble::Unusable(_) => Failure::of_configuration("migrate", reason),
    }
}

/// What was not taken can only be taken under the registry under which it was sent.
fn failure_of_rest(config: &Config, partition: i32, trouble: &Trouble) -> Failure {
    if let Trouble::Unusable(reason) = trouble {
        let reason = format!(
            "what partition {partition} still holds cannot be taken under this registry ({reason}): run the migration once \
             under the registry as it was (--set registry=FILE), then under this one"
        );
        return Failure::of_configuration("migrate", reason);
    }
    failure_of(config, trouble)
}

impl<'c> Desk<'c> {
    fn open(config: &'c Config, shutdown: &Shutdown) -> Result<Self, Failure> {
        let files = read_files(config)?;
        let reader = connect(&config.kafka, shutdown)?;
        let rules = files.complete(config, &reader, shutdown)?;
        let (signals, state) = (&config.topics.signals, &config.topics.state);
        let (of_signals, of_state) = (count(config, &reader, signals)?, count(config, &reader, state)?);
        if of_signals != of_state {
            let (smaller, most) = if of_signals < of_state { (signals, of_state) } else { (state, of_signals) };
            let reason = format!(
                "{signals} has {of_signals} partitions and {state} {of_state}: raise the smaller one first\n  kafka-topics \
                 --bootstrap-server {} --alter --topic {smaller} --partitions {most}",
                config.kafka.brokers
            );
            return Err(Failure::of_configuration("topics", reason));
        }
        Ok(Self {
            config,
            rules,
            group: Arc::new(group_reader(&config.kafka, correlate_role::ROLE)?),
            ends: Arc::new(ends_reader(&config.kafka)?),
            partitions: of_signals,
        })
    }

    fn partition(&self, number: i32) -> TopicPartition {
        TopicPartition { topic: self.config.topics.signals.as_str().into(), partition: number }
    }

    fn ledger(&self, number: i32) -> KafkaLedger {
        let Self { config, group, ends, .. } = self;
        KafkaLedger::new(&config.kafka, &config.topics, &self.partition(number), group, ends)
    }

    /// Both groups must be at rest. Who ended without leaving is remembered for the session's time, which is waited
    /// for.
    fn require_nobody(&self) -> Result<(), Failure> {
        let began = Instant::now();
        for role in [decode_role::ROLE, correlate_role::ROLE] {
            let group = format!("{}.{role}", self.config.kafka.group);
            loop {
                let names = self.members(&group)?;
                if names.is_empty() {
                    break;
                }
                if began.elapsed() >= SESSION_WAIT {
                    let (count, names) = (names.len(), names.join(", "));
                    let reason = format!("the group {group} has {count} members ({names}): stop them all first");
                    return Err(Failure::of_configuration("migrate", reason));
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Ok(())
    }

    fn members(&self, group: &str) -> Result<Vec<String>, Failure> {
        let asked = self.ends.fetch_group_list(Some(group), ANSWER_WAIT);
        let found = asked.map_err(|error| failure_of_question(self.config, group, &error))?;
        let members =
            found.groups().iter().filter(|found| found.name() == group).flat_map(rdkafka::groups::GroupInfo::members);
        Ok(members.map(|member| format!("{} at {}", member.client_id(), member.client_host())).collect())
    }

    /// What every partition keeps.
    fn partitions(&self) -> Result<Vec<Partition>, Failure> {
        let one = |number| {
            let records = self.ledger(number).state().map_err(|trouble| failure_of(self.config, &trouble))?;
            let topic = &self.config.topics.signals;
            let log = self.ends.fetch_watermarks(topic, number, ANSWER_WAIT);
            Ok(Partition { records, log: log.map_err(|error| failure_of_question(self.config, topic, &error))? })
        };
        (0..self.partitions).map(one).collect()
    }

    /// How many signals of which partition were not taken; what stands in partitions that were added is taken later.
    fn rest(&self, partitions: &[Partition]) -> Result<Vec<(i32, i64)>, Failure> {
        let (_, headers) = headers(partitions, &self.config.kafka.group).map_err(refused)?;
        let left = |(number, (partition, header)): (i32, (&Partition, &Option<Header>))| {
            let left = partition.log.1 - header.as_ref()?.next_offset;
            (left != 0).then_some((number, left))
        };
        Ok((0..).zip(partitions.iter().zip(&headers)).filter_map(left).collect())
    }

    /// From now on nobody who began before writes into any partition.
    fn fence(&self) -> Result<(), Failure> {
        for number in 0..self.partitions {
            self.ledger(number).fence().map_err(|trouble| failure_of(self.config, &trouble))?;
        }
        Ok(())
    }

    fn plan(&self, partitions: &[Partition]) -> Result<Plan, Failure> {
        let group = &self.config.kafka.group;
        plan(partitions, &self.rules.registry, group, &self.forwarded()?).map_err(refused)
    }

    /// Of every raw partition, the offset before which the decode role sends nothing again.
    fn forwarded(&self) -> Result<BTreeMap<(String, i32), i64>, Failure> {
        let reader = group_reader(&self.config.kafka, decode_role::ROLE)?;
        let mut forwarded = BTreeMap::new();
        for raw in &self.config.raw {
            let asked = |error| failure_of_question(self.config, &raw.topic, &error);
            let count = partition_count(&reader, &raw.topic).map_err(asked)?.unwrap_or(0);
            let all: Vec<TopicPartition> =
                (0..count).map(|partition| TopicPartition { topic: raw.topic.as_str().into(), partition }).collect();
            for (partition, known) in committed(&reader, &all).map_err(asked)? {
                forwarded.insert((raw.topic.clone(), partition.partition), known.position.offset);
            }
        }
        Ok(forwarded)
    }
}

fn count(config: &Config, reader: &EventConsumer, topic: &str) -> Result<i32, Failure> {
    let count = partition_count(reader, topic).map_err(|error| failure_of_question(config, topic, &error))?;
    count.ok_or_else(|| Failure::of_configuration("topics", format!("there is no topic {topic:?}")))
}
