//! The raw record: bytes as a device or cloud sent them, on the channel they came by.

use fenghuo_decode::Format;

/// The way by which raw records reach the platform; each is a raw topic of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Frames of user information transmission devices (GB/T 26875.3-2011).
    Gb26875,
    /// Pushes of the NB-IoT cloud.
    Ctwing,
    /// Electrical monitors and e-bike cabinets in the native form.
    Signal,
    /// What people say, in the native form; only here are confirm and clear accepted.
    People,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 4] = [Self::Gb26875, Self::Ctwing, Self::Signal, Self::People];

    /// The Kafka topic of the channel.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Gb26875 => "raw.gb26875",
            Self::Ctwing => "raw.ctwing",
            Self::Signal => "raw.signal",
            Self::People => "raw.people",
        }
    }

    /// How its bytes are decoded.
    #[must_use]
    pub const fn format(self) -> Format {
        match self {
            Self::Gb26875 => Format::Gb26875,
            Self::Ctwing => Format::Ctwing,
            Self::Signal | Self::People => Format::Signal,
        }
    }
}

/// One record as it arrives at the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// When it arrived, Unix milliseconds.
    pub timestamp_ms: i64,
    /// The way by which it came.
    pub channel: Channel,
    /// The device or transmission device that it came from, as its protocol names it.
    pub key: String,
    /// What was sent.
    pub bytes: Vec<u8>,
    /// Whether the record was spoiled on purpose, so that no signal can be read from it.
    pub unreadable: bool,
}
