//! The closed vocabularies of signals and buildings: kinds, sensors, premises; each word exactly as it is written.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares an enumeration whose variants are written as fixed words, in the order of the words' list.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it is written.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that the word stands for.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.word()) }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

words! {
    /// What a signal states.
    Kind {
        /// An alarm.
        Fire = "fire",
        /// A first sign, below the alarm.
        Prealarm = "prealarm",
        /// The alarm or prealarm is over, says the device.
        Restore = "restore",
        /// The device is faulty.
        Fault = "fault",
        /// The fault is over.
        FaultRestore = "fault_restore",
        /// The device is shielded: its alarms are not to count.
        Isolate = "isolate",
        /// The shielding is over.
        IsolateRestore = "isolate_restore",
        /// A self-test or drill runs.
        Test = "test",
        /// The sounders were silenced.
        Silence = "silence",
        /// Somebody is on the way to look.
        Acknowledge = "acknowledge",
        /// A person says that it burns.
        Confirm = "confirm",
        /// A person says that it does not burn.
        Clear = "clear",
        /// Equipment started, fed back or is supervised.
        Supervisory = "supervisory",
        /// Somebody meddles with the device.
        Tamper = "tamper",
        /// The battery runs low.
        LowBattery = "low_battery",
        /// The device is not reachable.
        Offline = "offline",
        /// The device is reachable again.
        Online = "online",
        /// The device lives.
        Heartbeat = "heartbeat",
        /// A measured value.
        Reading = "reading",
    }
}

impl Kind {
    /// Whether it comes from people, who name a building, and whose sensor is `operator`.
    #[must_use]
    pub const fn is_by_people(self) -> bool {
        matches!(self, Self::Acknowledge | Self::Confirm | Self::Clear)
    }

    /// Whether it only shows that the device lives: a heartbeat, or a value of what is measured all day.
    #[must_use]
    pub const fn is_sign_of_life(self) -> bool {
        matches!(self, Self::Heartbeat | Self::Reading)
    }
}

words! {
    /// What senses.
    Sensor {
        /// Smoke.
        Smoke = "smoke",
        /// Heat.
        Heat = "heat",
        /// Flame.
        Flame = "flame",
        /// Combustible gas.
        Gas = "gas",
        /// Several principles in one detector.
        Multi = "multi",
        /// A button pressed by a person.
        CallPoint = "call_point",
        /// Water flows in the sprinkler or hydrant system.
        WaterFlow = "water_flow",
        /// Residual current, cable temperature and the like.
        Electrical = "electrical",
        /// A charging cabinet or shed of e-bike batteries.
        Ebike = "ebike",
        /// Image analysis.
        Video = "video",
        /// A fire alarm panel, without saying which detector.
        Panel = "panel",
        /// A person.
        Operator = "operator",
        /// Not known.
        Unknown = "unknown",
    }
}

impl Sensor {
    /// Whether it says nothing of what was sensed: counts as a class only where there is nothing else.
    #[must_use]
    pub const fn is_unspecific(self) -> bool {
        matches!(self, Self::Panel | Self::Unknown)
    }
}

words! {
    /// What a building is used for.
    Premises {
        /// Rented rooms.
        Rental = "rental",
        /// Rented rooms of many tenants.
        GroupRental = "group_rental",
        /// A house built by its owner.
        SelfBuilt = "self_built",
        /// Small shops, small workshops, small places of amusement (三小场所).
        ThreeSmall = "three_small",
        /// The nine kinds of small premises (九小场所).
        NineSmall = "nine_small",
        /// Production, storage and dwelling under one roof (三合一).
        ThreeInOne = "three_in_one",
        /// Parking and charging of e-bikes.
        EbikeShed = "ebike_shed",
        /// A factory.
        Factory = "factory",
        /// A building site.
        Construction = "construction",
        /// A place where many people meet.
        Crowded = "crowded",
        /// A key unit of fire safety.
        KeyUnit = "key_unit",
        /// Dwellings.
        Residential = "residential",
        /// A school.
        School = "school",
        /// A hospital.
        Hospital = "hospital",
        /// A shopping centre.
        Mall = "mall",
        /// A store.
        Warehouse = "warehouse",
        /// Anything else.
        Other = "other",
    }
}
