//! Regions side by side: each region's inputs go to one of several correlators, and what these say is put back into the
//! order of the input, so that it is the same to the byte on any number of threads.
//!
//! Regions share nothing but the registry, so that nothing has to be locked: a batch of lines is read in pieces, then
//! every lane takes what belongs to its regions. A batch too small to be worth threads goes the same way on one.
//! Another registry ends a batch: it is for all lanes or for none.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::iter;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use fenghuo_correlate::{Correlator, Counters, Found, StateError};
use fenghuo_engine::registries::Registries;
use fenghuo_model::{Decision, Input, Policy, PolicyChange, Registry, RegistryChange, Signal, Tick};
use serde_json::{Map, Value};

use crate::input;

/// Fewer lines than this are done before a thread has started.
const LINES_WORTH_THREADS: usize = 128;

/// Correlators that share the regions among them.
pub struct Lanes {
    threads: usize,
    lanes: Vec<Correlator>,
    /// By the region's number.
    lane_of_region: Vec<usize>,
    registries: Arc<Registries>,
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

/// A line that was read, on its way to a lane.
struct Routed {
    /// The line's place in its batch.
    line: usize,
    read: Read,
}

enum Read {
    Signal(Box<Signal>, Found),
    Tick(Tick),
    Policy(Box<PolicyChange>),
    /// With the reason.
    Bad(String),
}

impl Lanes {
    /// Nothing heard yet. There are never more lanes than regions; reading is divided among all threads.
    pub fn new(
        registry: &Arc<Registry>,
        policy: &Arc<Policy>,
        registries: Arc<Registries>,
        threads: NonZeroUsize,
    ) -> Self {
        let lane = || Correlator::new(Arc::clone(registry), Arc::clone(policy));
        let first = lane();
        let lane_of_region = share_out(registry, &first, threads.get(), |_| None);
        let others = first.regions().len().min(threads.get()) - 1;
        let lanes = iter::once(first).chain(iter::repeat_with(lane).take(others)).collect();
        Self { threads: threads.get(), lanes, lane_of_region, registries, ticks_of_all: 0 }
    }

    /// Takes a batch of lines (nothing: too long); what each led to, in the order of the lines.
    pub fn take(&mut self, lines: &[Option<&[u8]>]) -> Vec<Said> {
        let mut said = Vec::new();
        let mut first = 0;
        while first < lines.len() {
            match self.take_until_registry(first, &lines[first..], &mut said) {
                None => break,
                Some((line, change)) => {
                    said.extend(self.change_registry(&change).err().map(|reason| Said::rejected(line, reason)));
                    first = line + 1;
                }
            }
        }
        said
    }

    /// Takes lines, of which the first has that place in its batch, up to one that puts another registry in force; that
    /// one.
    fn take_until_registry(
        &mut self,
        first: usize,
        lines: &[Option<&[u8]>],
        said: &mut Vec<Said>,
    ) -> Option<(usize, RegistryChange)> {
        let threads = if lines.len() < LINES_WORTH_THREADS { 1 } else { self.threads };
        let piece = lines.len().div_ceil(threads).max(1);
        let pieces = (first..).step_by(piece).zip(lines.chunks(piece));
        let this = &*self;
        let mut read = side_by_side(threads, pieces.map(|(first, lines)| move || this.read(first, lines)));
        // What was read behind it was read by the registry before it.
        let change = read.iter_mut().find_map(|piece| piece.registry.take());
        if let Some((line, _)) = &change
            && first < *line
        {
            let before = self.take_until_registry(first, &lines[..line - first], said);
            assert!(before.is_none(), "the first change of the registry was found");
            return change;
        }
        if change.is_some() {
            return change;
        }
        let mut of_lanes: Vec<Vec<Vec<Routed>>> = self.lanes.iter().map(|_| Vec::new()).collect();
        for piece in read {
            self.ticks_of_all += piece.ticks_of_all;
            of_lanes.iter_mut().zip(piece.of_lanes).for_each(|(lane, piece)| lane.push(piece));
        }
        let lanes = self.lanes.iter_mut().zip(of_lanes);
        said.extend(in_order(side_by_side(threads, lanes.map(|(lane, pieces)| move || correlate(lane, pieces)))));
        None
    }

    /// Puts another registry in force in all lanes; a region stays in its lane.
    fn change_registry(&mut self, change: &RegistryChange) -> Result<(), String> {
        let registry = self.registries.find(&change.version)?.registry;
        // Each lane knows only what burns in its own regions; of several reasons one correlator would say the first.
        let unfit = self.lanes.iter_mut().filter_map(|lane| lane.require_fit(Arc::clone(&registry)).err());
        if let Some(reason) = unfit.min_by_key(building_of) {
            return Err(reason.to_string());
        }
        let lane_of: HashMap<String, usize> =
            self.lanes[0].regions().map(str::to_owned).zip(self.lane_of_region.iter().copied()).collect();
        for lane in &mut self.lanes {
            lane.change_registry(Arc::clone(&registry)).map_err(|error| error.to_string())?;
        }
        let stays = |region: &str| lane_of.get(region).copied();
        self.lane_of_region = share_out(&registry, &self.lanes[0], self.lanes.len(), stays);
        Ok(())
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

    /// Reads a piece of a batch, of which the first line has that place in it.
    fn read(&self, first: usize, lines: &[Option<&[u8]>]) -> Piece {
        let of_lanes = self.lanes.iter().map(|_| Vec::new()).collect();
        let mut piece = Piece { of_lanes, ticks_of_all: 0, registry: None };
        for (line, bytes) in (first..).zip(lines) {
            let read = bytes.ok_or_else(input::too_long);
            let (region, read) = match read.and_then(|bytes| Input::from_json(bytes).map_err(|error| error.to_string()))
            {
                Ok(Input::Signal(signal)) => {
                    let found = self.lanes[0].find(&signal);
                    (found.region(), Read::Signal(signal, found))
                }
                Ok(Input::Tick(tick @ Tick { region: None, .. })) => {
                    piece.ticks_of_all += 1;
                    for lane in &mut piece.of_lanes {
                        lane.push(Routed { line, read: Read::Tick(tick.clone()) });
                    }
                    continue;
                }
                // Every lane has its own copy of the rules in force.
                Ok(Input::Policy(change)) => {
                    for lane in &mut piece.of_lanes {
                        lane.push(Routed { line, read: Read::Policy(change.clone()) });
                    }
                    continue;
                }
                Ok(Input::Registry(change)) => {
                    piece.registry = Some((line, change));
                    return piece;
                }
                Ok(Input::Tick(tick)) => {
                    let region = tick.region.as_deref().and_then(|name| self.lanes[0].region_number(name));
                    (region, Read::Tick(tick))
                }
                Err(reason) => (None, Read::Bad(reason)),
            };
            // What belongs to no region is told or counted by the first lane.
            let lane = region.map_or(0, |region| self.lane_of_region[region]);
            piece.of_lanes[lane].push(Routed { line, read });
        }
        piece
    }
}

/// A piece of a batch that was read.
struct Piece {
    of_lanes: Vec<Vec<Routed>>,
    ticks_of_all: u64,
    /// The first line that puts another registry in force; what stands behind it was not read.
    registry: Option<(usize, RegistryChange)>,
}

impl Said {
    fn decision(line: usize, decision: Decision) -> Self {
        Self { line, what: Ok(decision.to_json()), region: decision.region }
    }

    fn rejected(line: usize, reason: String) -> Self {
        Self { line, what: Err(reason), region: String::new() }
    }
}

fn building_of(reason: &StateError) -> Option<String> {
    match reason {
        StateError::UnknownBuilding { building } => Some(building.clone()),
        _ => None,
    }
}

/// A correlator's counters by their names.
pub fn named(counters: &Counters) -> Map<String, Value> {
    match serde_json::to_value(counters) {
        Ok(Value::Object(counters)) => counters,
        _ => Map::new(),
    }
}

/// Gives each region to the lane that it has already, or to the one that has the fewest buildings so far, the largest
/// region first; the lanes by the regions' numbers.
fn share_out(
    registry: &Registry,
    correlator: &Correlator,
    most_lanes: usize,
    stays: impl Fn(&str) -> Option<usize>,
) -> Vec<usize> {
    let mut sizes: Vec<usize> = vec![1; correlator.regions().len()];
    let numbers: Vec<_> = registry.regions().iter().map(|name| correlator.region_number(name)).collect();
    for building in registry.buildings() {
        if let Some(number) = numbers[building.region as usize] {
            sizes[number] += 1;
        }
    }
    let mut by_size: Vec<usize> = (0..sizes.len()).collect();
    by_size.sort_by_key(|number| Reverse(sizes[*number]));
    let mut loads = vec![0; most_lanes.min(sizes.len())];
    let mut lane_of_region = vec![0; sizes.len()];
    let names: Vec<&str> = correlator.regions().collect();
    for number in by_size {
        let emptiest = || (0..loads.len()).min_by_key(|lane| loads[*lane]).unwrap_or(0);
        let lane = stays(names[number]).unwrap_or_else(emptiest);
        loads[lane] += sizes[number];
        lane_of_region[number] = lane;
    }
    lane_of_region
}

/// Takes what of a batch belongs to a lane, piece after piece.
fn correlate(lane: &mut Correlator, pieces: Vec<Vec<Routed>>) -> Vec<Said> {
    let mut said = Vec::new();
    let mut decisions = Vec::new();
    for Routed { line, read } in pieces.into_iter().flatten() {
        let taken = match read {
            Read::Signal(signal, found) => {
                lane.take_found(&signal, found, &mut decisions).map_err(|error| error.to_string())
            }
            Read::Tick(tick) => lane.take(&Input::Tick(tick), &mut decisions).map_err(|error| error.to_string()),
            Read::Policy(change) => {
                lane.take(&Input::Policy(change), &mut decisions).map_err(|error| error.to_string())
            }
            Read::Bad(reason) => Err(reason),
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
