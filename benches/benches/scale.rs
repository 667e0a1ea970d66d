//! A whole city in memory: how fast signals become decisions at its size, beside the machine's floor and alternatives.
//!
//! `benches/README.md` says what each line means. A program of its own rather than criterion, for one pass takes
//! seconds, and a table is wanted; five runs each (`FENGHUO_BENCH_RUNS`), median and spread.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use fenghuo_benches::load::{as_inputs, device_names, mix, registry_text, repeating, scale, storm};
use fenghuo_benches::table::{Report, Took, took};
use fenghuo_benches::{Fingerprint, decode_into, floor};
use fenghuo_city::{Channel, City, Plan, RawRecord};
use fenghuo_correlate::Correlator;
use fenghuo_decode::{Decoded, Record, signs_of_life};
use fenghuo_model::signal::PlainSignal;
use fenghuo_model::{Decision, Input, Policy, Registry, Signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How large, how often.
struct Size {
    buildings: u32,
    signals: usize,
    runs: usize,
}

impl Size {
    /// The size that the environment asks for; in a test run a village.
    fn asked() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
        let small = std::env::args().any(|argument| argument == "--test");
        let of = |name, usual, tried| number(name).unwrap_or(if small { tried } else { usual });
        Self {
            buildings: of("FENGHUO_BENCH_BUILDINGS", 1_000_000, 500),
            signals: of("FENGHUO_BENCH_SIGNALS", 2_000_000, 2_000) as usize,
            runs: of("FENGHUO_BENCH_RUNS", 5, 1).max(1) as usize,
        }
    }
}

/// What all lines are measured with.
struct Bench {
    size: Size,
    policy: Arc<Policy>,
    report: Report,
}

/// A part of the table.
type Part = fn(&mut Bench) -> io::Result<()>;

/// All parts, by the names under which they can be asked for.
const PARTS: [(&str, Part); 6] = [
    ("registry", Bench::registry),
    ("decoded", Bench::decoded_signals),
    ("bytes", Bench::bytes),
    ("decoding", Bench::decoding),
    ("windows", Bench::alternatives),
    ("growth", Bench::growth),
];

fn main() -> io::Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    let parts: Vec<Part> = PARTS.iter().filter(|(name, _)| is_asked(name)).map(|(_, part)| *part).collect();
    if parts.is_empty() {
        // Not an error: cargo hands a filter that is meant for one bench to all of them.
        let names = PARTS.map(|(name, _)| name);
        return writeln!(io::stderr(), "scale: nothing is called {asked:?}; its parts are {names:?}");
    }
    let mut bench = Bench { size: Size::asked(), policy: Arc::new(Policy::default()), report: Report::default() };
    parts.into_iter().try_for_each(|part| part(&mut bench))?;
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")), PathBuf::from);
    bench.report.write(&folder.join("benches"))
}

/// Resident memory of this process, bytes; nothing where the system does not say.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok()?;
    Some(pages * 4_096)
}

/// Processor time of this process so far, seconds: what a shared machine does not blur. Nothing where the system does
/// not say.
fn processor_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name in brackets the fields count from the third; 14 and 15 are ours and the system's, in hundredths.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let hundredths = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(hundredths / 100.0)
}

/// After so many inputs whoever publishes decisions is done with them.
const BATCH: usize = 1_024;

/// All inputs through a correlator, batch by batch; draining is not part of it. What a batch decided is dropped before
/// the next, as whoever publishes it does: to keep it all would measure how fast the system hands out memory.
fn correlate(mut correlator: Correlator, inputs: &[Input]) -> Correlator {
    let mut decisions = Vec::new();
    for batch in inputs.chunks(BATCH) {
        // A rejected signal is counted by the correlator.
        correlator.take_all(black_box(batch), &mut decisions, |_, _, _| {});
        black_box(&mut decisions).clear();
    }
    correlator
}

impl Bench {
    fn fresh(&self, registry: &Arc<Registry>) -> Correlator {
        let correlator = Correlator::new(Arc::clone(registry), Arc::clone(&self.policy));
        // Whose panel is whose is settled when it is first asked; a service that runs knows it.
        let _ = registry.panel_of(0);
        correlator
    }

    /// Loading the registry, and what it keeps in memory.
    fn registry(&mut self) -> io::Result<()> {
        let text = registry_text(self.size.buildings);
        let before = resident();
        let (mut loaded, processor_before) = (None, processor_s());
        let took = took(1, 1, || (), |()| loaded = Registry::from_json_lines("city", text.as_bytes()).ok());
        let processor = processor_before.zip(processor_s()).map(|(before, after)| after - before);
        let Some(registry) = loaded else { return Err(io::Error::other("the city's registry has faults")) };
        let devices = registry.devices().len();
        let ids = |registry: &Registry| -> usize {
            let texts = registry
                .devices()
                .map(|device| device.id.len() + device.address.as_ref().map_or(0, |address| address.len()));
            texts.sum()
        };
        let bytes = before.zip(resident()).map(|(before, after)| after.saturating_sub(before) as f64 / devices as f64);
        let own = ids(&registry) as f64 / devices as f64;
        let processor = processor.map_or(String::new(), |seconds| format!(", {seconds:.1} s of processor time"));
        let shown = format!("{:.1} s for {devices} devices{processor}", took.each_ns / 1e9);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let beside = format!("{} MB of JSON, {cores} cores", text.len() / 1_000_000);
        self.report.row("registry: load from JSON Lines", "≤ 8 s on two cores", &shown, &beside)?;
        let shown = bytes.map_or("not known on this system".to_owned(), |bytes| format!("{:.0} bytes", bytes - own));
        let beside = format!("all of it, buildings too; the ids and addresses are {own:.0} bytes more");
        self.report.row("registry: resident per device beyond the ids' text", "≤ 100 bytes", &shown, &beside)?;
        self.snapshot(&registry)
    }

    /// The same from its snapshot.
    fn snapshot(&mut self, registry: &Registry) -> io::Result<()> {
        let mut bytes = Vec::new();
        let written = std::time::Instant::now();
        registry.write_snapshot("bench", &mut bytes)?;
        let written = written.elapsed().as_secs_f64();
        let read = took(
            1,
            1,
            || (),
            |()| {
                black_box(Registry::from_snapshot(black_box(&bytes)).is_ok());
            },
        );
        let shown = format!("{:.1} s", read.each_ns / 1e9);
        let beside = format!("{} MB, one core; written in {written:.1} s", bytes.len() / 1_000_000);
        self.report.row("registry: load from its snapshot", "", &shown, &beside)
    }

    /// Decoded signals over the whole city, and in one village.
    fn decoded_signals(&mut self) -> io::Result<()> {
        let Size { buildings, signals: count, runs } = self.size;
        let (registry, names) = scale(buildings);
        let (mut table, places) = floor::floor_table(names.len(), count);
        let floor = took(runs, count, || (), |()| floor::touch(&mut table, black_box(&places)));
        drop(table);
        self.report.row(
            "the floor: one random read and write a signal",
            "",
            &floor.shown(),
            "64-byte rows, no waits",
        )?;
        let village = &names[..names.len().min(5_000)];
        let rows: [(&str, &str, Vec<Signal>); 4] = [
            ("decoded: city mix, 1 alarm in 1,000", "≥ 12 M/s, ≤ 2.5 × floor", mix(&names, count, 1)),
            ("decoded: city mix, 1 alarm in 100", "", mix(&names, count, 10)),
            ("decoded: storm over the city", "≥ 2 M/s", storm(&names, count / 10)),
            ("decoded: storm in a village, repeating", "≥ 3 M/s", repeating(village, count)),
        ];
        for (what, goal, signals) in rows {
            let inputs = as_inputs(signals);
            let runs = if inputs.len() < count { 1 } else { runs };
            let took = took(runs, inputs.len(), || self.fresh(&registry), |correlator| correlate(correlator, &inputs));
            let beside = self.decisions(&registry, &inputs, Some(floor));
            self.report.row(what, goal, &took.shown(), &beside)?;
        }
        Ok(())
    }

    /// How many decisions, their hash, and how that compares with the floor.
    fn decisions(&self, registry: &Arc<Registry>, inputs: &[Input], floor: Option<Took>) -> String {
        let mut fingerprint = Fingerprint::default();
        let mut correlator = self.fresh(registry);
        let mut decisions = Vec::new();
        let mut count = 0;
        for input in inputs {
            let _ = correlator.take(input, &mut decisions);
            count += decisions.len();
            decisions.drain(..).for_each(|decision: Decision| fingerprint.take(&decision.to_json()));
        }
        let floor = floor.map_or(String::new(), |floor| format!("floor {:.0} ns, ", floor.each_ns));
        format!("{floor}{count} decisions, hash {fingerprint}")
    }

    /// From bytes to decisions.
    fn bytes(&mut self) -> io::Result<()> {
        let Size { buildings, signals, runs } = self.size;
        let count = signals / 4;
        let (registry, names) = scale(buildings);
        let json = |signals: Vec<Signal>| -> Vec<RawRecord> {
            let record = |signal: Signal| RawRecord {
                timestamp_ms: signal.received_at_ms.unwrap_or_default(),
                channel: Channel::Signal,
                key: String::new(),
                bytes: signal.to_json().into_bytes(),
                unreadable: false,
            };
            signals.into_iter().map(record).collect()
        };
        let city = City::new(&Plan { seed: 7, buildings, hours: 4.0, fires: Some(0), ..Plan::default() });
        let night = |channel| city.night().filter(|raw| raw.channel == channel).take(count / 4).collect();
        let rows: [(&str, &str, Vec<RawRecord>); 4] = [
            ("bytes to decision: native JSON, city mix", "≥ 4 M/s", json(mix(&names, count, 1))),
            (
                "bytes to decision: native JSON, storm in a village",
                "≥ 1.5 M/s",
                json(repeating(&names[..names.len().min(5_000)], count)),
            ),
            ("bytes to decision: GB frames, a night", "≥ 6 M/s", night(Channel::Gb26875)),
            ("bytes to decision: CTWing, a night", "≥ 2 M/s", night(Channel::Ctwing)),
        ];
        for (what, goal, records) in rows {
            let took =
                took(runs, records.len(), || self.fresh(&registry), |correlator| self.path(correlator, &records));
            let (_, fingerprint) = self.path(self.fresh(&registry), &records);
            let bytes: usize = records.iter().map(|raw| raw.bytes.len()).sum();
            let beside =
                format!("{} records of {} bytes, hash {fingerprint}", records.len(), bytes / records.len().max(1));
            self.report.row(what, goal, &took.shown(), &beside)?;
        }
        Ok(())
    }

    fn path(&self, mut correlator: Correlator, records: &[RawRecord]) -> (Correlator, Fingerprint) {
        let mut decoded = Vec::new();
        let mut decisions = Vec::new();
        for raw in records {
            decode_into(black_box(raw), &self.policy, &mut decoded);
            for one in decoded.drain(..) {
                if let Decoded::Signal(signal) = one {
                    let _ = correlator.take(&Input::Signal(signal), &mut decisions);
                }
            }
        }
        (correlator, Fingerprint::of_decisions(&decisions))
    }

    /// Decoding alone.
    fn decoding(&mut self) -> io::Result<()> {
        let city = City::new(&Plan { seed: 7, buildings: 2_000, hours: 1.0, fires: Some(8), ..Plan::default() });
        let records =
            |channel| -> Vec<RawRecord> { city.night().filter(|raw| raw.channel == channel).take(2_000).collect() };
        let repeats = (self.size.signals / 2_000).max(1);
        let runs = self.size.runs;
        let measure = |records: &[RawRecord], work: &dyn Fn(&RawRecord)| {
            took(runs, records.len() * repeats, || (), |()| (0..repeats).for_each(|_| records.iter().for_each(work)))
        };
        let frames = records(Channel::Gb26875);
        let policy = Policy::default();
        let decoded = std::cell::RefCell::new(Vec::new());
        let frame = measure(&frames, &|raw| {
            decoded.borrow_mut().clear();
            decode_into(black_box(raw), &policy, &mut decoded.borrow_mut());
        });
        self.report.row("decoding alone: GB frame", "≥ 12 M/s", &frame.shown(), "to owned signals")?;
        let glance = |raw: &RawRecord| {
            let record = Record { bytes: &raw.bytes, timestamp_ms: Some(raw.timestamp_ms), source: None };
            black_box(signs_of_life(raw.channel.format(), black_box(&record), &policy.clock));
        };
        let lines = records(Channel::Signal);
        for (what, records) in [("GB frame", &frames), ("CTWing", &records(Channel::Ctwing)), ("JSON signal", &lines)] {
            let told = measure(records, &glance);
            self.report.row(&format!("the change filter's glance: {what}"), "", &told.shown(), "no signal is made")?;
        }
        let owned = measure(&lines, &|raw| drop(black_box(Input::from_json(black_box(&raw.bytes)))));
        let ours = measure(&lines, &|raw| {
            black_box(PlainSignal::from_json(black_box(&raw.bytes)));
        });
        let theirs =
            measure(&lines, &|raw| drop(black_box(serde_json::from_slice::<Borrowed<'_>>(black_box(&raw.bytes)))));
        let beside = format!(
            "serde_json into an equal borrowed struct: {:.0} ns; ours into an owned signal: {:.0} ns",
            theirs.each_ns, owned.each_ns
        );
        let shown = format!("{}; {:.2} × serde_json", ours.shown(), ours.each_ns / theirs.each_ns);
        self.report.row("decoding alone: JSON signal", "≤ 1.0 × serde_json", &shown, &beside)
    }

    /// Other ways to keep windows, on one thread and on two.
    fn alternatives(&mut self) -> io::Result<()> {
        let Size { buildings, signals, runs } = self.size;
        let alarms = floor::alarms(buildings, signals);
        for (what, way) in floor::WAYS {
            for threads in [1, 2] {
                let mut held = 0;
                let took = took(runs, alarms.len(), || (), |()| held = way(black_box(&alarms), buildings, threads));
                let what = format!("{what}; threads: {threads}");
                self.report.row(&what, "", &took.shown(), &format!("simplified work; {held} held"))?;
            }
        }
        Ok(())
    }

    /// How the cost of one more grows with what is there.
    fn growth(&mut self) -> io::Result<()> {
        let goal = "never worse than logarithmic";
        let most = self.size.buildings;
        let sizes = [2_000, 20_000, 200_000, 1_000_000].into_iter().filter(|size| *size <= most);
        let mut points = Vec::new();
        for buildings in sizes {
            let (registry, names) = scale(buildings);
            let inputs = as_inputs(mix(&names, self.size.signals / 4, 1));
            let took = took(3, inputs.len(), || self.fresh(&registry), |correlator| correlate(correlator, &inputs));
            points.push((names.len() as f64, took.each_ns));
        }
        self.report.curve("a signal of the city mix, by devices", goal, points)?;
        let small = self.size.signals < 100_000;
        let up_to =
            |sizes: &[u32]| -> Vec<u32> { sizes.iter().copied().filter(|size| !small || *size <= 100).collect() };
        let evidence =
            up_to(&[1, 10, 100, 1_000, 10_000]).into_iter().map(|pieces| self.after(&street(1, 100, 0.01), pieces, 1));
        let evidence: Vec<_> = evidence.collect();
        self.report.curve("one more piece of evidence in a building, by pieces there", goal, evidence)?;
        let open =
            up_to(&[1, 10, 100, 1_000]).into_iter().map(|open| self.after(&street(open, 1, 0.01), open * 3, open));
        let open: Vec<_> = open.collect();
        self.report.curve("a repeat, by open incidents", goal, open)?;
        let near =
            up_to(&[2, 20, 200, 2_000]).into_iter().map(|near| self.after(&street(near, 1, 1e-7), near * 3, near));
        let near: Vec<_> = near.collect();
        self.report.curve("a repeat, by buildings within the radius that all burn", goal, near)
    }

    /// After so many fires in turn, what a further one of them costs; by `size`.
    fn after(&self, lines: &str, fires: u32, size: u32) -> (f64, f64) {
        let registry =
            Arc::new(Registry::from_json_lines("street", lines.as_bytes()).expect("the street is well-formed"));
        let names = device_names(&registry);
        let mut signals = repeating(&names, fires as usize + 2_000);
        let later = as_inputs(signals.split_off(fires as usize));
        let first = as_inputs(signals);
        let prepare = || correlate(self.fresh(&registry), &first);
        let took = took(3, later.len(), prepare, |correlator| correlate(correlator, &later));
        (f64::from(if size == 1 { fires } else { size }), took.each_ns)
    }
}

/// A street: so many buildings, so far apart in degrees, with so many devices each.
fn street(buildings: u32, devices: u32, apart_degrees: f64) -> String {
    let mut text = String::new();
    for b in 0..buildings {
        let lon = 100.0 + f64::from(b) * apart_degrees;
        text += &format!("{{\"type\":\"building\",\"id\":\"B{b}\",\"lon\":{lon},\"lat\":23.0}}\n");
        for d in 0..devices {
            text +=
                &format!("{{\"type\":\"device\",\"id\":\"D{b}-{d}\",\"building\":\"B{b}\",\"sensor\":\"smoke\"}}\n");
        }
    }
    text
}

/// A signal's fields as they are written, borrowed: what serde_json makes of a line without understanding it.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "it is made, not read")]
struct Borrowed<'l> {
    id: Option<&'l str>,
    device: &'l str,
    kind: &'l str,
    sensor: Option<&'l str>,
    at: Option<&'l str>,
    received_at: Option<&'l str>,
    building: Option<&'l str>,
    location: Option<&'l str>,
    value: Option<f64>,
    unit: Option<&'l str>,
    text: Option<&'l str>,
    test: Option<bool>,
    until: Option<&'l str>,
    by: Option<&'l str>,
    cause: Option<&'l str>,
    source: Option<&'l str>,
}
