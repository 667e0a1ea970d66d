//! The devices of a building: what they are, where they hang, and under which address their protocol names them.

use fenghuo_model::{Premises, Sensor};

use crate::random::Random;
use crate::record::Channel;

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// A battery smoke detector that speaks to the cloud by NB-IoT.
    NbSmoke,
    /// A user information transmission device.
    Gateway,
    /// A fire alarm panel behind one.
    Panel,
    /// A component of a panel, by its type in GB/T 26875.3.
    Component(u8),
    /// A charging cabinet of e-bike batteries.
    Ebike,
    /// A monitor of cable temperature or residual current.
    Electrical,
}

/// Component types of GB/T 26875.3-2011, table of component types.
pub(crate) mod component {
    pub(crate) const CABLE_TEMPERATURE: u8 = 18;
    pub(crate) const CALL_POINT: u8 = 23;
    pub(crate) const HEAT: u8 = 30;
    pub(crate) const SMOKE: u8 = 40;
    pub(crate) const COMBINED: u8 = 50;
    pub(crate) const WATER_FLOW: u8 = 96;
}

/// Which spot of its floor a device watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spot {
    /// A flat or room by its number.
    Flat(u8),
    /// The kitchen of that flat.
    Kitchen(u8),
    Corridor,
    ControlRoom,
    Charging,
    DistributionBox,
}

/// One device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Device {
    pub(crate) building: u32,
    pub(crate) make: Make,
    pub(crate) floor: u8,
    pub(crate) spot: Spot,
    /// Its number in its building.
    pub(crate) number: u16,
    /// Whether it watches a kitchen where it should not.
    pub(crate) bad_kitchen: bool,
    /// Whether it stands in no registry.
    pub(crate) unregistered: bool,
}

impl Device {
    /// The spot as the registry names it, such as `3F/301` or `3F/301/kitchen`.
    pub(crate) fn location(&self) -> String {
        let floor = self.floor;
        match self.spot {
            Spot::Flat(flat) => format!("{floor}F/{floor}{flat:02}"),
            Spot::Kitchen(flat) => format!("{floor}F/{floor}{flat:02}/kitchen"),
            Spot::Corridor => format!("{floor}F/corridor"),
            Spot::ControlRoom => format!("{floor}F/control-room"),
            Spot::Charging => format!("{floor}F/charging"),
            Spot::DistributionBox => format!("{floor}F/distribution-box"),
        }
    }

    /// The spot in Chinese, as panels show it.
    pub(crate) fn description(&self) -> String {
        let floor = self.floor;
        match self.spot {
            Spot::Flat(flat) => format!("{floor}楼{floor}{flat:02}室"),
            Spot::Kitchen(flat) => format!("{floor}楼{floor}{flat:02}室厨房"),
            Spot::Corridor => format!("{floor}楼走廊"),
            Spot::ControlRoom => format!("{floor}楼消控室"),
            Spot::Charging => format!("{floor}楼充电区"),
            Spot::DistributionBox => format!("{floor}楼配电箱"),
        }
    }

    /// What it senses, in the registry's word.
    pub(crate) fn sensor(&self) -> Sensor {
        match self.make {
            Make::NbSmoke | Make::Component(component::SMOKE) => Sensor::Smoke,
            Make::Gateway | Make::Panel => Sensor::Panel,
            Make::Component(component::HEAT) => Sensor::Heat,
            Make::Component(component::COMBINED) => Sensor::Multi,
            Make::Component(component::CALL_POINT) => Sensor::CallPoint,
            Make::Component(component::WATER_FLOW) => Sensor::WaterFlow,
            Make::Component(component::CABLE_TEMPERATURE) | Make::Electrical => Sensor::Electrical,
            Make::Component(_) => Sensor::Unknown,
            Make::Ebike => Sensor::Ebike,
        }
    }

    pub(crate) fn channel(&self) -> Channel {
        match self.make {
            Make::NbSmoke => Channel::Ctwing,
            Make::Gateway | Make::Panel | Make::Component(_) => Channel::Gb26875,
            Make::Ebike | Make::Electrical => Channel::Signal,
        }
    }

    /// Whether it detects fire of itself: smoke, heat, or both.
    pub(crate) fn detects_fire(&self) -> bool {
        matches!(self.sensor(), Sensor::Smoke | Sensor::Heat | Sensor::Multi)
    }
}

/// Whether buildings of that use have detectors wired to a panel.
pub(crate) const fn is_wired(premises: Premises) -> bool {
    matches!(
        premises,
        Premises::Factory
            | Premises::Warehouse
            | Premises::Crowded
            | Premises::School
            | Premises::KeyUnit
            | Premises::Mall
            | Premises::Hospital
    )
}

/// Puts the devices of one building at the end of `devices`.
pub(crate) fn install(
    (building, premises, floors): (u32, Premises, u8),
    unregistered_share: f64,
    random: &mut Random,
    devices: &mut Vec<Device>,
) {
    let mut installation = Installation { building, next_number: 0, devices };
    if is_wired(premises) {
        installation.wire(floors, random);
    } else {
        installation.hang_detectors(premises, floors, unregistered_share, random);
    }
    installation.add_monitors(premises, random);
}

struct Installation<'d> {
    building: u32,
    next_number: u16,
    devices: &'d mut Vec<Device>,
}

impl Installation<'_> {
    fn add(&mut self, make: Make, floor: u8, spot: Spot) -> &mut Device {
        self.devices.push(Device {
            building: self.building,
            make,
            floor,
            spot,
            number: self.next_number,
            bad_kitchen: false,
            unregistered: false,
        });
        self.next_number += 1;
        self.devices.last_mut().expect("one was pushed just now")
    }

    /// The transmission device first, then the panel, then its components floor by floor.
    fn wire(&mut self, floors: u8, random: &mut Random) {
        self.add(Make::Gateway, 1, Spot::ControlRoom);
        self.add(Make::Panel, 1, Spot::ControlRoom);
        for number in 0..random.small((4, 13)) {
            let (floor, flat) = (number % floors + 1, number / floors + 1);
            // The first three are a pair of detectors and a call point, so that every building has them.
            let make = match number {
                0 | 1 => component::SMOKE,
                2 => component::CALL_POINT,
                _ => random.weighted(&[
                    (component::SMOKE, 60),
                    (component::HEAT, 17),
                    (component::COMBINED, 6),
                    (component::CALL_POINT, 8),
                    (component::WATER_FLOW, 4),
                    (component::CABLE_TEMPERATURE, 5),
                ]),
            };
            let spot = match make {
                component::CALL_POINT | component::WATER_FLOW => Spot::Corridor,
                component::CABLE_TEMPERATURE => Spot::DistributionBox,
                _ => Spot::Flat(flat),
            };
            self.add(Make::Component(make), floor, spot);
        }
    }

    /// Battery detectors from flat to flat; here and there a second one in the kitchen.
    fn hang_detectors(&mut self, premises: Premises, floors: u8, unregistered_share: f64, random: &mut Random) {
        let (fewest, most) = match premises {
            Premises::Rental => (floors - 1, floors + 1),
            Premises::GroupRental => (floors, floors + 4),
            Premises::SelfBuilt => (floors.saturating_sub(2).max(1), floors),
            Premises::Residential => (floors - 2, floors),
            Premises::ThreeInOne => (2, 5),
            _ => (1, 3),
        };
        let count = random.small((fewest, most));
        let mut hung = 0;
        let mut flats = 0;
        while hung < count {
            let (floor, flat) = (flats % floors + 1, flats / floors + 1);
            flats += 1;
            let spot = if premises == Premises::EbikeShed && flats == 1 { Spot::Charging } else { Spot::Flat(flat) };
            let device = self.add(Make::NbSmoke, floor, spot);
            device.bad_kitchen = random.chance(0.04);
            device.unregistered = random.chance(unregistered_share);
            hung += 1;
            if hung < count && spot == Spot::Flat(flat) && random.chance(0.05) {
                let device = self.add(Make::NbSmoke, floor, Spot::Kitchen(flat));
                device.bad_kitchen = random.chance(0.4);
                hung += 1;
            }
        }
    }

    fn add_monitors(&mut self, premises: Premises, random: &mut Random) {
        let (ebikes, ebike_chance, electrical_chance) = match premises {
            Premises::EbikeShed => (2, 1.0, 1.0),
            Premises::ThreeInOne | Premises::Factory => (0, 0.0, 1.0),
            Premises::GroupRental => (1, 0.4, 0.0),
            Premises::Residential => (1, 0.5, 0.0),
            Premises::Rental => (0, 0.0, 0.2),
            _ => (0, 0.0, 0.0),
        };
        if random.chance(ebike_chance) {
            for _ in 0..ebikes {
                self.add(Make::Ebike, 1, Spot::Charging);
            }
        }
        if random.chance(electrical_chance) {
            self.add(Make::Electrical, 1, Spot::DistributionBox);
        }
    }
}
