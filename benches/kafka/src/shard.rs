//! What a shard costs without a broker: a storm's records into its windows and out again as transactions that a ledger
//! forgets at once.
//!
//! What it publishes is read back at once, as the service does, so that its outbox stays small.

use std::sync::Arc;
use std::time::Instant;

use fenghuo_benches::table::Report;
use fenghuo_engine::correlate_role::ledger::{
    Committed, Ledger, Since, StateRecords, Target, Transaction, Trouble as LedgerTrouble, Visible,
};
use fenghuo_engine::correlate_role::shard::{Beginning, Incoming, Shard};
use fenghuo_engine::registries::{Registries, Version};
use fenghuo_engine::sources::Rules as Loaded;
use fenghuo_tests::trouble::Trouble;

use crate::Size;
use crate::city::City;
use crate::load::{START_MS, storm};
use crate::stand::Rules;
use crate::throughput::STORM_SHARE;

/// Records of a transaction, as many as the service takes at most.
const RECORDS: usize = 4_000;

/// So many records, of so many bytes in all.
#[derive(Default)]
struct Sum {
    records: usize,
    bytes: usize,
}

impl Sum {
    fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }

    fn shown(&self, what: &str, signals: usize) -> String {
        let each = self.records as f64 / signals as f64;
        format!("{each:.2} {what} a signal of {} bytes", self.bytes / self.records.max(1))
    }
}

/// Remembers nothing but what a reader of the dispatch topic would see.
#[derive(Default)]
struct Forgetful {
    seen: Vec<Visible>,
    decisions: Sum,
    state: Sum,
}

impl Ledger for Forgetful {
    fn fence(&mut self) -> Result<(), LedgerTrouble> {
        Ok(())
    }

    fn committed(&mut self) -> Result<Option<Committed>, LedgerTrouble> {
        Ok(None)
    }

    fn state(&mut self) -> Result<StateRecords, LedgerTrouble> {
        Ok(StateRecords::new())
    }

    fn tail(&mut self, _: &Since) -> Result<Vec<Arc<Visible>>, LedgerTrouble> {
        Ok(Vec::new())
    }

    fn commit(&mut self, transaction: &Transaction) -> Result<(), LedgerTrouble> {
        for message in &transaction.messages {
            self.decisions.add(message.payload.len());
            if message.target == Target::Dispatch {
                let id = message.header("ce_id").unwrap_or_default().to_owned();
                self.seen.push(Visible { id, payload: message.payload.clone() });
            }
        }
        for (key, value) in &transaction.state {
            self.state.add(key.len() + value.as_ref().map_or(0, Vec::len));
        }
        Ok(())
    }
}

/// The storm of the Kafka bench through one shard.
///
/// # Errors
/// A policy cannot be read, or the shard does not begin.
pub fn measure(city: &City, size: Size, report: &mut Report) -> Result<(), Trouble> {
    let count = size.records / STORM_SHARE;
    let lines: Vec<Vec<u8>> = storm(city, city.names.len(), count, START_MS).map(|line| line.bytes).collect();
    for (what, rules) in
        [("shard, storm", Rules::TwoDevices), ("shard, storm: with the neighbourhood rule", Rules::Neighbourhood)]
    {
        let registry = Version { name: "bench".into(), registry: Arc::clone(&city.registry) };
        let rules = Loaded {
            registries: Arc::new(Registries::of(vec![registry.clone()])),
            registry,
            policy: Arc::new(rules.policy()?),
            policy_text: rules.text().into(),
        };
        let began = Instant::now();
        let ledger = through(&lines, &rules).map_err(|trouble| Trouble::from(trouble.to_string()))?;
        let each_ns = began.elapsed().as_nanos() as f64 / count as f64;
        let shown = format!("{:.3} M/s, {:.1} µs a signal", 1_000.0 / each_ns, each_ns / 1_000.0);
        let beside = [ledger.decisions.shown("decisions", count), ledger.state.shown("state records", count)];
        report.row(what, "", &shown, &beside.join("; "))?;
    }
    Ok(())
}

fn through(lines: &[Vec<u8>], rules: &Loaded) -> Result<Forgetful, LedgerTrouble> {
    let beginning = Beginning {
        deployment: "bench".to_owned(),
        partitions: 1,
        partition: "signals/0".to_owned(),
        log: (0, i64::try_from(lines.len()).unwrap_or(i64::MAX)),
        accepted_gap_to: None,
        now_ms: 0,
    };
    let mut ledger = Forgetful::default();
    let mut shard = Shard::begin(&mut ledger, rules, &beginning)?;
    let mut records = (0..).zip(lines).peekable();
    while records.peek().is_some() {
        for (offset, payload) in records.by_ref().take(RECORDS) {
            shard.take(&Incoming { offset, payload, key: None });
        }
        ledger.commit(&shard.transaction(0, START_MS))?;
        ledger.seen.drain(..).for_each(|decision| shard.seen(&decision));
    }
    Ok(ledger)
}
