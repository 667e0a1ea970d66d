//! Why, and why not: what every rule sees around a building at an instant, and what one more signal would do.
//!
//! Nothing here changes anything: it looks at a region as it stands, with the same eyes that judge.

use fenghuo_model::decision::EvidenceEntry;
use fenghuo_model::policy::Rule;
use fenghuo_model::registry::{BuildingIdx, Registry};
use fenghuo_model::time::Rfc3339;
use fenghuo_model::{Kind, Sensor};
use serde::Serialize;

use crate::evidence::{DeviceKey, Voice};
use crate::judge::{Bench, Surroundings};
use crate::tally::{Share, Tally};

/// Of devices whose alarm would have confirmed, so many are named.
const NAMED_DEVICES: usize = 5;

/// What the rules see around a building at an instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Examination {
    /// The building's id.
    pub building: String,
    /// Its region.
    pub region: String,
    /// The instant that was examined.
    pub at: Rfc3339,
    /// The region's clock, if it heard anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Rfc3339>,
    /// The open incident that holds the building.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// Whether that incident is confirmed.
    pub confirmed: bool,
    /// The building's evidence as it is held, by event time.
    pub evidence: Vec<ExaminedEvidence>,
    /// Every rule, in the policy's order.
    pub rules: Vec<ExaminedRule>,
}

/// A piece of evidence, and whether it counts at the instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExaminedEvidence {
    /// The evidence.
    #[serde(flatten)]
    pub entry: EvidenceEntry,
    /// When its device restored after it, if that was by the instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Rfc3339>,
    /// Whether it is too old to be judged with others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
    /// The rules for which it counts at the instant.
    pub counts_for: Vec<String>,
}

/// A rule at the instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExaminedRule {
    /// The rule's id.
    pub rule: String,
    /// Whether it holds.
    pub holds: bool,
    /// Whether the building's premises are among the rule's.
    pub premises_match: bool,
    /// Of a neighbourhood rule: the origin shown, one where it holds, else the nearest to holding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Every minimum above 1, with what there is.
    pub minima: Vec<Minimum>,
    /// What one further signal would make it hold.
    pub one_more: OneMore,
}

/// A minimum of a rule and what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Minimum {
    /// Its key in the policy.
    pub name: &'static str,
    /// What the rule asks.
    pub needs: u64,
    /// What there is.
    pub has: u64,
}

/// Which one further signal would make a rule hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OneMore {
    /// A person's `confirm` in the building.
    pub confirm: bool,
    /// How many registered devices within reach would do it by a `fire`.
    pub devices_total: usize,
    /// The first of them, by id.
    pub devices: Vec<String>,
}

impl Minimum {
    /// By how much it is missed; 0 if it is reached.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.needs.saturating_sub(self.has)
    }
}

impl Bench<'_> {
    /// A rule at an instant, for the building; `reaches` are the origins of a neighbourhood rule, the building's first.
    pub(crate) fn examine_rule(
        &self,
        rule: &Rule,
        building: BuildingIdx,
        reaches: &[Surroundings],
        instant_ms: i64,
    ) -> ExaminedRule {
        let best = reaches
            .iter()
            .map(|reach| self.look(rule, reach, instant_ms))
            .min_by_key(|look| (!look.holds, look.minima.iter().map(Minimum::missing).sum::<u64>()));
        let premises_match = self.allows_premises(rule, building);
        let Some(look) = best else {
            let (rule, one_more) = (rule.id.clone(), OneMore::default());
            return ExaminedRule { rule, holds: false, premises_match, origin: None, minima: Vec::new(), one_more };
        };
        let origin = rule.radius_m.map(|_| self.registry.building(look.origin).id.to_string());
        ExaminedRule {
            rule: rule.id.clone(),
            holds: look.holds,
            premises_match,
            origin,
            minima: look.minima,
            one_more: look.one_more,
        }
    }

    fn look(&self, rule: &Rule, reach: &Surroundings, instant_ms: i64) -> Look {
        let pool = self.pool(rule, &reach.buildings);
        let alive = self.alive(rule, &pool, instant_ms);
        let tally = Tally::of(&alive, self.registry, self.policy);
        let allowed = self.allows_premises(rule, reach.origin);
        let holds = |alive: &[Share<'_>]| {
            let own = alive.iter().any(|share| share.voice.building == reach.origin);
            allowed && own && self.holds(rule, alive)
        };
        let holds_now = holds(&alive);
        let with = |voice: &Voice| {
            let share = Share { voice, earliest_ms: instant_ms, latest_ms: instant_ms };
            let shares: Vec<Share<'_>> = alive.iter().copied().chain([share]).collect();
            crate::judge::passes(rule, voice) && holds(&shares)
        };
        let mut one_more = OneMore::default();
        if !holds_now {
            one_more.confirm = with(&person(reach.origin));
            let devices = (0..).zip(self.registry.devices());
            for (number, device) in devices.filter(|(_, device)| reach.buildings.contains(&device.building)) {
                if with(&alarm_of(self.registry, number)) {
                    one_more.devices_total += 1;
                    one_more.devices.push(device.id.to_string());
                }
            }
            one_more.devices.sort_unstable();
            one_more.devices.truncate(NAMED_DEVICES);
        }
        Look { origin: reach.origin, holds: holds_now, minima: minima(rule, &tally), one_more }
    }
}

struct Look {
    origin: BuildingIdx,
    holds: bool,
    minima: Vec<Minimum>,
    one_more: OneMore,
}

fn minima(rule: &Rule, tally: &Tally<'_>) -> Vec<Minimum> {
    let count = |name, needs: u32, has: usize| Minimum { name, needs: needs.into(), has: has as u64 };
    let duration = |ms: i64| u64::try_from(ms).unwrap_or(0);
    [
        count("min_devices", rule.min_devices, tally.devices),
        count("min_locations", rule.min_locations, tally.locations.len()),
        count("min_classes", rule.min_classes, tally.classes.len()),
        count("min_buildings", rule.min_buildings, tally.buildings),
        Minimum { name: "min_score", needs: rule.min_score.into(), has: tally.score() },
        Minimum { name: "min_span_ms", needs: duration(rule.min_span_ms), has: duration(tally.span_ms()) },
    ]
    .into_iter()
    .filter(|minimum| match minimum.name {
        "min_devices" => true,
        "min_score" | "min_span_ms" => minimum.needs > 0,
        _ => minimum.needs > 1,
    })
    .collect()
}

fn person(building: BuildingIdx) -> Voice {
    Voice {
        device: DeviceKey::Stranger("a person".into()),
        building,
        location: "a person".into(),
        sensor: Sensor::Operator,
        kind: Kind::Confirm,
        isolated: false,
        unregistered: false,
    }
}

fn alarm_of(registry: &Registry, number: u32) -> Voice {
    let device = registry.device(number);
    Voice {
        device: DeviceKey::Registered(number),
        building: device.building,
        location: device.location.unwrap_or(device.id).into(),
        sensor: device.sensor,
        kind: Kind::Fire,
        isolated: false,
        unregistered: false,
    }
}
