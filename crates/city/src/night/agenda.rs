//! The agenda: what was said and is still on its way to the platform, in the order of arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fenghuo_model::Kind;

use crate::city::City;
use crate::device::Make;
use crate::encode::Encoder;
use crate::plan::{Plan, SECOND_MS};
use crate::random::{Purpose, Random};
use crate::record::{Channel, RawRecord};

/// What is stated, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    pub(crate) speaker: Speaker,
    pub(crate) kind: Kind,
    /// Said within a drill: a wired component is shielded, a native device says that it is a test.
    pub(crate) in_drill: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Speaker {
    Device(u32),
    /// A grid officer or resident; an empty cause says nothing.
    Person {
        building: u32,
        cause: &'static str,
    },
}

impl Statement {
    pub(crate) fn of_device(device: u32, kind: Kind) -> Self {
        Self { speaker: Speaker::Device(device), kind, in_drill: false }
    }

    pub(crate) fn of_person(building: u32, kind: Kind, cause: &'static str) -> Self {
        Self { speaker: Speaker::Person { building, cause }, kind, in_drill: false }
    }

    /// What a device says in its rhythm: monitors a reading, all others that they live.
    pub(crate) fn beat(city: &City, device: u32) -> Self {
        let kind = match city.device(device).make {
            Make::Component(_) | Make::Ebike | Make::Electrical => Kind::Reading,
            Make::NbSmoke | Make::Gateway | Make::Panel => Kind::Heartbeat,
        };
        Self::of_device(device, kind)
    }

    fn channel(self, city: &City) -> Channel {
        match self.speaker {
            Speaker::Device(device) => city.device(device).channel(),
            Speaker::Person { .. } => Channel::People,
        }
    }
}

/// A statement with its times, Unix milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speech {
    pub(crate) statement: Statement,
    /// At the place where it happened, by a right clock.
    pub(crate) at_ms: i64,
    /// At the cloud, where there is one; without one as `at_ms`.
    pub(crate) platform_ms: i64,
}

enum Entry {
    Speech(Speech),
    /// The same bytes once more.
    Copy(RawRecord),
}

/// One thing on its way; entries are told apart by their sequence, which the order of planning gives.
struct Coming {
    arrival_ms: i64,
    sequence: u64,
    entry: Entry,
}

impl PartialEq for Coming {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Coming {}

impl PartialOrd for Coming {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Coming {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrival_ms, self.sequence).cmp(&(other.arrival_ms, other.sequence))
    }
}

/// What is on its way.
pub(crate) struct Agenda {
    coming: BinaryHeap<Reverse<Coming>>,
    next_sequence: u64,
    seed: u64,
    radio_ms: (i64, i64),
    duplicate_share: f64,
}

/// A transmission device needs at most 10 s (the standard's budget); most need less.
const WIRE_MS: (i64, i64) = (300, 8_000);
/// What a cloud needs to push on.
const PUSH_MS: (i64, i64) = (40, 900);
/// Between one push of a cloud and the next of the same content.
const PUSH_AGAIN_MS: (i64, i64) = (283, 93_000);
/// Between a frame and its resend.
const RESEND_MS: (i64, i64) = (5 * SECOND_MS, 30 * SECOND_MS);

impl Agenda {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            coming: BinaryHeap::new(),
            next_sequence: 0,
            seed: plan.seed,
            radio_ms: plan.radio_ms,
            duplicate_share: plan.duplicate_share,
        }
    }

    /// When the next thing arrives.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.coming.peek().map(|Reverse(next)| next.arrival_ms)
    }

    /// Puts a statement of `at_ms` on its way.
    pub(crate) fn say(&mut self, city: &City, at_ms: i64, statement: Statement) {
        let random = &mut Random::keyed(self.seed, Purpose::Speech, self.next_sequence);
        let (platform_ms, arrival_ms) = match statement.channel(city) {
            Channel::Ctwing => {
                let platform_ms = at_ms + random.skewed(self.radio_ms);
                (platform_ms, platform_ms + random.skewed(PUSH_MS))
            }
            Channel::Gb26875 => (at_ms, at_ms + random.skewed(WIRE_MS)),
            Channel::Signal | Channel::People => (at_ms, at_ms + random.within(PUSH_MS)),
        };
        self.add(arrival_ms, Entry::Speech(Speech { statement, at_ms, platform_ms }));
    }

    /// The next thing's record; there must be one.
    pub(crate) fn take(&mut self, encoder: &mut Encoder<'_>) -> RawRecord {
        let Reverse(next) = self.coming.pop().expect("the agenda was asked for its next time first");
        match next.entry {
            Entry::Copy(record) => record,
            Entry::Speech(speech) => {
                let record = encoder.encode(next.arrival_ms, &speech);
                self.repeat(next.sequence, &record);
                record
            }
        }
    }

    fn repeat(&mut self, sequence: u64, record: &RawRecord) {
        // A stream of its own: the delays of the same sequence have been drawn already.
        let random = &mut Random::keyed(!self.seed, Purpose::Speech, sequence);
        let (most, between_ms) = match record.channel {
            Channel::Ctwing => (2, PUSH_AGAIN_MS),
            Channel::Gb26875 => (1, RESEND_MS),
            Channel::Signal | Channel::People => return,
        };
        let mut last_ms = record.timestamp_ms;
        for _ in 0..most {
            if !random.chance(self.duplicate_share) {
                return;
            }
            // The second push again is at most 93 s behind the first.
            last_ms += random.skewed((between_ms.0, between_ms.1 - (last_ms - record.timestamp_ms)));
            let copy = RawRecord { timestamp_ms: last_ms, ..record.clone() };
            self.add(last_ms, Entry::Copy(copy));
        }
    }

    fn add(&mut self, arrival_ms: i64, entry: Entry) {
        self.coming.push(Reverse(Coming { arrival_ms, sequence: self.next_sequence, entry }));
        self.next_sequence += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::{City, Plan};

    #[test]
    fn what_is_under_way_does_not_grow_with_the_night() {
        let plan = Plan { buildings: 300, hours: 60.0, nuisance_scale: 1_000.0, fires: Some(30), ..Plan::default() };
        let city = City::new(&Plan { trouble_scale: 20.0, ..plan });
        let mut night = city.night();
        let (mut early, mut late) = (0, 0);
        let half_ms = city.plan().start_ms + 30 * crate::plan::HOUR_MS;
        while let Some(record) = night.next() {
            let most = if record.timestamp_ms < half_ms { &mut early } else { &mut late };
            *most = night.agenda.coming.len().max(*most);
        }
        assert!(early > 10 && late < 3 * early, "at most {early} before the middle, {late} after it");
        assert_eq!(night.agenda.coming.len(), 0);
    }
}
