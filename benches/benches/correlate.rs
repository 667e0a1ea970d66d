//! How fast signals become decisions: a whole evening of a small city through one correlator.

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use fenghuo_benches::{Fingerprint, city, inputs, registry, tell};
use fenghuo_correlate::Correlator;
use fenghuo_model::{Decision, Input, Policy, Registry};

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
    criterion.final_summary();
    Ok(())
}
