//! One round: a city's night lies on the raw topics, members carry it, a fault strikes amid, and all is compared.
//!
//! The night is produced as a whole before the members start: hours arrive within seconds here, and only a backlog that
//! lies there as a whole can be read side by side, as the decode role does. The fault strikes when a share of it is
//! done, not at a time, so that a repeated round is hit in about the same place.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fenghuo_city::{Channel, City, Plan, RawRecord};
use fenghuo_tests::expected::{FromRaw, FromSignals, Late, Replays};
use fenghuo_tests::stage::{Shape, Stage};
use fenghuo_tests::topics::{Isolation, Stored, consumer};
use fenghuo_tests::trouble::Trouble;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::cluster::Cluster;
use crate::crew::{Crew, Seat};
use crate::evidence;
use crate::faults::{Fault, Struck};
use crate::judge::{Examples, Expected, Found, Verdict, compare};
use crate::random::Random;
use crate::record::{Outcome, Record};
use crate::sums::{self, Sums};
use crate::watch::Watch;

/// Everything is forwarded, so that the correlate role is at work when a fault strikes it.
const SHAPE: Shape = Shape { partitions: 3, replication: 3, forward: "all" };
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long an answer on progress may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// What a round may take at least, and more for every raw record.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);
const SETTLE_PER_RECORD: Duration = Duration::from_micros(200);
/// What a transaction that a dead member left open may take to be ended by the brokers.
const OPEN_WITHIN: Duration = Duration::from_secs(25);

/// What a round is tried with.
pub struct Setting {
    /// The city and its night.
    pub plan: Plan,
    /// Who carries it.
    pub seats: Vec<Seat>,
    /// Whether they reach the brokers through the proxies.
    pub proxied: bool,
}

/// What all rounds of a run share.
pub struct Run<'c> {
    /// The cluster.
    pub cluster: &'c Cluster,
    /// Whether with the load of the long form.
    pub long: bool,
    /// When the nights begin, Unix milliseconds.
    pub start_ms: i64,
    /// How the shards treat replays of the decode role.
    pub replays: Replays,
    /// Whether somebody wants it to end.
    pub interrupted: &'c AtomicBool,
    /// Where logs and examples of failed rounds go.
    pub evidence: &'c Path,
    /// How many rounds were begun: one that is tried again has topics of its own.
    pub begun: Cell<u32>,
}

/// A round under way, as a fault sees it.
pub struct Round<'c> {
    /// The cluster.
    pub cluster: &'c Cluster,
    /// The members.
    pub crew: Crew,
    /// Chance, from the seed.
    pub random: Random,
    /// The seed itself, for what goes through a list in turn.
    pub seed: u64,
    /// Whether with the load of the long form.
    pub long: bool,
    /// What was done, what was odd.
    pub notes: Vec<String>,
    stage: Stage,
    records: usize,
    progress: Progress,
    watch: Watch,
    fault_at: Option<Instant>,
    /// Where the signals ended when every raw record had become some.
    all_signals: Option<Vec<(i64, i64)>>,
    interrupted: &'c AtomicBool,
}

impl<'c> Round<'c> {
    fn begin(run: &Run<'c>, fault: &dyn Fault, seed: u64) -> Result<(Self, City, Vec<Seat>), Trouble> {
        let cluster = run.cluster;
        let Setting { plan, seats, proxied } = fault.setting(seed, run.long);
        let city = City::new(&Plan { start_ms: run.start_ms, ..plan });
        let records: Vec<RawRecord> = city.night().collect();
        run.begun.set(run.begun.get() + 1);
        let name = format!("{}-{seed}-{}-{}", fault.name(), std::process::id(), run.begun.get());
        let members_at = if proxied { cluster.proxy.addresses() } else { cluster.brokers().to_owned() };
        let stage = Stage::set(cluster.brokers(), &members_at, &city, &name, SHAPE)?;
        stage.produce(&records)?;
        let outputs = [stage.topic("dispatch"), stage.topic("watch")];
        let watch = Watch::start(cluster.brokers(), &cluster.topics, &outputs)?;
        let progress = Progress::of(cluster.brokers(), &stage)?;
        let crew = Crew::new(stage.path().to_owned(), stage.config.clone());
        let random = Random::new(fault.name(), seed);
        let (records, notes, interrupted) = (records.len(), Vec::new(), run.interrupted);
        let long = run.long;
        let round = Self {
            cluster,
            crew,
            random,
            seed,
            long,
            notes,
            stage,
            records,
            progress,
            watch,
            fault_at: None,
            all_signals: None,
            interrupted,
        };
        Ok((round, city, seats))
    }

    /// The fault strikes now: from here on the time to the next decision counts.
    pub fn mark(&mut self) {
        self.fault_at = Some(Instant::now());
    }

    /// Lets time pass, as a supervisor would see it.
    ///
    /// # Errors
    /// A member ends again and again, or the run is interrupted.
    pub fn pause(&mut self, span: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.look()?;
            std::thread::sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Trouble> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Trouble::from("interrupted"));
        }
        self.crew.supervise()
    }

    /// Waits until this share (thousandths) of the night has become signals that were judged.
    ///
    /// # Errors
    /// It does not come to that.
    pub fn until_share(&mut self, thousandths: u64) -> Result<(), Trouble> {
        let wanted = self.records as u64 * thousandths / 1_000;
        let deadline = Instant::now() + self.patience();
        loop {
            let judged = self.progress.judged();
            if judged >= wanted {
                self.notes.push(format!("struck after {judged} signals"));
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Trouble::from(format!("only {judged} signals were judged, {wanted} wanted")));
            }
            self.pause(LOOK_EVERY)?;
        }
    }

    /// Waits until a share between a twentieth and three fifths is done, by chance.
    ///
    /// # Errors
    /// It does not come to that.
    pub fn until_any_share(&mut self) -> Result<(), Trouble> {
        let share = self.random.between(50, 600);
        self.until_share(share)
    }

    fn patience(&self) -> Duration {
        SETTLE_WITHIN + SETTLE_PER_RECORD * u32::try_from(self.records).unwrap_or(u32::MAX)
    }

    /// Whether every raw record has become signals, and every signal that was there then has been judged; not as long
    /// as no broker can tell.
    pub fn is_settled(&mut self) -> bool {
        self.behind().is_ok_and(|behind| behind.is_empty())
    }

    /// Which partitions the roles have not done yet, and how far they are.
    fn behind(&mut self) -> Result<Vec<String>, Trouble> {
        let topics = &self.cluster.topics;
        if self.all_signals.is_none() {
            let mut behind = Vec::new();
            for raw in self.stage.raw_topics() {
                let ends = topics.ends(&raw, Isolation::Uncommitted)?;
                behind.extend(not_reached(&raw, &ends, &topics.committed(&self.stage.group("decode"), &raw)?));
            }
            if !behind.is_empty() {
                return Ok(behind);
            }
        }
        // A raw record is committed once its signals are written. Where they end then is kept: ticks go on for ever.
        let signals = self.stage.topic("signals");
        if self.all_signals.is_none() {
            self.all_signals = Some(topics.ends(&signals, Isolation::Uncommitted)?);
        }
        let ends = self.all_signals.as_deref().unwrap_or_default();
        Ok(not_reached(&signals, ends, &topics.committed(&self.stage.group("correlate"), &signals)?))
    }

    fn settle(&mut self) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.patience();
        loop {
            // Brokers that are still coming back give no answer.
            let behind = self.behind();
            if behind.as_ref().is_ok_and(Vec::is_empty) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Trouble::from(format!("stuck: it does not settle: {behind:?}")));
            }
            self.pause(LOOK_EVERY * 4)?;
        }
    }

    /// Waits until no transaction is open on the topics of decisions; notes if one stays open.
    fn close_transactions(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        for topic in ["dispatch", "watch"].map(|topic| self.stage.topic(topic)) {
            while let Some((partition, at, end)) = self.open_at(&topic)? {
                if began.elapsed() > OPEN_WITHIN {
                    return Err(Trouble::from(format!(
                        "{topic}/{partition}: a transaction stays open, at {at} of {end}"
                    )));
                }
                self.pause(LOOK_EVERY * 4)?;
            }
        }
        Ok(())
    }

    /// The first partition of a topic with an open transaction: its number, where its readers stand, and its end.
    fn open_at(&self, topic: &str) -> Result<Option<(usize, i64, i64)>, Trouble> {
        let [committed, all] = [Isolation::Committed, Isolation::Uncommitted];
        let (committed, all) = (self.cluster.topics.ends(topic, committed)?, self.cluster.topics.ends(topic, all)?);
        let mut ends = committed.iter().zip(&all).enumerate();
        let open = ends.find_map(|(partition, ((_, at), (_, end)))| (at != end).then_some((partition, *at, *end)));
        Ok(open)
    }

    fn judge(
        &mut self,
        (city, replays): (&City, Replays),
        leaves_counters: bool,
        examples: &mut Examples,
    ) -> Result<Verdict, Trouble> {
        let topics = &self.cluster.topics;
        let signals_topic = self.stage.topic("signals");
        let committed = topics.committed(&self.stage.group("correlate"), &signals_topic)?;
        let of_signals = FromSignals::of(&self.stage, &topics.read(&signals_topic)?, replays);
        let due = |partition: i32, offset| {
            let at = usize::try_from(partition).ok().and_then(|partition| committed.get(partition).copied().flatten());
            at.is_some_and(|at| offset < at)
        };
        let expected: Vec<Expected> = of_signals
            .decisions
            .iter()
            .map(|one| Expected {
                json: one.decision.to_json(),
                dispatch: one.decision.is_for_dispatch(),
                due: due(one.partition, one.offset),
            })
            .collect();
        let found_on = |topic: &str, dispatch| -> Result<Vec<Found>, Trouble> {
            let text = |stored: Stored| String::from_utf8_lossy(&stored.bytes).into_owned();
            let records = topics.read(&self.stage.topic(topic))?;
            Ok(records.into_iter().map(|stored| Found { json: text(stored), dispatch }).collect())
        };
        let dispatched = found_on("dispatch", true)?;
        // Once through all of it: a storm's decisions are a gigabyte.
        let named: HashSet<&str> = dispatched.iter().flat_map(|found| buildings_of(&found.json)).collect();
        let fires = city.truth().iter().map(|fire| fire.building.as_str());
        let missed: Vec<&str> = fires.filter(|building| !named.contains(building)).collect();
        examples.0.extend(missed.iter().take(3).map(|fire| format!("missed fire: {fire}")));
        let found = [dispatched, found_on("watch", false)?].concat();
        let mut verdict = compare(&expected, &found, examples);
        verdict.fires_missed = missed.len() as u64;
        let mut of_raw = FromRaw::default();
        for channel in Channel::ALL {
            of_raw.take(channel, topics.read(&self.stage.raw_topic(channel))?);
        }
        verdict.signals_missing = of_raw.missing(&of_signals.signals, SHAPE.forward).len() as u64;
        verdict.signals_excess = of_raw.excess(&of_signals.signals).len() as u64;
        if let (true, Some(counted)) = (leaves_counters, sums::of_logs(self.stage.path())?) {
            let held = Sums {
                decisions: verdict.found,
                dispatched: found.iter().filter(|one| one.dispatch).count() as u64,
                judged: committed.iter().flatten().map(|at| at.unsigned_abs()).sum(),
                raw: self.records as u64,
                dead_letters: topics.read(&self.stage.topic("dead"))?.len() as u64,
            };
            let differences = held.differences(&counted);
            verdict.is_counted = true;
            verdict.miscounted = differences.len() as u64;
            self.notes.extend(differences);
        }
        let (records, replayed, others) = (self.records, of_signals.replays, of_signals.others);
        let (signals, dead) = (of_signals.signals.len(), of_raw.dead.len());
        self.notes.push(format!(
            "{records} records, {signals} signals, {replayed} replayed, {dead} unreadable, {others} others"
        ));
        if let Some(Late { behind_ms, source, at: (partition, offset), after }) = of_signals.latest {
            self.notes.push(format!("{source} stands {behind_ms} ms late at {partition}/{offset}, behind {after}"));
        }
        Ok(verdict)
    }

    /// Keeps what the brokers know of the first transaction that stands open, if any does.
    fn keep_open(&self, folder: &Path) -> Result<(), Trouble> {
        for topic in ["state", "dispatch", "watch"].map(|topic| self.stage.topic(topic)) {
            if let Some((partition, ..)) = self.open_at(&topic)? {
                return evidence::keep_transaction(folder, self.cluster, &topic, partition);
            }
        }
        Ok(())
    }

    /// Notes how often a member that began found transactions that did not end by themselves.
    fn note_hanging(&mut self) -> Result<(), Trouble> {
        let mut found = 0;
        for path in evidence::logs(self.stage.path())? {
            found += std::fs::read_to_string(path)?.matches("transactions stand open;").count();
        }
        self.notes.extend((found > 0).then(|| format!("{found} times transactions stood open")));
        Ok(())
    }

    fn delete_topics(&self) -> Result<(), Trouble> {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.cluster.brokers()).create()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let names = self.stage.topics();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        runtime.block_on(admin.delete_topics(&names, &AdminOptions::new()))?;
        Ok(())
    }
}

/// How far the signals are judged, also while a transaction is open: somebody's always is.
struct Progress {
    reader: BaseConsumer,
    list: TopicPartitionList,
}

impl Progress {
    fn of(brokers: &str, stage: &Stage) -> Result<Self, Trouble> {
        let reader = consumer(brokers, &stage.group("correlate"), Isolation::Uncommitted)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&stage.topic("signals"), 0, i32::try_from(SHAPE.partitions).unwrap_or(1) - 1);
        Ok(Self { reader, list })
    }

    /// How many are; none while nobody answers.
    fn judged(&self) -> u64 {
        let Ok(answer) = self.reader.committed_offsets(self.list.clone(), ANSWER_WITHIN) else { return 0 };
        let offset = |offset| if let Offset::Offset(offset) = offset { offset.unsigned_abs() } else { 0 };
        answer.elements().iter().map(|element| offset(element.offset())).sum()
    }
}

/// The partitions that hold something of which the end is not committed.
fn not_reached(topic: &str, ends: &[(i64, i64)], committed: &[Option<i64>]) -> Vec<String> {
    let partitions = ends.iter().zip(committed).enumerate();
    let behind = partitions.filter(|(_, ((low, high), at))| low < high && at.is_none_or(|at| at < *high));
    behind
        .map(|(partition, ((low, high), at))| format!("{topic}/{partition} at {} of {high}", at.unwrap_or(*low)))
        .collect()
}

/// Runs one round of a fault to its verdict; whatever goes wrong is in the record.
pub fn run_round(run: &Run<'_>, fault: &dyn Fault, seed: u64) -> Record {
    let began = Instant::now();
    let mut record = Record {
        fault: fault.name().to_owned(),
        seed,
        long: run.long,
        start_ms: run.start_ms,
        outcome: Outcome::Failed,
        verdict: Verdict::default(),
        first_decision_ms: None,
        memory_mib: 0,
        seconds: 0.0,
        notes: Vec::new(),
    };
    if let Some(reason) = fault.impossible(run.cluster) {
        record.outcome = Outcome::Skipped;
        record.notes.push(reason);
        return record;
    }
    let mut examples = Examples::default();
    match Round::begin(run, fault, seed) {
        Err(trouble) => record.notes.push(format!("it did not begin: {trouble}")),
        Ok((mut round, city, seats)) => {
            let carried = carry(&mut round, run, fault, (&city, &seats), &mut record, &mut examples);
            record.outcome = carried.unwrap_or_else(|trouble| {
                round.notes.push(trouble.to_string());
                Outcome::Failed
            });
            run.cluster.proxy.clear_up();
            let first = round.fault_at.and_then(|at| round.watch.first_after(at));
            record.first_decision_ms = first.map(|first| u64::try_from(first.as_millis()).unwrap_or(u64::MAX));
            record.memory_mib = round.crew.memory_mib;
            record.notes.append(&mut round.notes);
            record.notes.extend(round.crew.ends.iter().map(|end| format!("ended with {end}")));
            finish(run, &round, &mut record, &examples);
        }
    }
    record.seconds = began.elapsed().as_secs_f64();
    record
}

fn carry(
    round: &mut Round<'_>,
    run: &Run<'_>,
    fault: &dyn Fault,
    (city, seats): (&City, &[Seat]),
    record: &mut Record,
    examples: &mut Examples,
) -> Result<Outcome, Trouble> {
    seats.iter().try_for_each(|seat| round.crew.start(seat))?;
    let struck = fault.strike(round);
    run.cluster.proxy.clear_up();
    let struck = struck?;
    round.settle()?;
    round.crew.end_all()?;
    round.note_hanging()?;
    round.close_transactions()?;
    record.verdict = round.judge((city, run.replays), fault.leaves_counters(), examples)?;
    let complaints = record.verdict.complaints();
    round.notes.extend((!complaints.is_empty()).then(|| complaints.join(", ")));
    Ok(match struck {
        _ if !complaints.is_empty() => Outcome::Failed,
        Struck::Done if fault.leaves_counters() && !record.verdict.is_counted => {
            round.notes.push("the members' counters are not known".to_owned());
            Outcome::NotHit
        }
        Struck::Done => Outcome::Passed,
        Struck::NotHit(reason) => {
            round.notes.push(reason);
            Outcome::NotHit
        }
    })
}

/// Keeps what explains a failure, and removes what is no longer needed; trouble with either is no verdict.
fn finish(run: &Run<'_>, round: &Round<'_>, record: &mut Record, examples: &Examples) {
    if matches!(record.outcome, Outcome::Failed | Outcome::NotHit) {
        let folder = run.evidence.join(format!("{}-{}", record.fault, record.seed));
        match evidence::keep(&folder, round.stage.path(), record, examples).and_then(|()| round.keep_open(&folder)) {
            Ok(()) => record.notes.push(format!("logs and examples in {}", folder.display())),
            Err(trouble) => record.notes.push(format!("logs and examples were not kept: {trouble}")),
        }
    }
    if let Err(trouble) = round.delete_topics() {
        record.notes.push(format!("topics were not deleted: {trouble}"));
    }
}

/// The buildings that a decision's JSON names: objects that begin with their id.
fn buildings_of(json: &str) -> impl Iterator<Item = &str> {
    json.split("{\"id\":\"").skip(1).filter_map(|rest| rest.split_once('"').map(|(id, _)| id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buildings_are_found_wherever_they_stand() {
        let json = r#"{"decision":"confirmed","buildings":[{"id":"B1","name":"x"},{"id":"B22"}],"evidence":[{"device":"B3"}]}"#;
        assert_eq!(buildings_of(json).collect::<Vec<_>>(), ["B1", "B22"]);
        assert_eq!(buildings_of("{}").count(), 0);
    }
}
