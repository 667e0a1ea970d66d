//! A region looked at from outside: what its rules see around a building.

use fenghuo_model::registry::BuildingIdx;
use fenghuo_model::time::Rfc3339;

use super::Region;
use crate::evidence::{Piece, Voice};
use crate::examine::{Examination, ExaminedEvidence};
use crate::judge::{Bench, Surroundings, View};
use crate::window::Window;

impl Region {
    /// What the rules see around a building at an instant, by what has arrived so far.
    pub(crate) fn examine(&self, building: BuildingIdx, instant_ms: i64) -> Examination {
        let since_ms = self.clock_ms.map_or(i64::MIN, |clock_ms| clock_ms - self.memory_ms);
        let bench = Bench {
            registry: &self.registry,
            policy: &self.policy,
            devices: &self.devices,
            incidents: &self.incidents,
            view: View::Since(since_ms),
        };
        let incident = self.incidents.of_building(building).map(|slot| self.incidents.get(slot));
        let series = self.incidents.window(building).into_iter().flat_map(Window::series);
        let mut evidence: Vec<ExaminedEvidence> = series
            .flat_map(|series| series.pieces.iter().map(move |piece| (series, piece)))
            .map(|(series, piece)| ExaminedEvidence {
                entry: self.scribe().entry(&series.voice, piece),
                restored_at: self.restored_at(&series.voice, piece, instant_ms),
                forgotten: piece.at_ms < since_ms,
                counts_for: {
                    let rules = self.policy.rules.iter();
                    let counting = rules.filter(|rule| bench.counts(rule, series, piece, instant_ms));
                    counting.map(|rule| rule.id.clone()).collect()
                },
            })
            .collect();
        evidence.sort_by(|one, other| (one.entry.at, &one.entry.device).cmp(&(other.entry.at, &other.entry.device)));
        let rules = self.policy.rules.iter();
        Examination {
            building: self.registry.building(building).id.to_string(),
            region: self.name.to_string(),
            at: Rfc3339(instant_ms),
            clock: self.clock_ms.map(Rfc3339),
            incident: incident.map(|incident| incident.id.to_string()),
            confirmed: incident.is_some_and(crate::incident::Incident::is_confirmed),
            evidence,
            rules: rules
                .map(|rule| bench.examine_rule(rule, building, &self.origins(building, rule.radius_m), instant_ms))
                .collect(),
        }
    }

    /// The building as origin, and for a neighbourhood rule the others within its radius that have evidence.
    fn origins(&self, building: BuildingIdx, radius_m: Option<f64>) -> Vec<Surroundings> {
        let Some(radius_m) = radius_m else {
            return vec![Surroundings { origin: building, buildings: vec![building] }];
        };
        let near = |origin| self.registry.neighbours(origin, radius_m).into_iter().map(|(near, _)| near);
        let others = near(building).filter(|other| *other != building && self.incidents.window(*other).is_some());
        let origins = std::iter::once(building).chain(others);
        origins.map(|origin| Surroundings { origin, buildings: near(origin).collect() }).collect()
    }

    fn restored_at(&self, voice: &Voice, piece: &Piece, instant_ms: i64) -> Option<Rfc3339> {
        let restored_ms = self.devices.first_restore_after_ms(&voice.device, piece.at_ms)?;
        (restored_ms <= instant_ms).then_some(Rfc3339(restored_ms))
    }
}
