//! The open loop: records are sent at the times of a plan, whatever becomes of those before.
//!
//! The clock of a record runs from the time it was meant to be sent: a sender that is late, a queue that is full, a
//! pause of the machine count as what they are to whoever waits for the fire brigade.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fenghuo_engine::time_of_day::now_ms;
use fenghuo_model::Kind;
use fenghuo_sinks::RawProducer;
use fenghuo_sinks::raw::RawError;
use fenghuo_tests::trouble::Trouble;

use crate::city::{City, Pair};
use crate::load::json;

/// What is sent, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'p> {
    /// The topic.
    pub topic: &'p str,
    /// Records a second.
    pub rate: u32,
    /// Every so many records one is a fire: the first of a pair of devices, then the second.
    pub fire_every: u32,
    /// For how long.
    pub duration: Duration,
    /// Who burns; two records each.
    pub pairs: &'p [Pair],
}

/// When each fire was meant to be sent, by device.
pub type Meant = HashMap<String, Instant>;

/// How long after a record's time the sender may wake.
const NAP: Duration = Duration::from_micros(500);
/// How long the last records may take to be acknowledged.
const FINISH_WITHIN: Duration = Duration::from_secs(30);

/// How many records a rate a second is in some time.
#[must_use]
pub fn records_in(rate: u32, duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).saturating_mul(rate.into()) / 1_000
}

/// Who sends: one client for all plans of a measurement, so that its own first connection, which takes half a second,
/// is over before the records that count.
pub struct Sender(RawProducer);

impl Sender {
    /// Connects to a broker when the first record is sent.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn new(brokers: &str) -> Result<Self, Trouble> {
        let properties =
            [("linger.ms", "0"), ("compression.type", "none"), ("queue.buffering.max.messages", "1000000")];
        Ok(Self(RawProducer::new(brokers, properties).map_err(|error| failed(&error))?))
    }

    /// Waits until everything is acknowledged.
    ///
    /// # Errors
    /// Some records are not.
    pub fn finish(self) -> Result<(), Trouble> {
        self.0.finish(FINISH_WITHIN).map_err(|error| failed(&error))?;
        Ok(())
    }
}

fn failed(error: &RawError) -> Trouble {
    Trouble::from(error.to_string())
}

/// Sends by plan until it is over, or `stop` says so; when each fire was meant to be sent.
///
/// # Errors
/// Records are not taken.
pub fn send(
    Sender(producer): &mut Sender,
    city: &City,
    plan: &Plan<'_>,
    stop: impl Fn() -> bool,
) -> Result<Meant, Trouble> {
    let began = Instant::now();
    let began_ms = now_ms();
    let each = Duration::from_secs(1) / plan.rate;
    let count = records_in(plan.rate, plan.duration);
    let mut meant = Meant::new();
    let mut fires = plan.pairs.iter().flat_map(|pair| &pair.devices);
    for number in 0..count {
        let after = each * u32::try_from(number).unwrap_or(u32::MAX);
        while began.elapsed() < after {
            std::thread::sleep((after - began.elapsed().min(after)).min(NAP));
        }
        if stop() {
            break;
        }
        let is_fire = number % u64::from(plan.fire_every) == 0;
        let fire = if is_fire { fires.next() } else { None };
        let place = usize::try_from(number.wrapping_mul(0x9E37_79B9) % city.names.len() as u64).unwrap_or(0);
        let name = fire.unwrap_or(&city.names[place]);
        let kind = if fire.is_some() { Kind::Fire } else { Kind::Heartbeat };
        let at_ms = began_ms + i64::try_from(after.as_millis()).unwrap_or(0);
        // A multiple of the range by which clocks are drawn behind: these are right.
        let bytes = json(name, kind, number * 2_000, at_ms, None);
        if let Some(device) = fire {
            meant.insert(device.clone(), began + after);
        }
        producer.send(plan.topic, name.as_bytes(), &bytes, at_ms).map_err(|error| failed(&error))?;
    }
    Ok(meant)
}
