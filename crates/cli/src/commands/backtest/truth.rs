//! The fires that there were, as `fenghuo simulate` writes them to `truth.jsonl`, or as a duty log may say.

use std::fs;
use std::path::Path;

use fenghuo_model::{Fault, Registry};
use serde::Deserialize;

use crate::failure::Failure;
use crate::verdict::Verdict;

/// One fire; further fields are no error.
#[derive(Debug, Deserialize)]
struct Fire {
    /// The building where it began.
    building: String,
    /// When, Unix milliseconds.
    ignition_ms: i64,
    /// When a detector in a second room of the building alarmed; absent if none did.
    second_room_ms: Option<i64>,
    /// The buildings that caught it.
    #[serde(default)]
    spread_to: Vec<String>,
}

/// The fires that there were, in the order of the file.
#[derive(Debug)]
pub struct Truth {
    fires: Vec<Fire>,
    places: Vec<Place>,
}

/// What a building is counted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The word of its use.
    pub premises: String,
    /// Its village, with its town where that is known: villages of different towns may share a name.
    pub village: String,
}

impl Place {
    /// By the words of a registry.
    pub fn new(premises: &str, town: Option<&str>, village: Option<&str>) -> Self {
        let village = [town, village].into_iter().flatten().collect::<Vec<_>>().join("/");
        Self { premises: premises.to_owned(), village: if village.is_empty() { "-".to_owned() } else { village } }
    }
}

impl Truth {
    /// Reads the fires of a file.
    ///
    /// # Errors
    /// The file cannot be read, or lines of it are no fires of this registry; then all of them are named.
    pub fn read(path: &Path, registry: &Registry) -> Result<Self, Failure> {
        let bytes = fs::read(path).map_err(|error| Failure::file(path, error))?;
        let mut truth = Self { fires: Vec::new(), places: Vec::new() };
        let mut faults = Vec::new();
        for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            if text.trim_ascii().is_empty() {
                continue;
            }
            if let Err(reason) = truth.add(text, registry) {
                faults.push(Fault { file: path.display().to_string(), line, reason, excerpt: None });
            }
        }
        if faults.is_empty() { Ok(truth) } else { Err(faults.into()) }
    }

    fn add(&mut self, text: &[u8], registry: &Registry) -> Result<(), String> {
        let fire: Fire = serde_json::from_slice(text).map_err(|error| format!("not a fire: {error}"))?;
        let place_of = |id: &str| {
            let building = registry.building_by_id(id).ok_or_else(|| format!("the registry has no building {id:?}"))?;
            let building = registry.building(building);
            Ok::<_, String>(Place::new(building.premises.word(), building.town.as_deref(), building.village.as_deref()))
        };
        let place = place_of(&fire.building)?;
        fire.spread_to.iter().try_for_each(|building| place_of(building).map(drop))?;
        self.fires.push(fire);
        self.places.push(place);
        Ok(())
    }

    /// A verdict that knows these fires, and no decision yet.
    pub fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::default();
        for fire in &self.fires {
            verdict.plant(&fire.building, fire.ignition_ms, &fire.spread_to);
        }
        verdict
    }

    /// Where each fire began, and whether it reached a second room.
    pub fn fires(&self) -> impl Iterator<Item = (&Place, bool)> {
        self.places.iter().zip(self.fires.iter().map(|fire| fire.second_room_ms.is_some()))
    }
}
