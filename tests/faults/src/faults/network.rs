//! The network between members and brokers fails, by the proxy: nothing, one way, resets, drops by drops, latency.

use std::time::{Duration, Instant};

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night, turn};
use crate::cluster::NODES;
use crate::crew::{SESSION_MS, Seat};
use crate::proxy::Weather;
use crate::round::{Round, Setting};

/// What the network does, in turn.
#[derive(Debug, Clone, Copy)]
enum Storm {
    Blackhole,
    OneWay,
    Reset,
    SlowDrip,
    Latency,
}

const STORMS: [Storm; 5] = [Storm::Blackhole, Storm::OneWay, Storm::Reset, Storm::SlowDrip, Storm::Latency];

const RESET_EVERY: Duration = Duration::from_millis(250);
/// A connection that carries a decision in a second or two.
const DRIP_BYTES_PER_SECOND: u32 = 4_000;
const LATENCY: Duration = Duration::from_secs(2);

/// A failing network.
pub struct Network;

impl Fault for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn does(&self) -> &'static str {
        "blackhole, one way, resets, slow drip, 2 s latency between members and brokers"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 60 } else { 5 }
    }

    fn setting(&self, seed: u64, _long: bool) -> Setting {
        Setting { plan: night(seed), seats: vec![Seat::fixed("a"), Seat::fixed("b")], proxied: true }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        let storm = *turn(&STORMS, round.seed);
        // All brokers first, then one after the other.
        let time = round.seed.wrapping_sub(1) / STORMS.len() as u64;
        let broker = usize::try_from(time % (u64::from(NODES) + 1)).unwrap_or_default();
        let broker = broker.checked_sub(1);
        // Sometimes shorter than a session, sometimes longer.
        let lasts = Duration::from_millis(round.random.between(SESSION_MS / 2, SESSION_MS * 2));
        round.until_any_share()?;
        round.notes.push(format!("{storm:?} for {lasts:?} before broker {broker:?}"));
        round.mark();
        let held = match storm {
            Storm::Blackhole => Weather { holds_to_broker: true, holds_to_member: true, ..Weather::default() },
            Storm::OneWay => Weather { holds_to_member: true, ..Weather::default() },
            Storm::Reset => Weather::default(),
            Storm::SlowDrip => Weather { bytes_per_second: DRIP_BYTES_PER_SECOND, ..Weather::default() },
            Storm::Latency => Weather { latency: LATENCY, ..Weather::default() },
        };
        round.cluster.proxy.set_weather(broker, held);
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            if matches!(storm, Storm::Reset) {
                round.cluster.proxy.cut();
            }
            round.pause(RESET_EVERY)?;
        }
        Ok(Struck::Done)
    }
}
