//! The identities under which the registry and the signals name what stands behind a frame.
//!
//! A panel's address followed by `:` begins those of its components, so that what is registered only as a panel still
//! places every component behind it.

/// The bits of a sender's six bytes.
const SOURCE_MASK: u64 = 0xFFFF_FFFF_FFFF;

/// A system of a building: a fire alarm system, an electrical-fire monitor, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct System {
    /// System type (GB/T 26875.3-2011, table 5): 1 fire alarm system, and so on.
    pub system_type: u8,
    /// System address.
    pub address: u8,
}

/// A component of a system: a detector, a call point, a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Component {
    /// The system it belongs to.
    pub system: System,
    /// Component type (GB/T 26875.3-2011, table 6): 40 smoke detector, and so on.
    pub component_type: u8,
    /// Component address.
    pub address: u32,
}

/// `gb:<source>`: a transmission device; of `source`, the low 48 bits count.
///
/// ```
/// assert_eq!(fenghuo_decode::gb26875::address::transmission_device(0x379), "gb:000000000379");
/// ```
#[must_use]
pub fn transmission_device(source: u64) -> String {
    format!("gb:{:012x}", source & SOURCE_MASK)
}

/// `gb:<source>:<system type>.<system address>`: a system.
#[must_use]
pub fn system(source: u64, system: System) -> String {
    format!("gb:{:012x}:{}.{}", source & SOURCE_MASK, system.system_type, system.address)
}

/// `gb:<source>:<system type>.<system address>:<component address>`: a component; its type is not part of it.
///
/// ```
/// use fenghuo_decode::gb26875::address::{Component, System, component};
/// let smoke = Component { system: System { system_type: 1, address: 1 }, component_type: 40, address: 0x2_000a };
/// assert_eq!(component(0x379, smoke), "gb:000000000379:1.1:0002000a");
/// ```
#[must_use]
pub fn component(source: u64, component: Component) -> String {
    let System { system_type, address } = component.system;
    format!("gb:{:012x}:{system_type}.{address}:{:08x}", source & SOURCE_MASK, component.address)
}
