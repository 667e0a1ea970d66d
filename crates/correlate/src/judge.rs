//! Judging: at which instant, and around which origin, a rule holds.
//!
//! When evidence joins a building, a rule's candidate instants are that evidence's event time and the event times of
//! evidence up to a window later: late evidence may complete what was seen after it. Nothing here changes anything.

use fenghuo_model::Policy;
use fenghuo_model::policy::Rule;
use fenghuo_model::registry::{BuildingIdx, Registry};

use crate::devices::Devices;
use crate::evidence::{Evidence, Piece, Voice};
use crate::incidents::Incidents;
use crate::tally::{Share, Tally};
use crate::window::{Series, Window};

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'j> {
    /// Everything that happened at or after an instant; before it, it is forgotten.
    Since(i64),
    /// One piece of evidence that arrived so late that it is judged alone.
    Alone(&'j Evidence),
}

impl View<'_> {
    /// Whether a piece can be seen.
    pub(crate) fn shows(&self, piece: &Piece) -> bool {
        match self {
            Self::Since(since_ms) => piece.at_ms >= *since_ms,
            Self::Alone(alone) => piece.arrival == alone.piece.arrival,
        }
    }
}

/// What judging looks at.
#[derive(Clone, Copy)]
pub(crate) struct Bench<'j> {
    pub(crate) registry: &'j Registry,
    pub(crate) policy: &'j Policy,
    pub(crate) devices: &'j Devices,
    pub(crate) incidents: &'j Incidents,
    pub(crate) view: View<'j>,
}

/// A rule that holds: when, and by the evidence of which buildings.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(crate) instant_ms: i64,
    /// Ascending by number.
    pub(crate) buildings: Vec<BuildingIdx>,
}

/// An origin of a neighbourhood rule, and the buildings within its radius, itself included.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) origin: BuildingIdx,
    pub(crate) buildings: Vec<BuildingIdx>,
}

/// What a voice said, as far as it can be seen.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'j> {
    voice: &'j Voice,
    pieces: &'j [Piece],
}

impl<'j> Bench<'j> {
    /// The first candidate instant at which a building rule holds for the building that `joined` joined.
    pub(crate) fn building_rule(&self, rule: &Rule, joined: &Evidence) -> Option<Holding> {
        let building = joined.voice.building;
        if !self.allows_premises(rule, building) {
            return None;
        }
        let pool = self.pool(rule, &[building]);
        let instants = candidate_instants(rule, joined, &pool);
        let holds_at = |instant_ms: &i64| self.holds(rule, &self.alive(rule, &pool, *instant_ms));
        let instant_ms = instants.into_iter().find(holds_at)?;
        Some(Holding { instant_ms, buildings: vec![building] })
    }

    /// Tries a neighbourhood rule at every candidate instant and origin, in their order: the first holding for which
    /// `plan` finds something to change, with its plan. `reach` gives the buildings with evidence around an origin.
    ///
    /// In a storm hundreds of origins see hundreds of buildings each, and nearly always the first one that holds is it:
    /// so an origin's surroundings are looked at when its turn comes, and later instants only when the first fails.
    pub(crate) fn neighbourhood_rule<P>(
        &self,
        rule: &Rule,
        joined: &Evidence,
        origins: &[BuildingIdx],
        reach: impl Fn(BuildingIdx) -> Vec<BuildingIdx>,
        plan: impl Fn(BuildingIdx, &Holding) -> Option<P>,
    ) -> Option<(Holding, P)> {
        let allowed: Vec<_> = origins.iter().copied().filter(|origin| self.allows_premises(rule, *origin)).collect();
        let holding_at = |instant_ms: i64| {
            let earliest = |origin| Some((self.earliest_alive_ms(rule, origin, instant_ms)?, origin));
            let mut in_turn: Vec<(i64, BuildingIdx)> = allowed.iter().copied().filter_map(earliest).collect();
            in_turn.sort_unstable_by_key(|(earliest_ms, origin)| (*earliest_ms, &self.registry.building(*origin).id));
            in_turn.into_iter().find_map(|(_, origin)| {
                let pool = self.pool(rule, &reach(origin));
                let alive = self.alive(rule, &pool, instant_ms);
                if !self.holds(rule, &alive) {
                    return None;
                }
                let mut buildings: Vec<_> = alive.iter().map(|share| share.voice.building).collect();
                buildings.sort_unstable();
                buildings.dedup();
                let holding = Holding { instant_ms, buildings };
                plan(origin, &holding).map(|plan| (holding, plan))
            })
        };
        holding_at(joined.piece.at_ms).or_else(|| {
            let mut reached: Vec<_> = allowed.iter().flat_map(|origin| reach(*origin)).collect();
            reached.sort_unstable();
            reached.dedup();
            candidate_instants(rule, joined, &self.pool(rule, &reached)).into_iter().skip(1).find_map(holding_at)
        })
    }

    /// The event time of the first evidence in a building that the rule could count and that is alive at an instant.
    fn earliest_alive_ms(&self, rule: &Rule, building: BuildingIdx, instant_ms: i64) -> Option<i64> {
        let series = self.incidents.window(building)?.series().iter().filter(|series| passes(rule, &series.voice));
        let alive = series.filter_map(|series| self.share(rule, &self.seen(series), instant_ms));
        alive.map(|share| share.earliest_ms).min()
    }

    /// Whether a piece that the rule could count is alive at an instant.
    pub(crate) fn counts(&self, rule: &Rule, series: &Series, piece: &Piece, instant_ms: i64) -> bool {
        passes(rule, &series.voice)
            && self.view.shows(piece)
            && (self.alive_from_ms(rule, &series.voice, instant_ms)..=instant_ms).contains(&piece.at_ms)
    }

    fn seen(&self, series: &'j Series) -> Seen<'j> {
        let pieces = match self.view {
            View::Since(since_ms) => series.between(since_ms, i64::MAX),
            View::Alone(alone) if alone.voice == series.voice => std::slice::from_ref(&alone.piece),
            View::Alone(_) => &[],
        };
        Seen { voice: &series.voice, pieces }
    }

    /// The evidence of some buildings that can be seen and that passes the rule's filters.
    pub(crate) fn pool(&self, rule: &Rule, buildings: &[BuildingIdx]) -> Vec<Seen<'j>> {
        let windows = buildings.iter().filter_map(|building| self.incidents.window(*building));
        let passing = windows.flat_map(Window::series).filter(|series| passes(rule, &series.voice));
        passing.map(|series| self.seen(series)).filter(|seen| !seen.pieces.is_empty()).collect()
    }

    fn alive_from_ms(&self, rule: &Rule, voice: &Voice, instant_ms: i64) -> i64 {
        self.devices.alive_from_ms(&voice.device, instant_ms, rule.window_ms, self.policy.hold_ms)
    }

    /// What of a voice is alive at an instant.
    fn share(&self, rule: &Rule, seen: &Seen<'j>, instant_ms: i64) -> Option<Share<'j>> {
        let from_ms = self.alive_from_ms(rule, seen.voice, instant_ms);
        let first = seen.pieces.partition_point(|piece| piece.at_ms < from_ms);
        let end = seen.pieces.partition_point(|piece| piece.at_ms <= instant_ms);
        let alive = seen.pieces.get(first..end)?;
        let (earliest, latest) = (alive.first()?, alive.last()?);
        Some(Share { voice: seen.voice, earliest_ms: earliest.at_ms, latest_ms: latest.at_ms })
    }

    pub(crate) fn alive(&self, rule: &Rule, pool: &[Seen<'j>], instant_ms: i64) -> Vec<Share<'j>> {
        pool.iter().filter_map(|seen| self.share(rule, seen, instant_ms)).collect()
    }

    pub(crate) fn holds(&self, rule: &Rule, alive: &[Share<'_>]) -> bool {
        // Each voice is at most one of each, so that most calls end here.
        let least = rule.min_devices.max(rule.min_locations).max(rule.min_classes).max(rule.min_buildings);
        alive.len() >= least as usize && Tally::of(alive, self.registry, self.policy).reaches(rule)
    }

    pub(crate) fn allows_premises(&self, rule: &Rule, building: BuildingIdx) -> bool {
        let premises = self.registry.building(building).premises;
        rule.premises.as_ref().is_none_or(|allowed| allowed.contains(&premises))
    }
}

/// Whether what a voice says passes the rule's filters and counts at all; premises are asked of a building.
pub(crate) fn passes(rule: &Rule, voice: &Voice) -> bool {
    !voice.isolated
        && rule.kinds.contains(&voice.kind)
        && rule.sensors.as_ref().is_none_or(|sensors| sensors.contains(&voice.sensor))
}

/// The event time of what joined and those of the evidence that the rule could count up to a window later, ascending.
fn candidate_instants(rule: &Rule, joined: &Evidence, pool: &[Seen<'_>]) -> Vec<i64> {
    let from_ms = joined.piece.at_ms;
    let is_later = |at_ms: &i64| *at_ms > from_ms && *at_ms <= from_ms + rule.window_ms;
    let later = pool.iter().flat_map(|seen| seen.pieces).map(|piece| piece.at_ms).filter(is_later);
    let mut instants: Vec<i64> = std::iter::once(from_ms).chain(later).collect();
    instants.sort_unstable();
    instants.dedup();
    instants
}
