//! The change filter: what devices say all day ends here, and the stream by region is a hundredth of what comes in.
//!
//! Pure, with the record's time as an argument. It may hold back only what decisions cannot depend on: to the
//! correlator, signals of the kinds below move their region's clock and do nothing else, and the ticks, which are
//! records of the signals topic too, move that within about a second (`passage.rs`). A property test here holds that
//! the decisions are those of a tick in each such signal's place. Never held back are fire, prealarm, confirm, clear,
//! acknowledge, isolate, isolate_restore and restore: of a restore or isolation a later one may be of an earlier time.
//!
//! - A heartbeat or reading is always held back.
//! - A state is held back if it repeats what its device last said of the same aspect (faults; the connection; each
//!   other kind is one of its own) in the same words, and that was forwarded less than [`AGAIN_AFTER_MS`] of record
//!   time ago.
//!
//! The memory belongs to one assignment of one raw partition: a partition that is begun again, after a revocation or
//! because something could not be delivered, begins with none, and what is not known is forwarded.

use std::hash::{BuildHasher, Hash, Hasher};

use fenghuo_model::{Kind, Signal};
use hashbrown::HashTable;

/// How long a state that does not change is held back: downstream it is seen to last.
pub const AGAIN_AFTER_MS: i64 = 3_600_000;

/// How many states a partition remembers; a city of five million devices on 16 partitions has a third of them.
const MOST_STATES: usize = 1_000_000;

/// What a signal may speak of, as far as one may replace another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Aspect {
    /// Whether it is faulty.
    Fault,
    /// Whether it is reachable.
    Connection,
    /// Whatever else it reports; nothing takes it back.
    Report(Kind),
}

/// How signals of a kind are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Forward,
    HoldBack,
    OnChange(Aspect),
}

const fn treatment(kind: Kind) -> Treatment {
    match kind {
        Kind::Fire
        | Kind::Prealarm
        | Kind::Confirm
        | Kind::Clear
        | Kind::Acknowledge
        | Kind::Isolate
        | Kind::IsolateRestore
        | Kind::Restore => Treatment::Forward,
        Kind::Heartbeat | Kind::Reading => Treatment::HoldBack,
        Kind::Fault | Kind::FaultRestore => Treatment::OnChange(Aspect::Fault),
        Kind::Offline | Kind::Online => Treatment::OnChange(Aspect::Connection),
        Kind::Test | Kind::Silence | Kind::Supervisory | Kind::Tamper | Kind::LowBattery => {
            Treatment::OnChange(Aspect::Report(kind))
        }
    }
}

/// The state that was forwarded last of one device and aspect. Both are known by 64-bit hashes alone: that one of five
/// million devices is taken for another happens in one city of a million.
#[derive(Debug, Clone, Copy)]
struct State {
    whose: u64,
    what: u64,
    forwarded_ms: i64,
}

/// What one raw partition forwarded.
#[derive(Debug, Default)]
pub struct Changes {
    states: HashTable<State>,
    hasher: foldhash::quality::RandomState,
}

impl Changes {
    /// Whether a signal says something that is to be forwarded, at that time of its record, Unix milliseconds; if so,
    /// it counts as forwarded.
    pub fn admit(&mut self, signal: &Signal, record_ms: i64) -> bool {
        let aspect = match treatment(signal.kind) {
            Treatment::Forward => return true,
            Treatment::HoldBack => return false,
            Treatment::OnChange(aspect) => aspect,
        };
        let said = State {
            whose: self.hasher.hash_one((&signal.device, aspect)),
            what: self.words(signal),
            forwarded_ms: record_ms,
        };
        if let Some(known) = self.states.find_mut(said.whose, |known| known.whose == said.whose) {
            // Records of one partition may lie in disorder: what was forwarded later counts too.
            let is_recent = (record_ms - known.forwarded_ms).abs() < AGAIN_AFTER_MS;
            if known.what == said.what && is_recent {
                return false;
            }
            *known = said;
            return true;
        }
        if self.states.len() >= MOST_STATES {
            self.forget(record_ms);
        }
        self.states.insert_unique(said.whose, said, |known| known.whose);
        true
    }

    /// All that a signal says but when, which of its numbered statements, and where it came from.
    fn words(&self, signal: &Signal) -> u64 {
        let Signal { kind, sensor, building, location, unit, text, test, by, cause, value, .. } = signal;
        let mut words = self.hasher.build_hasher();
        (kind, sensor, building, location, unit, text, test, by, cause).hash(&mut words);
        value.as_ref().map(ToString::to_string).hash(&mut words);
        words.finish()
    }

    /// Makes room: what is due to be forwarded again anyway, or, if that is little, everything.
    fn forget(&mut self, record_ms: i64) {
        self.states.retain(|known| (record_ms - known.forwarded_ms).abs() < AGAIN_AFTER_MS);
        if self.states.len() > MOST_STATES / 2 {
            self.states.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fenghuo_correlate::Correlator;
    use fenghuo_model::{Input, Policy, Registry, Tick};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// Device, kind, text, minutes of record time, and whether it is forwarded.
    type Row = (&'static str, Kind, &'static str, i64, bool);

    #[test]
    fn changes_are_forwarded_and_nothing_that_repeats() {
        let rows: [(&str, &[Row]); 5] = [
            ("signs of life", &[("a", Kind::Heartbeat, "", 0, false), ("a", Kind::Reading, "", 1, false)]),
            (
                "faults come and go",
                &[
                    ("a", Kind::FaultRestore, "", 0, true),
                    ("a", Kind::FaultRestore, "", 1, false),
                    ("a", Kind::Fault, "", 2, true),
                    ("a", Kind::Fault, "", 3, false),
                    ("a", Kind::FaultRestore, "", 4, true),
                ],
            ),
            (
                "of each device and aspect",
                &[
                    ("a", Kind::Fault, "", 0, true),
                    ("b", Kind::Fault, "", 0, true),
                    ("a", Kind::Offline, "", 0, true),
                    ("a", Kind::Tamper, "", 0, true),
                    ("a", Kind::LowBattery, "", 0, true),
                    ("a", Kind::Tamper, "", 1, false),
                    ("a", Kind::Online, "", 1, true),
                    ("a", Kind::Fault, "", 1, false),
                ],
            ),
            ("other words", &[("a", Kind::Fault, "mains", 0, true), ("a", Kind::Fault, "battery", 1, true)]),
            (
                "now and then again",
                &[
                    ("a", Kind::Fault, "", 0, true),
                    ("a", Kind::Fault, "", 59, false),
                    ("a", Kind::Fault, "", 60, true),
                    ("a", Kind::Fault, "", 61, false),
                    ("a", Kind::Fault, "", 0, true),
                ],
            ),
        ];
        for (what, rows) in rows {
            let mut changes = Changes::default();
            for (number, (device, kind, text, minute, expected)) in rows.iter().enumerate() {
                let mut signal = Signal::new(*device, *kind);
                signal.text = (!text.is_empty()).then(|| (*text).to_owned());
                (signal.id, signal.at_ms) = (Some(number.to_string()), Some(minute * 60_000));
                assert_eq!(changes.admit(&signal, minute * 60_000), *expected, "{what}, row {number}");
            }
        }
    }

    #[test]
    fn what_decisions_may_depend_on_is_forwarded_each_time() {
        let mut changes = Changes::default();
        for kind in Kind::ALL {
            let admitted = [0, 0, 1].map(|record_ms| changes.admit(&Signal::new("a", *kind), record_ms));
            let is_harmless =
                !matches!(kind, Kind::Fire | Kind::Prealarm | Kind::Restore | Kind::Isolate | Kind::IsolateRestore)
                    && !kind.is_by_people();
            assert_eq!(admitted, [!kind.is_sign_of_life(), !is_harmless, !is_harmless], "{kind}");
        }
    }

    #[test]
    fn what_it_remembers_is_limited() {
        let mut changes = Changes::default();
        for number in 0..=MOST_STATES {
            assert!(changes.admit(&Signal::new(number.to_string(), Kind::Fault), 0));
        }
        assert_eq!(changes.states.len(), 1, "all at once, and the one after them");
    }

    const REGISTRY: &str = r#"{"type":"building","id":"B0","lon":113.75,"lat":23.02,"region":"r"}
{"type":"building","id":"B1","lon":113.7505,"lat":23.02,"region":"r"}
{"type":"building","id":"B2","lon":113.7508,"lat":23.02,"region":"r"}
{"type":"building","id":"B3","lon":113.75,"lat":23.02,"region":"other"}
{"type":"device","id":"D0","building":"B0","sensor":"smoke","location":"1"}
{"type":"device","id":"D1","building":"B0","sensor":"heat","location":"2","address":"p"}
{"type":"device","id":"D2","building":"B1","sensor":"smoke"}
{"type":"device","id":"D3","building":"B2","sensor":"smoke"}
{"type":"device","id":"D4","building":"B3","sensor":"smoke"}"#;

    fn signals() -> impl Strategy<Value = Vec<Signal>> {
        let device = prop::sample::select(vec!["D0", "D1", "D2", "D3", "D4", "p:1", "nobody"]);
        let kinds =
            prop_oneof![2 => prop::sample::select(Kind::ALL), 1 => Just(Kind::Fire), 1 => Just(Kind::Heartbeat)];
        let building = prop::option::of(prop::sample::select(vec!["B0", "B1", "B9"]));
        let one = (device, kinds, building, 0..40_000_i64, -3_000..90_000_i64, prop::bool::weighted(0.1), 0..4_u8);
        prop::collection::vec(one, 1..60).prop_map(|steps| {
            let mut now_ms = 1_795_312_682_000;
            let signal =
                |(device, kind, building, after_ms, late_ms, test, id): (&str, Kind, Option<&str>, _, _, _, u8)| {
                    now_ms += after_ms;
                    let mut signal = Signal::new(device, kind);
                    signal.received_at_ms = Some(now_ms);
                    signal.at_ms = Some(now_ms - late_ms);
                    signal.building = building.map(str::to_owned);
                    signal.test = test;
                    signal.id = (id == 0).then(|| "7".to_owned());
                    signal
                };
            steps.into_iter().map(signal).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2_000, rng_seed: RngSeed::Fixed(99), failure_persistence: None, ..ProptestConfig::default()
        })]

        /// The promise of this module: a tick in the place of what is held back, and no decision differs.
        #[test]
        fn decisions_are_those_of_a_tick_in_its_place(signals in signals(), prealarms in any::<bool>()) {
            let registry = Arc::new(Registry::from_json_lines("r", REGISTRY.as_bytes()).unwrap());
            let kinds = if prealarms { "kinds = [\"fire\", \"prealarm\"]\n" } else { "" };
            let near = "[[rule]]\nid = \"near\"\nwindow = \"180s\"\nradius_m = 150.0\nmin_buildings = 2\n";
            let text = format!("[[rule]]\nid = \"two\"\nwindow = \"120s\"\nmin_locations = 2\n{kinds}{near}");
            let policy = Arc::new(Policy::from_toml("p", &text).unwrap());
            let decided = |inputs: &mut dyn Iterator<Item = Input>| {
                let mut correlator = Correlator::new(Arc::clone(&registry), Arc::clone(&policy));
                let mut decisions = Vec::new();
                for input in inputs {
                    let _ = correlator.take(&input, &mut decisions);
                }
                correlator.drain(&mut decisions);
                decisions.iter().map(fenghuo_model::Decision::to_json).collect::<Vec<_>>()
            };
            let all = decided(&mut signals.iter().cloned().map(|signal| Input::Signal(Box::new(signal))));
            let mut changes = Changes::default();
            let filtered = decided(&mut signals.iter().filter_map(|signal| {
                let at_ms = signal.received_at_ms?;
                if changes.admit(signal, at_ms) {
                    return Some(Input::Signal(Box::new(signal.clone())));
                }
                let device = registry.device_by_name(&signal.device);
                let (building, _) = registry.building_of(signal, device)?;
                Some(Input::Tick(Tick { at_ms, region: Some(registry.region_of(building).to_string()) }))
            }));
            prop_assert_eq!(all, filtered);
        }
    }
}
