//! The keys of state records: `KIND/LENGTH/REGION/REST`, readable in any tool, unambiguous whatever ids hold.

use crate::evidence::DeviceKey;
use fenghuo_model::registry::Registry;

/// The key of what was counted; it has no region.
pub(super) const COUNTERS: &str = "counters";

/// What a record with a region is about; the first word of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Region,
    Building,
    Device,
    Accepted,
    Unplaced,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Region, Self::Building, Self::Device, Self::Accepted, Self::Unplaced];

    const fn word(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Building => "building",
            Self::Device => "device",
            Self::Accepted => "accepted",
            Self::Unplaced => "unplaced",
        }
    }

    /// The key of a record; the length is that of the region's name in bytes, `rest` tells the region's records apart.
    pub(super) fn key(self, region: &str, rest: &str) -> Vec<u8> {
        let (word, length) = (self.word(), region.len().to_string());
        [word, "/", &length, "/", region, "/", rest].concat().into_bytes()
    }
}

/// The kind, region and rest of a key that [`Kind::key`] made.
pub(super) fn parse(key: &[u8]) -> Option<(Kind, &str, &str)> {
    let key = str::from_utf8(key).ok()?;
    let (word, tail) = key.split_once('/')?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
    let (length, tail) = tail.split_once('/')?;
    let (region, tail) = tail.split_at_checked(length.parse().ok()?)?;
    Some((kind, region, tail.strip_prefix('/')?))
}

/// The rest of a device's key: an `r` before a registered one's id, an `s` before the name of any other.
pub(super) fn rest_of(device: &DeviceKey, registry: &Registry) -> String {
    let letter = match device {
        DeviceKey::Registered(_) => 'r',
        DeviceKey::Stranger(_) => 's',
    };
    format!("{letter}/{}", device.id(registry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_apart_as_they_were_made() {
        for region in ["", "洪梅", "a/b", "3/abc/"] {
            for rest in ["", "B1", "r/D/1", "/"] {
                for kind in Kind::ALL {
                    assert_eq!(parse(&kind.key(region, rest)), Some((kind, region, rest)));
                }
            }
        }
        for key in
            ["", "counters", "region", "region/x/y/z", "region/9/y/z", "region/1/yz", "other/1/y/z", "region/2/洪/"]
        {
            assert_eq!(parse(key.as_bytes()), None, "{key}");
        }
    }
}
