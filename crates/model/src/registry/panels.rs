//! Which devices are panels of which: a panel's address, followed by ':', begins its components'.
//!
//! A panel repeats what its components say, so that whoever counts must know of each device whose panel it is. That is
//! settled once, when it is first asked, and as numbers: alarms come by the thousand, and texts are slow.

use super::{DeviceIdx, Registry};

/// The number of no device.
const NONE: DeviceIdx = DeviceIdx::MAX;

/// The nearest panel of each device, and who is one.
#[derive(Debug)]
pub(super) struct Panels {
    panel_of: Vec<DeviceIdx>,
    /// A bit for each device.
    has_components: Vec<u64>,
}

impl Panels {
    fn of(registry: &Registry) -> Self {
        let count = registry.devices().len();
        let mut panels = Self { panel_of: Vec::with_capacity(count), has_components: vec![0; count.div_ceil(64)] };
        // Components mostly stand one behind the other in the registry.
        let mut last: (&str, DeviceIdx) = ("", NONE);
        for device in registry.devices() {
            let name = device.address.unwrap_or(device.id);
            let mut panel = NONE;
            for (at, _) in name.rmatch_indices(':') {
                let prefix = &name[..at];
                if last.0 != prefix {
                    last = (prefix, registry.named_as_panel(prefix).unwrap_or(NONE));
                }
                panel = last.1;
                if panel != NONE {
                    panels.has_components[panel as usize / 64] |= 1 << (panel % 64);
                    break;
                }
            }
            panels.panel_of.push(panel);
        }
        panels
    }
}

impl Registry {
    fn panels(&self) -> &Panels {
        self.panels.get_or_init(|| Panels::of(self))
    }

    /// The device whose address, or id where it has no address, is this text.
    fn named_as_panel(&self, text: &str) -> Option<DeviceIdx> {
        let by_id = || {
            self.devices.named(text).map(|(device, _)| device).filter(|device| self.device(*device).address.is_none())
        };
        self.devices.by_address(text).or_else(by_id)
    }

    /// The device whose address, followed by ':', begins this one's; of several the longest. That one may have a panel
    /// of its own. (A device without an address is known by its id.)
    #[must_use]
    pub fn panel_of(&self, device: DeviceIdx) -> Option<DeviceIdx> {
        Some(self.panels().panel_of[device as usize]).filter(|panel| *panel != NONE)
    }

    /// The registered devices that are panels of one that is in no registry, by its name.
    pub fn panels_of_stranger<'r>(&'r self, name: &'r str) -> impl Iterator<Item = DeviceIdx> + 'r {
        name.match_indices(':').filter_map(|(at, _)| self.named_as_panel(&name[..at]))
    }

    /// Whether some registered device's panel is this one.
    #[must_use]
    pub fn has_components(&self, device: DeviceIdx) -> bool {
        self.panels().has_components[device as usize / 64] >> (device % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_registered_prefix_is_the_panel() {
        let lines = r#"
            {"type":"building","id":"B","lon":113.0,"lat":23.0}
            {"type":"device","id":"gateway","building":"B","address":"gb:1"}
            {"type":"device","id":"first","building":"B","address":"gb:1:2:3"}
            {"type":"device","id":"panel","building":"B","address":"gb:1:2"}
            {"type":"device","id":"second","building":"B","address":"gb:1:2:4"}
            {"type":"device","id":"alike","building":"B","address":"gb:12"}
            {"type":"device","id":"bare","building":"B"}
            {"type":"device","id":"under","building":"B","address":"bare:1"}
        "#;
        let lines: String = lines.lines().map(|line| line.trim().to_owned() + "\n").collect();
        let registry = Registry::from_json_lines("panels", lines.trim_start().as_bytes()).expect("it has no faults");
        let panels: Vec<_> =
            (0..7).map(|device| registry.panel_of(device).map(|panel| registry.device(panel).id)).collect();
        assert_eq!(panels, [None, Some("panel"), Some("gateway"), Some("panel"), None, None, Some("bare")]);
        let with: Vec<_> = (0..7).map(|device| registry.has_components(device)).collect();
        assert_eq!(with, [true, false, true, false, false, true, false]);
        assert_eq!(registry.panels_of_stranger("gb:1:2:9").collect::<Vec<_>>(), [0, 2]);
        assert_eq!(registry.panels_of_stranger("gb").count(), 0);
    }
}
