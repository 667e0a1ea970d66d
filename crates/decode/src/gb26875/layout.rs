//! Where what stands in a frame: the constants that reading and writing share (GB/T 26875.3-2011, 6.2 and 8).

/// Begins a frame.
pub const START_MARK: [u8; 2] = [0x40, 0x40];
/// Ends a frame.
pub const END_MARK: [u8; 2] = [0x23, 0x23];

/// The serial number: two bytes, little-endian, as all numbers of a frame.
pub(super) const SERIAL_AT: usize = 2;
/// The protocol's version: main, user.
pub(super) const VERSION_AT: usize = 4;
/// The time of sending: second, minute, hour, day, month, year of the century.
pub(super) const SENT_AT: usize = 6;
/// The sender: six bytes.
pub(super) const SOURCE_AT: usize = 12;
/// Whom it is for: six bytes.
pub(super) const DESTINATION_AT: usize = 18;
/// The length of the data unit: two bytes.
pub(super) const LENGTH_AT: usize = 24;
/// The command.
pub(super) const COMMAND_AT: usize = 26;
/// The data unit; behind it the check sum and the end mark.
pub(super) const UNIT_AT: usize = 27;

/// Bytes of a frame without a data unit.
pub const SHORTEST_FRAME: usize = UNIT_AT + 1 + END_MARK.len();
/// The longest data unit, bytes; a longer one is refused at once, so that no length stalls the stream.
pub const LONGEST_UNIT: usize = 1024;

/// Bytes of an address of sender or receiver.
pub(super) const ADDRESS_LENGTH: usize = 6;
/// Bytes of a time label.
pub(super) const TIME_LENGTH: usize = 6;
/// Bytes of a component's text, GB 18030.
pub const TEXT_LENGTH: usize = 31;

/// What a frame is for.
pub mod command {
    /// The centre controls the device.
    pub const CONTROL: u8 = 1;
    /// The device sends what happened.
    pub const SEND: u8 = 2;
    /// Either side acknowledges.
    pub const ACKNOWLEDGE: u8 = 3;
    /// The centre asks.
    pub const REQUEST: u8 = 4;
    /// The device answers.
    pub const ANSWER: u8 = 5;
    /// Either side denies.
    pub const DENY: u8 = 6;
}

/// What the objects of a data unit are.
pub mod flag {
    /// States of systems.
    pub const SYSTEM_STATE: u8 = 1;
    /// States of components.
    pub const COMPONENT_STATE: u8 = 2;
    /// Analog values of components.
    pub const ANALOG_VALUE: u8 = 3;
    /// Operations at systems.
    pub const SYSTEM_OPERATION: u8 = 4;
    /// States of the transmission device.
    pub const DEVICE_STATE: u8 = 21;
    /// Operations at the transmission device.
    pub const DEVICE_OPERATION: u8 = 24;

    /// Whether it stands in frames to a device only: reads of states and configurations, settings, checks of the guard.
    #[must_use]
    pub const fn is_downlink(flag: u8) -> bool {
        matches!(flag, 61..=68 | 81..=91)
    }
}

/// The check sum: the sum of all bytes between start mark and check sum, modulo 256.
pub(super) fn check_sum(covered: &[u8]) -> u8 {
    covered.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// A little-endian number of at most eight bytes.
pub(super) fn number(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(eight)
}
