//! Judging: at which instant, and around which origin, a rule holds.
//!
//! When evidence joins a building, a rule's candidate instants are that evidence's event time and the event times of
//! evidence up to a window later: late evidence may complete what was seen after it. Nothing here changes anything.

use fenghuo_model::Policy;
use fenghuo_model::policy::Rule;
use fenghuo_model::registry::{BuildingIdx, Registry};

use crate::count::{Count, is_settled_by_count};
use crate::devices::Devices;
use crate::evidence::{Evidence, Heard, Piece, Voice};
use crate::incidents::Incidents;
use crate::neighbourhoods::{Lit, Outline, Reach};
use crate::tally::{Share, Tally};
use crate::window::{Series, Window};

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'j> {
    /// Everything that happened at or after an instant; before it, it is forgotten.
    Since(i64),
    /// One piece of evidence that arrived so late that it is judged alone.
    Alone(&'j Evidence<'j>),
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

/// What has just joined a building.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Joined {
    pub(crate) lit: Lit,
    pub(crate) at_ms: i64,
}

/// A neighbourhood rule that holds: when, and by the evidence of which lit buildings.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(crate) instant_ms: i64,
    /// In no order that means anything.
    pub(crate) supporting: Vec<Lit>,
}

/// An origin of a neighbourhood rule, and the buildings within its radius, itself included.
#[derive(Debug)]
pub(crate) struct Surroundings {
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
    /// The first candidate instant at which a building rule holds for the building that evidence joined.
    pub(crate) fn building_rule(&self, rule: &Rule, joined: Joined) -> Option<i64> {
        let building = self.incidents.building(joined.lit);
        if !self.allows_premises(rule, building) {
            return None;
        }
        let pool = self.pool_of(rule, [joined.lit].into_iter());
        if !self.could_hold(rule, pool.len()) {
            return None;
        }
        let holds_at = |instant_ms: &i64| self.holds(rule, &self.alive(rule, &pool, *instant_ms));
        if holds_at(&joined.at_ms) {
            return Some(joined.at_ms);
        }
        later_instants(rule, joined, &pool).into_iter().find(holds_at)
    }

    /// Whether a building rule could hold in a building for any times at which the voices there spoke.
    pub(crate) fn is_hopeless(&self, rule: &Rule, window: &Window) -> bool {
        let Some(mut count) = Count::of(rule) else { return false };
        let mut passing = window.series().iter().filter(|series| passes(rule, &series.voice));
        !passing.any(|series| count.take_whatever(&series.voice))
    }

    /// Tries a neighbourhood rule at every candidate instant and origin, in their order: the first holding for which
    /// `plan` finds something to change, with its plan.
    ///
    /// Origins in whose reach nothing could be changed are not tried; in a quarter that burns all over those are all.
    pub(crate) fn neighbourhood_rule<P>(
        &self,
        rule: &Rule,
        reach: Reach,
        joined: Joined,
        plan: impl Fn(Lit, &Holding) -> Option<P>,
    ) -> Option<(Holding, P)> {
        let near = &self.incidents.neighbourhoods;
        let allowed = near
            .within(joined.lit, reach)
            .filter(|origin| self.allows_premises(rule, self.incidents.building(*origin)));
        // Nothing happens before what joined, and what is older than the window then counts no more.
        let oldest_ms = joined.at_ms - rule.window_ms;
        let mut origins: Vec<Lit> = Vec::with_capacity(near.near(joined.lit).len());
        origins.extend(allowed.clone().filter(|origin| near.has_candidate(*origin, oldest_ms)));
        if origins.is_empty() {
            return None;
        }
        let holding_at = |instant_ms: i64| {
            let earliest = |origin: Lit| Some((self.earliest_alive_ms(rule, reach, origin, instant_ms)?, origin));
            let mut in_turn: Vec<(i64, Lit)> = Vec::with_capacity(origins.len());
            in_turn.extend(origins.iter().copied().filter_map(earliest));
            let id = |origin: Lit| &self.registry.building(self.incidents.building(origin)).id;
            let first =
                |one: &(i64, Lit), other: &(i64, Lit)| one.0.cmp(&other.0).then_with(|| id(one.1).cmp(id(other.1)));
            let try_at = |origin: Lit| {
                let supporting = self.supporting(rule, reach, origin, instant_ms)?;
                let holding = Holding { instant_ms, supporting };
                plan(origin, &holding).map(|plan| (holding, plan))
            };
            // Nearly always the first that holds is it: they are put in order only when it is not.
            let (place, (_, origin)) =
                in_turn.iter().copied().enumerate().min_by(|(_, one), (_, other)| first(one, other))?;
            try_at(origin).or_else(|| {
                in_turn.swap_remove(place);
                in_turn.sort_unstable_by(first);
                in_turn.iter().find_map(|(_, origin)| try_at(*origin))
            })
        };
        holding_at(joined.at_ms).or_else(|| {
            let mut reached: Vec<Lit> = allowed
                .flat_map(|origin| near.within(origin, reach))
                .filter(|lit| near.outline(*lit, reach).last_ms > joined.at_ms)
                .collect();
            reached.sort_unstable();
            reached.dedup();
            let pool = self.pool_of(rule, reached.into_iter());
            later_instants(rule, joined, &pool).into_iter().find_map(holding_at)
        })
    }

    /// The buildings whose evidence supports a neighbourhood rule around an origin at an instant, if it then holds.
    fn supporting(&self, rule: &Rule, reach: Reach, origin: Lit, instant_ms: i64) -> Option<Vec<Lit>> {
        let lit = self.incidents.neighbourhoods.within(origin, reach);
        let mut supporting: Vec<Lit> = Vec::with_capacity(self.incidents.neighbourhoods.near(origin).len());
        supporting.extend(lit.filter(|lit| self.is_alive(rule, reach, *lit, instant_ms)));
        if supporting.len() < rule.min_buildings as usize {
            return None;
        }
        let shares = || supporting.iter().flat_map(|lit| self.shares_of(rule, *lit, instant_ms));
        if let Some(mut count) = Count::of(rule) {
            let is_reached = shares().any(|share| count.take(share.voice, self.incidents));
            if is_reached && is_settled_by_count(rule) {
                return Some(supporting);
            }
            if !is_reached && !count.is_partial {
                return None;
            }
        }
        let alive: Vec<Share<'_>> = shares().collect();
        Tally::of(&alive, self.registry, self.policy).reaches(rule).then_some(supporting)
    }

    /// The event time of the first evidence in a building that the rule could count and that is alive at an instant.
    fn earliest_alive_ms(&self, rule: &Rule, reach: Reach, lit: Lit, instant_ms: i64) -> Option<i64> {
        match self.glance(rule, reach, lit, instant_ms) {
            Glance::Nothing => None,
            Glance::All(first_ms) => Some(first_ms),
            Glance::Some | Glance::Perhaps => {
                self.shares_of(rule, lit, instant_ms).map(|share| share.earliest_ms).min()
            }
        }
    }

    fn is_alive(&self, rule: &Rule, reach: Reach, lit: Lit, instant_ms: i64) -> bool {
        match self.glance(rule, reach, lit, instant_ms) {
            Glance::Nothing => false,
            Glance::All(_) | Glance::Some => true,
            Glance::Perhaps => self.shares_of(rule, lit, instant_ms).next().is_some(),
        }
    }

    /// What an outline tells of the evidence that is alive at an instant.
    fn glance(&self, rule: &Rule, reach: Reach, lit: Lit, instant_ms: i64) -> Glance {
        let View::Since(since_ms) = self.view else { return Glance::Perhaps };
        let Outline { first_ms, last_ms, is_plain } = self.incidents.neighbourhoods.outline(lit, reach);
        let from_ms = since_ms.max(instant_ms - rule.window_ms);
        if first_ms > instant_ms || last_ms < from_ms {
            Glance::Nothing
        } else if !is_plain {
            Glance::Perhaps
        } else if first_ms >= from_ms {
            Glance::All(first_ms)
        } else if last_ms <= instant_ms {
            Glance::Some
        } else {
            Glance::Perhaps
        }
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
            View::Alone(alone) if alone.voice.is(&series.voice) => std::slice::from_ref(&alone.piece),
            View::Alone(_) => &[],
        };
        Seen { voice: &series.voice, pieces }
    }

    /// The evidence of some buildings that can be seen and that passes the rule's filters.
    pub(crate) fn pool(&self, rule: &Rule, buildings: &[BuildingIdx]) -> Vec<Seen<'j>> {
        self.pool_of(rule, buildings.iter().filter_map(|building| self.incidents.lit(*building)))
    }

    /// The same of lit buildings.
    fn pool_of(&self, rule: &Rule, lit: impl Iterator<Item = Lit>) -> Vec<Seen<'j>> {
        let windows = lit.map(|lit| &self.incidents.member(lit).window);
        let passing = windows.flat_map(Window::series).filter(|series| passes(rule, &series.voice));
        passing.map(|series| self.seen(series)).filter(|seen| !seen.pieces.is_empty()).collect()
    }

    /// What of a lit building is alive at an instant and passes the rule's filters.
    fn shares_of<'b>(&'b self, rule: &'b Rule, lit: Lit, instant_ms: i64) -> impl Iterator<Item = Share<'j>> + 'b {
        let series = self.incidents.member(lit).window.series().iter().filter(|series| passes(rule, &series.voice));
        series.filter_map(move |series| self.share(rule, &self.seen(series), instant_ms))
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
        if !self.could_hold(rule, alive.len()) {
            return false;
        }
        if let Some(mut count) = Count::of(rule) {
            let is_reached = alive.iter().any(|share| count.take(share.voice, self.incidents));
            if is_reached && is_settled_by_count(rule) {
                return true;
            }
            if !is_reached && !count.is_partial {
                return false;
            }
        }
        Tally::of(alive, self.registry, self.policy).reaches(rule)
    }

    /// Each voice is at most one of each, so that most calls end here.
    fn could_hold(&self, rule: &Rule, voices: usize) -> bool {
        let least = rule.min_devices.max(rule.min_locations).max(rule.min_classes).max(rule.min_buildings);
        voices >= least as usize
    }

    pub(crate) fn allows_premises(&self, rule: &Rule, building: BuildingIdx) -> bool {
        let premises = self.registry.building(building).premises;
        rule.premises.as_ref().is_none_or(|allowed| allowed.contains(&premises))
    }
}

/// Whether what a voice says passes the rule's filters and counts at all; premises are asked of a building.
pub(crate) fn passes(rule: &Rule, voice: &Voice) -> bool {
    hears(rule, &Heard::of(voice))
}

/// The same of a voice as it speaks.
pub(crate) fn hears(rule: &Rule, voice: &Heard<'_>) -> bool {
    !voice.isolated
        && rule.kinds.contains(&voice.kind)
        && rule.sensors.as_ref().is_none_or(|sensors| sensors.contains(&voice.sensor))
}

/// What an [`Outline`] tells of a building's evidence at an instant.
#[derive(Debug, Clone, Copy)]
enum Glance {
    /// None of it is alive.
    Nothing,
    /// All that had happened by then is, from this event time on.
    All(i64),
    /// Some is, nobody knows from when on.
    Some,
    /// One has to look.
    Perhaps,
}

/// The candidate instants after the event time of what joined: those of evidence that the rule could count, up to a
/// window later, ascending.
fn later_instants(rule: &Rule, joined: Joined, pool: &[Seen<'_>]) -> Vec<i64> {
    let from_ms = joined.at_ms;
    let is_later = |at_ms: &i64| *at_ms > from_ms && *at_ms <= from_ms + rule.window_ms;
    let later = pool.iter().flat_map(|seen| seen.pieces).map(|piece| piece.at_ms).filter(is_later);
    let mut instants: Vec<i64> = later.collect();
    instants.sort_unstable();
    instants.dedup();
    instants
}
