//! The city: built once from its plan, then only read, by the registry's writer and by the night.

use fenghuo_decode::gb26875::address::{self, Component, System};
use fenghuo_model::Premises;

use crate::device::{self, Device, Make};
use crate::fire::{self, PlantedFire, Script};
use crate::layout::{self, PREMISES, Village};
use crate::night::Night;
use crate::plan::Plan;
use crate::random::{Purpose, Random};

/// A synthetic city and what burns in it.
#[derive(Debug)]
pub struct City {
    pub(crate) plan: Plan,
    pub(crate) villages: Vec<Village>,
    pub(crate) buildings: Vec<Building>,
    pub(crate) devices: Vec<Device>,
    pub(crate) gateways: Vec<u32>,
    pub(crate) scripts: Vec<Script>,
    truth: Vec<PlantedFire>,
}

/// One building; its devices stand together in the city's list.
#[derive(Debug, Clone)]
pub(crate) struct Building {
    pub(crate) village: u32,
    pub(crate) lon: f64,
    pub(crate) lat: f64,
    pub(crate) premises: Premises,
    pub(crate) floors: u8,
    pub(crate) first_device: u32,
    pub(crate) device_count: u32,
    /// Which of the city's transmission devices it has.
    pub(crate) gateway: Option<u32>,
}

impl City {
    /// Builds the city and plants its fires; the work grows with the number of buildings.
    ///
    /// # Panics
    /// If the plan asks for more devices than a 32-bit number counts (about 800 million buildings).
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut city = Self {
            plan: plan.clone(),
            villages: layout::villages(plan.seed, plan.buildings),
            buildings: Vec::with_capacity(plan.buildings as usize),
            devices: Vec::with_capacity(plan.buildings as usize * 5),
            gateways: Vec::new(),
            scripts: Vec::new(),
            truth: Vec::new(),
        };
        for village in 0..city.villages.len() {
            for number in 0..city.villages[village].building_count {
                city.build(village, number);
            }
        }
        (city.scripts, city.truth) = fire::plant(&city);
        city
    }

    fn build(&mut self, village: usize, number: u32) {
        let building = dense(self.buildings.len());
        let first_device = dense(self.devices.len());
        let mut random = Random::keyed(self.plan.seed, Purpose::Building, building.into());
        let premises = random.weighted(&PREMISES);
        let floors = random.small(layout::floors(premises));
        let (lon, lat) = self.villages[village].place_of(number, &mut random);
        let share = self.plan.unregistered_share;
        device::install((building, premises, floors), share, &mut random, &mut self.devices);
        let gateway = self.devices.get(first_device as usize).is_some_and(|device| device.make == Make::Gateway);
        let gateway = gateway.then(|| {
            self.gateways.push(first_device);
            dense(self.gateways.len() - 1)
        });
        let device_count = dense(self.devices.len()) - first_device;
        let village = dense(village);
        self.buildings.push(Building { village, lon, lat, premises, floors, first_device, device_count, gateway });
    }

    /// The plan it was built from.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The raw records of the night, in the order of their arrival; every call begins it anew.
    #[must_use]
    pub fn night(&self) -> Night<'_> {
        Night::new(self)
    }

    /// The fires that were planted, in the order of their ignition.
    #[must_use]
    pub fn truth(&self) -> &[PlantedFire] {
        &self.truth
    }

    /// How many buildings there are.
    #[must_use]
    pub fn building_count(&self) -> usize {
        self.buildings.len()
    }

    /// How many devices there are, registered or not.
    #[must_use]
    pub fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// The addresses of the devices that send but stand in no registry, by intent.
    pub fn unregistered_addresses(&self) -> impl Iterator<Item = String> + '_ {
        (0..).zip(&self.devices).filter(|(_, device)| device.unregistered).map(|(number, _)| self.address_of(number))
    }

    pub(crate) fn device(&self, device: u32) -> &Device {
        &self.devices[device as usize]
    }

    pub(crate) fn building(&self, building: u32) -> &Building {
        &self.buildings[building as usize]
    }

    pub(crate) fn village_of(&self, building: u32) -> &Village {
        &self.villages[self.building(building).village as usize]
    }

    /// The numbers of a building's devices.
    pub(crate) fn devices_of(&self, building: u32) -> std::ops::Range<u32> {
        let building = self.building(building);
        building.first_device..building.first_device + building.device_count
    }

    /// The grid of a building within its village.
    pub(crate) fn grid_of(&self, building: u32) -> String {
        Village::grid_of(building - self.village_of(building).first_building)
    }

    /// The sender's number of the transmission device that a wired device stands behind; 4419 is Dongguan.
    pub(crate) fn source_of(&self, device: &Device) -> u64 {
        let gateway = self.building(device.building).gateway.expect("wired devices stand in buildings with a gateway");
        0x4419_0000_0001 + u64::from(gateway)
    }

    /// The identity under which the device's protocol names it.
    pub(crate) fn address_of(&self, number: u32) -> String {
        let device = self.device(number);
        match device.make {
            Make::NbSmoke => format!("imei:{}", imei(number)),
            Make::Gateway => address::transmission_device(self.source_of(device)),
            Make::Panel => address::system(self.source_of(device), SYSTEM),
            Make::Component(_) => address::component(self.source_of(device), component(device)),
            Make::Ebike => format!("sn:EB{number:08}"),
            Make::Electrical => format!("sn:EL{number:08}"),
        }
    }
}

/// The one fire alarm system of a wired building.
pub(crate) const SYSTEM: System = System { system_type: 1, address: 1 };

/// A wired device as its panel knows it: floor and number make the address.
pub(crate) fn component(device: &Device) -> Component {
    let component_type = match device.make {
        Make::Component(component_type) => component_type,
        _ => 1,
    };
    let address = u32::from(device.floor) << 16 | u32::from(device.number);
    Component { system: SYSTEM, component_type, address }
}

/// A building's id in the registry.
pub(crate) fn building_id(building: u32) -> String {
    format!("B{:06}", building + 1)
}

/// A device's id in the registry.
pub(crate) fn device_id(device: u32) -> String {
    format!("D{:07}", device + 1)
}

/// Fifteen digits, the last one being Luhn's check digit.
pub(crate) fn imei(device: u32) -> u64 {
    let body = 86_000_000_000_000 + u64::from(device) + 1;
    let mut sum = 0;
    let mut rest = body;
    for doubled in [true, false].into_iter().cycle().take(14) {
        let digit = rest % 10;
        rest /= 10;
        sum += match (doubled, digit * 2) {
            (false, _) => digit,
            (true, twice) => twice / 10 + twice % 10,
        };
    }
    body * 10 + (10 - sum % 10) % 10
}

/// A list's length or place as a dense number.
fn dense(number: usize) -> u32 {
    u32::try_from(number).expect("a city's buildings and devices are counted in 32 bits")
}
