//! What the machine itself costs, and how others would keep windows: the measures that our figures are held against.
//!
//! **The floor** is one read and one write of a 64-byte row per signal, at places drawn over a table of as many rows as
//! there are devices. The places are known beforehand and no access waits for the one before, so that the processor has
//! as many under way as it can: nothing that keeps anything per device can be faster.
//!
//! **The alternatives** do the same simplified work for every fire: it joins its building's window of 120 s, and it is
//! counted whether two devices speak in it. They have no clocks, timers, duplicates, restores, places or decisions, so
//! that they compare with each other, not with a whole correlator: windows of one writer in a list by the building's
//! number (as we keep them), in the std HashMap, in a dashmap that all threads share, and behind one mutex a building.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Mutex;
use std::thread;

use dashmap::DashMap;

use crate::load::Draw;

/// How long evidence counts, milliseconds.
const WINDOW_MS: i64 = 120_000;

/// A fire: building, device, event time.
#[derive(Debug, Clone, Copy)]
pub struct Alarm {
    building: u32,
    device: u32,
    at_ms: i64,
}

/// A row of the floor's table: what a line of cache holds.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub struct Row([u64; 8]);

/// A table of so many rows, and as many places to touch in it.
#[must_use]
pub fn floor_table(rows: usize, touches: usize) -> (Vec<Row>, Vec<u32>) {
    let mut draw = Draw(4);
    let places = (0..touches).map(|_| u32::try_from(draw.below(rows as u64)).expect("rows are counted in 32 bits"));
    (vec![Row([1; 8]); rows], places.collect())
}

/// Reads and writes a row at each of the places.
pub fn touch(table: &mut [Row], places: &[u32]) -> u64 {
    let mut sum = 0_u64;
    for place in places {
        let Row(row) = &mut table[*place as usize];
        sum = sum.wrapping_add(row[0]);
        row[1] += 1;
    }
    sum
}

/// Fires over a city of so many buildings with five devices each, 83 in a millisecond.
#[must_use]
pub fn alarms(buildings: u32, count: usize) -> Vec<Alarm> {
    let mut draw = Draw(5);
    let alarms = (0..count).map(|number| {
        let building = u32::try_from(draw.below(buildings.into())).expect("it is below a number of 32 bits");
        let device = building * 5 + u32::try_from(draw.below(5)).expect("it is below five");
        Alarm { building, device, at_ms: i64::try_from(number / 83).expect("few enough") }
    });
    alarms.collect()
}

/// What spoke in a building of late.
#[derive(Debug, Default)]
pub struct Window(Vec<(u32, i64)>);

impl Window {
    /// Whether two devices speak in it now.
    fn take(&mut self, alarm: &Alarm) -> bool {
        let Self(spoken) = self;
        spoken.retain(|(_, at_ms)| at_ms + WINDOW_MS >= alarm.at_ms);
        spoken.push((alarm.device, alarm.at_ms));
        spoken.iter().any(|(device, _)| *device != alarm.device)
    }
}

/// A way to keep windows: so many alarms in, how many held out; on one thread or on several.
pub type Way = fn(&[Alarm], u32, usize) -> usize;

/// Every way, by what it is called in the table.
pub const WAYS: [(&str, Way); 4] = [
    ("windows in a list, one writer each", in_lists),
    ("windows in a std HashMap, one writer each", in_maps),
    ("windows in a dashmap, shared", in_dashmap),
    ("windows behind a mutex each, shared", behind_mutexes),
];

/// Does `work` on each of several threads, which is told its number; the sum of what they give.
fn on_threads(threads: usize, work: impl Fn(usize) -> usize + Sync) -> usize {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        running.into_iter().map(|thread| thread.join().expect("no alternative panics")).sum()
    })
}

/// Regions share nothing: each thread has its own part of the city, and passes over the others' alarms. Parts are
/// streets one behind the other: to divide by the number of threads before the address is known costs more than a lock
/// that nobody holds.
fn part_of(buildings: u32, thread: usize, threads: usize) -> Range<u32> {
    let begins = |thread: usize| u32::try_from(buildings as usize * thread / threads).expect("it is at most all");
    begins(thread)..begins(thread + 1)
}

/// What is shared is taken in turn by all threads.
fn in_turn(alarms: &[Alarm], thread: usize, threads: usize) -> impl Iterator<Item = &Alarm> {
    alarms.iter().skip(thread).step_by(threads)
}

fn in_lists(alarms: &[Alarm], buildings: u32, threads: usize) -> usize {
    on_threads(threads, |thread| {
        let part = part_of(buildings, thread, threads);
        let mut windows: Vec<Window> = part.clone().map(|_| Window::default()).collect();
        let own = alarms.iter().filter(|alarm| part.contains(&alarm.building));
        own.filter(|alarm| windows[(alarm.building - part.start) as usize].take(alarm)).count()
    })
}

fn in_maps(alarms: &[Alarm], buildings: u32, threads: usize) -> usize {
    on_threads(threads, |thread| {
        let part = part_of(buildings, thread, threads);
        let mut windows: HashMap<u32, Window> = HashMap::new();
        let own = alarms.iter().filter(|alarm| part.contains(&alarm.building));
        own.filter(|alarm| windows.entry(alarm.building).or_default().take(alarm)).count()
    })
}

fn in_dashmap(alarms: &[Alarm], _: u32, threads: usize) -> usize {
    let windows: DashMap<u32, Window> = DashMap::new();
    on_threads(threads, |thread| {
        in_turn(alarms, thread, threads).filter(|alarm| windows.entry(alarm.building).or_default().take(alarm)).count()
    })
}

fn behind_mutexes(alarms: &[Alarm], buildings: u32, threads: usize) -> usize {
    let windows: Vec<Mutex<Window>> = (0..buildings).map(|_| Mutex::default()).collect();
    on_threads(threads, |thread| {
        in_turn(alarms, thread, threads)
            .filter(|alarm| windows[alarm.building as usize].lock().expect("nobody panics").take(alarm))
            .count()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_say_the_same_where_one_thread_keeps_the_order() {
        let alarms = alarms(50, 2_000);
        let held: Vec<usize> = WAYS.iter().map(|(_, way)| way(&alarms, 50, 1)).collect();
        assert!(held[0] > 0 && held.iter().all(|others| *others == held[0]), "{held:?}");
        // Where each building has one writer, the number of threads changes nothing.
        assert_eq!((in_lists(&alarms, 50, 2), in_maps(&alarms, 50, 2)), (held[0], held[0]));
    }
}
