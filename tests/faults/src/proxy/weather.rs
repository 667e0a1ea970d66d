//! The state of the network between members and brokers: what happens to everything that passes.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// The way of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From a member to a broker.
    ToBroker,
    /// From a broker to a member.
    ToMember,
}

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// Nothing gets through to brokers; what was sent arrives when it clears up, as TCP would send it again.
    pub holds_to_broker: bool,
    /// Nothing gets through to members.
    pub holds_to_member: bool,
    /// How long everything takes, each way.
    pub latency: Duration,
    /// How many bytes a connection carries in a second, each way; 0 for no limit.
    pub bytes_per_second: u32,
}

/// The weather of one broker, which connections ask and wait for.
#[derive(Debug, Default)]
pub struct Sky {
    weather: Mutex<Weather>,
    changed: Condvar,
}

impl Sky {
    /// Changes the weather.
    pub fn set(&self, weather: Weather) {
        *self.weather.lock().expect("nothing panics while it is held") = weather;
        self.changed.notify_all();
    }

    /// The weather now.
    pub fn now(&self) -> Weather {
        *self.weather.lock().expect("nothing panics while it is held")
    }

    /// Waits until something may go this way; gives the weather then.
    pub fn wait(&self, way: Way) -> Weather {
        let mut weather = self.weather.lock().expect("nothing panics while it is held");
        while match way {
            Way::ToBroker => weather.holds_to_broker,
            Way::ToMember => weather.holds_to_member,
        } {
            weather = self.changed.wait(weather).expect("nothing panics while it is held");
        }
        *weather
    }
}
