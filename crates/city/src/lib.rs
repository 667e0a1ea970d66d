//! A synthetic city and its night, as raw records in the real wire formats, and the truth about what burned.
//!
//! From a [`Plan`] comes a [`City`]: regions, towns, villages, buildings along lanes, about five devices each. Its
//! [`City::night`] yields what the platform would receive, in the order of arrival: frames of transmission devices,
//! pushes of the NB-IoT cloud, native signals, and what people say. Heartbeats and readings are nearly all of it; among
//! them nuisance, drills, faults, outages, repeats, wrong clocks, and the planted fires of [`City::truth`].
//!
//! Everything follows from the plan: the same plan gives the same bytes on any machine. The rules by which fires are
//! confirmed are unknown here, so that the truth cannot copy their mistakes.

mod city;
mod device;
mod encode;
mod fire;
mod layout;
mod names;
mod night;
mod plan;
mod random;
mod record;
mod registry;

pub use city::City;
pub use fire::PlantedFire;
pub use night::Night;
pub use plan::Plan;
pub use record::{Channel, RawRecord};
