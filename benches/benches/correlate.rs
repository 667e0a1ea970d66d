//! How fast signals become decisions: a whole evening of a small city through one correlator; and what it costs the
//! one who decides that others look: a snapshot of many open incidents, and its publication.

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use fenghuo_benches::{Fingerprint, city, inputs, registry, tell};
use fenghuo_correlate::publication::Publisher;
use fenghuo_correlate::{Correlator, Snapshot};
use fenghuo_model::{Decision, Input, Kind, Policy, Registry, Signal};

/// So many incidents are open in the snapshots of the benches.
const OPEN_INCIDENTS: u32 = 1_000;

/// Everything from the first signal until no timer is left.
fn correlate(registry: &Arc<Registry>, policy: &Arc<Policy>, inputs: &[Input], decisions: &mut Vec<Decision>) {
    decisions.clear();
    let mut correlator = Correlator::new(Arc::clone(registry), Arc::clone(policy));
    for input in inputs {
        // A rejected signal is counted by the correlator, and part of a real night.
        let _ = correlator.take(black_box(input), decisions);
    }
    correlator.drain(decisions);
}

/// A correlator with many open incidents: far apart, so that each is its building's own.
fn on_a_bad_night(policy: &Arc<Policy>) -> Correlator {
    let building = |n: u32| {
        let lon = 100.0 + f64::from(n) * 0.01;
        format!(
            "{{\"type\":\"building\",\"id\":\"B{n:05}\",\"lon\":{lon},\"lat\":23.0}}\n\
             {{\"type\":\"device\",\"id\":\"D{n:05}\",\"building\":\"B{n:05}\",\"sensor\":\"smoke\"}}\n"
        )
    };
    let lines: String = (0..OPEN_INCIDENTS).map(building).collect();
    let registry = Registry::from_json_lines("street", lines.as_bytes()).expect("the street above is well-formed");
    let mut correlator = Correlator::new(Arc::new(registry), Arc::clone(policy));
    let mut decisions = Vec::new();
    for n in 0..OPEN_INCIDENTS {
        let mut signal = Signal::new(format!("D{n:05}"), Kind::Fire);
        signal.received_at_ms = Some(1_795_312_682_000);
        correlator.take(&Input::Signal(Box::new(signal)), &mut decisions).expect("it has a time and a building");
    }
    correlator
}

/// What looking costs: making a snapshot, dropping it included; publishing one to a reader that never reads, one that
/// always does; and looking when nothing is new.
fn publish(criterion: &mut Criterion, policy: &Arc<Policy>) -> io::Result<()> {
    let correlator = on_a_bad_night(policy);
    let mut snapshot = Fingerprint::default();
    snapshot.take(&serde_json::to_string(&correlator.snapshot())?);
    tell("publication/snapshot", OPEN_INCIDENTS as usize, correlator.sizes().incidents, snapshot)?;
    let mut group = criterion.benchmark_group("publication");
    group.bench_function("snapshot", |bencher| bencher.iter(|| black_box(&correlator).snapshot()));
    let mut publisher = Publisher::new(Arc::new(Snapshot::default()));
    let _sleeping = publisher.subscribe();
    let small = || Arc::new(Snapshot::default());
    group.bench_function("publish", |bencher| {
        bencher.iter_batched(small, |snapshot| publisher.publish(snapshot), BatchSize::SmallInput);
    });
    let mut reader = publisher.subscribe();
    group.bench_function("publish-and-look", |bencher| {
        let exchange = |snapshot| {
            publisher.publish(snapshot);
            Arc::as_ptr(reader.latest())
        };
        bencher.iter_batched(small, exchange, BatchSize::SmallInput);
    });
    group.bench_function("look", |bencher| bencher.iter(|| Arc::as_ptr(black_box(&mut reader).latest())));
    group.finish();
    Ok(())
}

fn main() -> io::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let policy = Arc::new(Policy::default());
    let city = city();
    let registry = Arc::new(registry(&city));
    let inputs = inputs(&city, &policy);
    let mut decisions = Vec::new();
    correlate(&registry, &policy, &inputs, &mut decisions);
    tell("correlate/night", inputs.len(), decisions.len(), Fingerprint::of_decisions(&decisions))?;
    let mut group = criterion.benchmark_group("correlate");
    group.throughput(Throughput::Elements(inputs.len() as u64));
    group.bench_function("night", |bencher| {
        bencher.iter(|| {
            correlate(&registry, &policy, &inputs, &mut decisions);
            decisions.len()
        });
    });
    group.finish();
    publish(&mut criterion, &policy)?;
    criterion.final_summary();
    Ok(())
}
