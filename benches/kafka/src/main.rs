//! What the whole path over Kafka costs: real members of the release build, a real broker, and the floor of the same
//! run.
//!
//! This file is the table of contents: what is measured, in which order, and how large. Each measurement is a file:
//! [`throughput`] (city mix, frames, storm, scale-out), [`latency`], [`restart`], [`takeover`], and [`shard`], which
//! needs no broker.
//! What they stand on is in [`stand`] (broker, topics, configurations), [`city`] (registry), [`load`] (what is sent)
//! and [`usage`] (processor time); what they are held against is in [`floor`] and [`echo`], and what was decided in
//! [`oracle`]. `benches/README.md` says what each line means.

mod city;
mod echo;
mod floor;
mod follow;
mod latency;
mod load;
mod open_loop;
mod oracle;
mod restart;
mod shard;
mod stand;
mod takeover;
mod throughput;
mod usage;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use fenghuo_benches::table::Report;
use fenghuo_tests::trouble::Trouble;

use stand::Stand;

/// As the product has it: the C library's memory too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the path over Kafka, and prints a table; see benches/README.md.
#[derive(Debug, Parser)]
#[command(name = "fenghuo-bench-kafka")]
pub struct Arguments {
    /// Everything once and small: to see that it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Only these measurements, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "WHAT")]
    only: Vec<What>,
    /// A running broker, host:port, instead of one of our own
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Buildings of the city; about five devices each [default: 50000, quick 2000]
    #[arg(long)]
    buildings: Option<u32>,
    /// Records of a run of the mix [default: 8000000, quick 60000]; as many frames, a sixteenth as many signals of a
    /// storm
    #[arg(long)]
    records: Option<usize>,
    /// Runs of each that are counted, after one that is not [default: 5, quick 1 and none]
    #[arg(long)]
    runs: Option<usize>,
    /// How long each rate is kept up, seconds [default: 20, quick 3]
    #[arg(long)]
    seconds: Option<u32>,
    /// Partitions of every topic, scale-out apart, which has 8
    #[arg(long, default_value_t = 4)]
    partitions: u32,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The parts that run as processes of their own, so that their processor time can be told.
#[derive(Debug, Clone, Subcommand)]
enum Part {
    /// Counts the records of a topic, in batches
    #[command(hide = true)]
    Floor(floor::Args),
    /// Passes records on, over two hops
    #[command(hide = true)]
    Echo(echo::Args),
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum What {
    /// The city mix in the native form: both roles, and the decode role alone
    Mix,
    /// The same in frames of GB/T 26875.3
    Frames,
    /// Fires and nothing else, from the signals topic on
    Storm,
    /// Raw record to visible decision, at three rates
    Latency,
    /// kill -9, and what happens until the next decision
    Restart,
    /// kill -9 of a member that does not come back, and what happens until another one has its partitions
    Takeover,
    /// Eight partitions, one member and four
    ScaleOut,
    /// A storm through the windows of a partition without a broker
    Shard,
}

impl What {
    const ALL: [Self; 8] = [
        Self::Mix,
        Self::Frames,
        Self::Storm,
        Self::Latency,
        Self::Restart,
        Self::Takeover,
        Self::ScaleOut,
        Self::Shard,
    ];
}

/// How large everything is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Buildings of the city.
    pub buildings: u32,
    /// Records of a run.
    pub records: usize,
    /// Runs that count.
    pub runs: usize,
    /// Runs before them that do not.
    pub warm_ups: usize,
    /// How long a rate is kept up, seconds.
    pub seconds: u32,
    /// Partitions of every topic.
    pub partitions: u32,
    /// Whether it is only to be seen to work.
    pub is_quick: bool,
}

impl Arguments {
    fn size(&self) -> Size {
        let is_quick = self.quick;
        let of = |usual: usize, quick: usize| if is_quick { quick } else { usual };
        let default_buildings = if is_quick { 2_000 } else { 50_000 };
        let default_seconds = if is_quick { 3 } else { 20 };
        Size {
            buildings: self.buildings.unwrap_or(default_buildings).max(100),
            records: self.records.unwrap_or_else(|| of(8_000_000, 60_000)).max(1_000),
            runs: self.runs.unwrap_or_else(|| of(5, 1)).max(1),
            warm_ups: of(1, 0),
            seconds: self.seconds.unwrap_or(default_seconds).max(1),
            partitions: self.partitions.max(1),
            is_quick,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.part {
        Some(Part::Floor(args)) => floor::execute(args),
        Some(Part::Echo(args)) => echo::execute(args),
        None => measure(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            use std::io::Write as _;
            // Nobody is left to tell if that fails too.
            let _ = writeln!(std::io::stderr(), "fenghuo-bench-kafka: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Trouble> {
    let size = arguments.size();
    let mut report = Report::default();
    if arguments.only == [What::Shard] {
        return shard::measure(&city::City::new(size.buildings)?, size, &mut report);
    }
    let stand = Stand::set(arguments.brokers.as_deref(), size.buildings)?;
    let chosen = if arguments.only.is_empty() { What::ALL.to_vec() } else { arguments.only.clone() };
    for what in chosen {
        match what {
            What::Mix => throughput::mix(&stand, size, &mut report)?,
            What::Frames => throughput::frames(&stand, size, &mut report)?,
            What::Storm => throughput::storm(&stand, size, &mut report)?,
            What::Latency => latency::measure(&stand, size, &mut report)?,
            What::Restart => restart::measure(&stand, size, &mut report)?,
            What::Takeover => takeover::measure(&stand, size, &mut report)?,
            What::ScaleOut => throughput::scale_out(&stand, size, &mut report)?,
            What::Shard => shard::measure(&stand.city, size, &mut report)?,
        }
    }
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")), PathBuf::from)
        .join("benches");
    std::fs::create_dir_all(&folder)?;
    let heading = format!("{} cores; {}\n\n", std::thread::available_parallelism()?, usage::load());
    let table = heading + &report.markdown();
    std::fs::write(folder.join("kafka.md"), &table)?;
    std::io::Write::write_all(&mut std::io::stdout(), format!("\n{table}").as_bytes())?;
    Ok(())
}
