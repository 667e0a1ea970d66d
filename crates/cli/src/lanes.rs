//! Regions side by side: each region's inputs go to one of several correlators, and what these say is put back into the
//! order of the input, so that it is the same to the byte on any number of threads.
//!
//! Regions share nothing but the registry, so that nothing has to be locked: a batch of lines is read in pieces, then
//! every lane takes what belongs to its regions. A batch too small to be worth threads goes the same way on one.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use fenghuo_correlate::{Correlator, Counters};
use fenghuo_model::registry::UNPLACED;
use fenghuo_model::{Decision, Input, Policy, Registry};
use serde_json::{Map, Value};

use crate::input;

/// Fewer lines than this are done before a thread has started.
const LINES_WORTH_THREADS: usize = 128;

/// Correlators that share the regions among them.
pub struct Lanes {
    threads: usize,
    lanes: Vec<Correlator>,
    lane_of_region: HashMap<Arc<str>, usize>,
    /// Ticks of all regions: each lane has counted them.
    ticks_of_all: u64,
}

/// What a line led to: a decision's JSON, or why the line was rejected.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// The line's place in its batch.
    pub line: usize,
    /// The decision's region; empty for a rejected line.
    region: String,
    /// The JSON of the decision, or the reason.
    pub what: Result<String, String>,
}

/// A line that was read.
struct Routed {
    input: Result<Input, String>,
    /// Whose it is; nothing: everybody's.
    lane: Option<usize>,
}

impl Lanes {
    /// Nothing heard yet. There are never more lanes than regions; reading is divided among all threads.
    pub fn new(registry: &Arc<Registry>, policy: &Arc<Policy>, threads: NonZeroUsize) -> Self {
        let lane_of_region = share_out(registry, threads.get());
        let lanes = lane_of_region.values().max().map_or(1, |last| last + 1);
        let lane = |_| Correlator::new(Arc::clone(registry), Arc::clone(policy));
        Self { threads: threads.get(), lanes: (0..lanes).map(lane).collect(), lane_of_region, ticks_of_all: 0 }
    }

    /// Takes a batch of lines (nothing: too long); what each led to, in the order of the lines.
    pub fn take(&mut self, lines: &[Option<&[u8]>]) -> Vec<Said> {
        let threads = if lines.len() < LINES_WORTH_THREADS { 1 } else { self.threads };
        let piece = lines.len().div_ceil(threads).max(1);
        let read = |piece: &[Option<&[u8]>]| piece.iter().map(|line| self.read(*line)).collect::<Vec<Routed>>();
        let read: Vec<Vec<Routed>> = side_by_side(threads, lines.chunks(piece).map(|piece| || read(piece)));
        let of_all = read.iter().flatten().filter(|routed| routed.lane.is_none());
        self.ticks_of_all += of_all.count() as u64;
        let read = &read;
        let lanes = self.lanes.iter_mut().enumerate();
        let said = side_by_side(threads, lanes.map(|(number, lane)| move || correlate(lane, number, read)));
        in_order(said)
    }

    /// Lets every region's clock run until no timer is left; the decisions' JSON by the names of the regions.
    pub fn drain(&mut self) -> Vec<Said> {
        let drain = |lane: &mut Correlator| {
            let mut decisions = Vec::new();
            lane.drain(&mut decisions);
            decisions.into_iter().map(|decision| Said::decision(0, decision)).collect()
        };
        in_order(side_by_side(self.threads, self.lanes.iter_mut().map(|lane| move || drain(lane))))
    }

    /// What all lanes counted, as one correlator would have.
    pub fn counters(&self) -> Map<String, Value> {
        let mut sums: Map<String, Value> = Map::new();
        for lane in &self.lanes {
            for (name, count) in named(lane.counters()) {
                let sum = sums.get(&name).and_then(Value::as_u64).unwrap_or(0) + count.as_u64().unwrap_or(0);
                sums.insert(name, sum.into());
            }
        }
        let repeated = self.ticks_of_all * (self.lanes.len() as u64 - 1);
        let ticks = sums.get("ticks").and_then(Value::as_u64).unwrap_or(0);
        sums.insert("ticks".to_owned(), (ticks - repeated).into());
        sums
    }

    fn read(&self, line: Option<&[u8]>) -> Routed {
        let read = line.ok_or_else(input::too_long);
        let input = read.and_then(|line| Input::from_json(line).map_err(|reason| reason.to_string()));
        let lane = match &input {
            Ok(Input::Tick(tick)) if tick.region.is_none() => None,
            Ok(input) => {
                let region = self.lanes[0].region_of(input);
                Some(region.and_then(|name| self.lane_of_region.get(name)).copied().unwrap_or(0))
            }
            Err(_) => Some(0),
        };
        Routed { input, lane }
    }
}

impl Said {
    fn decision(line: usize, decision: Decision) -> Self {
        Self { line, what: Ok(decision.to_json()), region: decision.region }
    }

    fn rejected(line: usize, reason: String) -> Self {
        Self { line, what: Err(reason), region: String::new() }
    }
}

/// A correlator's counters by their names.
pub fn named(counters: &Counters) -> Map<String, Value> {
    match serde_json::to_value(counters) {
        Ok(Value::Object(counters)) => counters,
        _ => Map::new(),
    }
}

/// Gives each region to the lane that has the fewest buildings so far, the largest region first.
fn share_out(registry: &Registry, most_lanes: usize) -> HashMap<Arc<str>, usize> {
    let mut buildings: HashMap<Arc<str>, usize> = registry.regions().iter().map(|name| (Arc::clone(name), 1)).collect();
    buildings.entry(UNPLACED.into()).or_insert(1);
    for building in registry.buildings() {
        *buildings.entry(Arc::clone(&registry.regions()[building.region as usize])).or_insert(1) += 1;
    }
    let mut regions: Vec<(Arc<str>, usize)> = buildings.into_iter().collect();
    regions
        .sort_unstable_by(|(name, size), (other, other_size)| (Reverse(size), name).cmp(&(Reverse(other_size), other)));
    let mut loads = vec![0; most_lanes.min(regions.len())];
    let mut lane_of_region = HashMap::new();
    for (name, size) in regions {
        let lane = (0..loads.len()).min_by_key(|lane| loads[*lane]).unwrap_or(0);
        loads[lane] += size;
        lane_of_region.insert(name, lane);
    }
    lane_of_region
}

/// Takes what of a batch belongs to a lane.
fn correlate(lane: &mut Correlator, number: usize, read: &[Vec<Routed>]) -> Vec<Said> {
    let mut said = Vec::new();
    let mut decisions = Vec::new();
    for (line, routed) in read.iter().flatten().enumerate() {
        if routed.lane.is_some_and(|lane| lane != number) {
            continue;
        }
        let taken = match &routed.input {
            Ok(input) => lane.take(input, &mut decisions).map_err(|reason| reason.to_string()),
            Err(reason) => Err(reason.clone()),
        };
        said.extend(taken.err().map(|reason| Said::rejected(line, reason)));
        said.extend(decisions.drain(..).map(|decision| Said::decision(line, decision)));
    }
    said
}

/// What the lanes said, by line and, where one concerned all regions, by their names.
fn in_order(said: Vec<Vec<Said>>) -> Vec<Said> {
    let mut said: Vec<Said> = said.into_iter().flatten().collect();
    said.sort_by(|one, other| (one.line, &one.region).cmp(&(other.line, &other.region)));
    said
}

/// Does all tasks, each on a thread of its own if there may be more than one; what they gave, in their order.
fn side_by_side<T: Send>(threads: usize, mut tasks: impl Iterator<Item = impl FnOnce() -> T + Send>) -> Vec<T> {
    if threads == 1 {
        return tasks.map(|task| task()).collect();
    }
    thread::scope(|scope| {
        let here = tasks.next();
        let elsewhere: Vec<_> = tasks.map(|task| scope.spawn(task)).collect();
        let here = here.map(|task| task());
        let elsewhere = elsewhere.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        here.into_iter().chain(elsewhere).collect()
    })
}
