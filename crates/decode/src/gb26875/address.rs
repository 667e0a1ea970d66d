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
    named(|name| write_transmission_device(source, name))
}

/// `gb:<source>:<system type>.<system address>`: a system.
#[must_use]
pub fn system(source: u64, system: System) -> String {
    named(|name| write_system(source, system, name))
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
    named(|name| write_component(source, component, name))
}

// Every frame names its device, so that the general way to format would be a third of what reading a frame costs.
// And always inlined: where a string was made with room for it, its pushes need not look whether there is any.

/// Room for the longest name: `gb:`, 12 digits, `:255.255:`, 8 digits.
const LONGEST: usize = 32;

#[inline(always)]
fn named(write: impl FnOnce(&mut String)) -> String {
    let mut name = String::with_capacity(LONGEST);
    write(&mut name);
    name
}

#[inline(always)]
pub(super) fn write_transmission_device(source: u64, name: &mut String) {
    name.push_str("gb:");
    push_hex(source & SOURCE_MASK, 12, name);
}

#[inline(always)]
pub(super) fn write_component(source: u64, component: Component, name: &mut String) {
    write_system(source, component.system, name);
    name.push(':');
    push_hex(component.address.into(), 8, name);
}

#[inline(always)]
pub(super) fn write_system(source: u64, System { system_type, address }: System, name: &mut String) {
    write_transmission_device(source, name);
    name.push(':');
    push_decimal(system_type, name);
    name.push('.');
    push_decimal(address, name);
}

/// The low `digits` hexadecimal digits of a number.
#[inline(always)]
fn push_hex(number: u64, digits: u32, name: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for place in (0..digits).rev() {
        name.push(char::from(DIGITS[(number >> (4 * place) & 0xF) as usize]));
    }
}

#[inline(always)]
fn push_decimal(number: u8, name: &mut String) {
    let digit = |digit: u8| char::from(b'0' + digit % 10);
    if number >= 100 {
        name.push(digit(number / 100));
    }
    if number >= 10 {
        name.push(digit(number / 10));
    }
    name.push(digit(number));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_standard_formatter_writes_them() {
        for number in 0..=255_u8 {
            let system = System { system_type: number, address: 255 - number };
            let source = u64::from(number).wrapping_mul(0x0123_4567_89AB_CDEF);
            let address = u32::from(number).wrapping_mul(0x0101_0F0F);
            let begun = format!("gb:{:012x}", source & SOURCE_MASK);
            assert_eq!(transmission_device(source), begun);
            assert_eq!(super::system(source, system), format!("{begun}:{number}.{}", 255 - number));
            let component = Component { system, component_type: 40, address };
            assert_eq!(super::component(source, component), format!("{begun}:{number}.{}:{address:08x}", 255 - number));
        }
    }
}
