//! The night: an iterator of raw records in the order of their arrival.
//!
//! Two heaps feed it: the rhythm (each device's next heartbeat or reading) and the agenda (what was said and is still
//! on its way). Episodes (fires, nuisance, drills, trouble) are put on the agenda at the beginning of the minute in
//! which they start, so that the memory grows with the city and with what is under way, never with the length of the
//! night. What is under way when the night ends still arrives.

mod agenda;
mod drill;
mod garbage;
mod nuisance;
mod rhythm;
mod trouble;

use std::collections::BTreeSet;

use fenghuo_model::Kind;

use crate::city::City;
use crate::encode::Encoder;
use crate::fire;
use crate::plan::MINUTE_MS;
use crate::random::{Purpose, Random};
use crate::record::RawRecord;
use agenda::{Agenda, Statement};

pub(crate) use agenda::{Speaker, Speech};
use nuisance::Nuisance;
use rhythm::Rhythm;

/// The raw records of one night, in the order of their arrival; see [`City::night`].
pub struct Night<'c> {
    city: &'c City,
    encoder: Encoder<'c>,
    agenda: Agenda,
    rhythm: Rhythm,
    nuisance: Nuisance,
    /// Buildings with a planted fire, which nothing else may trouble.
    burning: BTreeSet<u32>,
    next_script: usize,
    /// Up to here, episodes stand on the agenda.
    planned_to_ms: i64,
    garbage_chance: Random,
    spoiled: Option<RawRecord>,
    unreadable_count: u64,
}

impl<'c> Night<'c> {
    pub(crate) fn new(city: &'c City) -> Self {
        let lines = city.scripts.iter().flat_map(|script| &script.lines);
        let burning = lines.map(|line| match line.speaker {
            fire::Speaker::Device(device) => city.device(device).building,
            fire::Speaker::Person(building) => building,
        });
        Self {
            city,
            encoder: Encoder::new(city),
            agenda: Agenda::new(&city.plan),
            rhythm: Rhythm::new(city),
            nuisance: Nuisance::new(city),
            burning: burning.collect(),
            next_script: 0,
            planned_to_ms: city.plan.start_ms,
            garbage_chance: Random::keyed(city.plan.seed, Purpose::Garbage, 0),
            spoiled: None,
            unreadable_count: 0,
        }
    }

    /// How many unreadable records were mixed in so far.
    #[must_use]
    pub fn unreadable_count(&self) -> u64 {
        self.unreadable_count
    }

    /// Puts the episodes of the next minute on the agenda.
    fn plan_minute(&mut self) {
        let from_ms = self.planned_to_ms;
        self.planned_to_ms += MINUTE_MS;
        while let Some(script) = self.city.scripts.get(self.next_script)
            && script.ignition_ms < self.planned_to_ms
        {
            for line in &script.lines {
                let statement = match line.speaker {
                    fire::Speaker::Device(device) => Statement::of_device(device, line.kind),
                    fire::Speaker::Person(building) => Statement::of_person(building, line.kind, ""),
                };
                self.agenda.say(self.city, line.at_ms, statement);
            }
            self.next_script += 1;
        }
        let minute = from_ms.div_euclid(MINUTE_MS).unsigned_abs();
        let seed = self.city.plan.seed;
        let mut episode = Episodes { city: self.city, burning: &self.burning, agenda: &mut self.agenda, from_ms };
        self.nuisance.plan(&mut episode, &mut Random::keyed(seed, Purpose::Nuisance, minute));
        trouble::plan(&mut episode, &mut Random::keyed(seed, Purpose::Trouble, minute));
        drill::plan(&mut episode, &mut Random::keyed(seed, Purpose::Drill, minute));
    }

    /// The next record that a device, cloud or person sends, and whether it is part of the rhythm.
    fn next_sent(&mut self) -> Option<(RawRecord, bool)> {
        let end_ms = self.city.plan.end_ms();
        loop {
            let beat_ms = self.rhythm.next_ms().filter(|at_ms| *at_ms < end_ms);
            let arrival_ms = self.agenda.next_ms();
            let next_ms = beat_ms.into_iter().chain(arrival_ms).min();
            if self.planned_to_ms < end_ms && next_ms.is_none_or(|next_ms| next_ms >= self.planned_to_ms) {
                self.plan_minute();
                continue;
            }
            let next_ms = next_ms?;
            if arrival_ms == Some(next_ms) {
                return Some((self.agenda.take(&mut self.encoder), false));
            }
            let device = self.rhythm.take(self.city);
            let speech = Speech { at_ms: next_ms, platform_ms: next_ms, statement: Statement::beat(self.city, device) };
            return Some((self.encoder.encode(next_ms, &speech), true));
        }
    }
}

impl Iterator for Night<'_> {
    type Item = RawRecord;

    fn next(&mut self) -> Option<RawRecord> {
        if let Some(spoiled) = self.spoiled.take() {
            return Some(spoiled);
        }
        let (record, is_beat) = self.next_sent()?;
        if self.garbage_chance.chance(self.city.plan.garbage_share) {
            // Of alarms, nothing is copied into garbage: a spoiled alarm may still count as one somewhere.
            self.spoiled = Some(garbage::spoil(&record, is_beat, &mut self.garbage_chance));
            self.unreadable_count += 1;
        }
        Some(record)
    }
}

/// What the kinds of episodes plan with: the city, the minute, and where to put what is said.
struct Episodes<'n> {
    city: &'n City,
    burning: &'n BTreeSet<u32>,
    agenda: &'n mut Agenda,
    from_ms: i64,
}

impl Episodes<'_> {
    fn device(&mut self, at_ms: i64, device: u32, kind: Kind) {
        self.agenda.say(self.city, at_ms, Statement::of_device(device, kind));
    }

    fn drilled(&mut self, at_ms: i64, device: u32, kind: Kind) {
        let statement = Statement { in_drill: true, ..Statement::of_device(device, kind) };
        self.agenda.say(self.city, at_ms, statement);
    }

    fn person(&mut self, at_ms: i64, building: u32, kind: Kind, cause: &'static str) {
        self.agenda.say(self.city, at_ms, Statement::of_person(building, kind, cause));
    }

    /// A moment of the minute.
    fn moment_ms(&self, random: &mut Random) -> i64 {
        self.from_ms + random.within((0, MINUTE_MS - 1))
    }

    /// How often something happens in this minute that happens `yearly` times a year in all.
    fn count(random: &mut Random, yearly: f64) -> u32 {
        const MINUTES_PER_YEAR: f64 = 525_960.0;
        random.count(yearly / MINUTES_PER_YEAR)
    }

    /// Any building that no fire needs to itself; none if there is none by a few draws.
    fn quiet_building(&self, random: &mut Random) -> Option<u32> {
        if self.city.buildings.is_empty() {
            return None;
        }
        (0..8).find_map(|_| {
            let building = u32::try_from(random.index(self.city.buildings.len())).ok()?;
            (!self.burning.contains(&building)).then_some(building)
        })
    }
}
