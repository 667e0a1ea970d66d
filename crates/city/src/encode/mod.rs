//! From a statement to the bytes of its wire format.

mod ctwing;
mod gb26875;
mod native;

use crate::city::City;
use crate::night::{Speaker, Speech};
use crate::record::{Channel, RawRecord};

/// Encodes what a city's devices and people say; counts the frames of every transmission device.
pub(crate) struct Encoder<'c> {
    city: &'c City,
    /// The next serial number of each transmission device; it wraps.
    serials: Vec<u16>,
}

impl<'c> Encoder<'c> {
    pub(crate) fn new(city: &'c City) -> Self {
        Self { city, serials: vec![0; city.gateways.len()] }
    }

    /// The record of a statement that arrives at `timestamp_ms`.
    pub(crate) fn encode(&mut self, timestamp_ms: i64, speech: &Speech) -> RawRecord {
        let (channel, (key, bytes)) = match speech.statement.speaker {
            Speaker::Person { building, cause } => {
                (Channel::People, native::of_person(self.city, building, cause, speech))
            }
            Speaker::Device(device) => {
                let channel = self.city.device(device).channel();
                let encoded = match channel {
                    Channel::Gb26875 => self.frame(device, speech),
                    Channel::Ctwing => ctwing::push(self.city, device, speech),
                    Channel::Signal | Channel::People => native::of_device(self.city, device, speech),
                };
                (channel, encoded)
            }
        };
        RawRecord { timestamp_ms, channel, key, bytes, unreadable: false }
    }

    fn frame(&mut self, device: u32, speech: &Speech) -> (String, Vec<u8>) {
        let building = self.city.building(self.city.device(device).building);
        let gateway = building.gateway.expect("wired devices stand in buildings with a gateway");
        let serial = &mut self.serials[gateway as usize];
        let encoded = gb26875::frame(self.city, gateway, *serial, device, speech);
        *serial = serial.wrapping_add(1);
        encoded
    }
}
