//! How fast records become signals, by format: what the decode role spends its time with.

use std::hint::black_box;
use std::io;

use criterion::{Criterion, Throughput};
use fenghuo_benches::{Fingerprint, city, decode_into, tell};
use fenghuo_city::{Channel, RawRecord};
use fenghuo_model::Policy;

/// Enough for a steady mix, few enough for a quick run.
const RECORDS: usize = 2_000;

fn main() -> io::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let policy = Policy::default();
    let city = city();
    for channel in [Channel::Gb26875, Channel::Ctwing, Channel::Signal] {
        let records: Vec<RawRecord> = city.night().filter(|raw| raw.channel == channel).take(RECORDS).collect();
        let mut decoded = Vec::new();
        records.iter().for_each(|raw| decode_into(raw, &policy, &mut decoded));
        let name = channel.format().word();
        tell(&format!("decode/{name}"), records.len(), decoded.len(), Fingerprint::of_decoded(&decoded))?;
        let mut group = criterion.benchmark_group("decode");
        group.throughput(Throughput::Elements(records.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                decoded.clear();
                records.iter().for_each(|raw| decode_into(black_box(raw), &policy, &mut decoded));
                decoded.len()
            });
        });
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
