//! Who burns near whom: the buildings with evidence around each building with evidence, and what of them could still be
//! taken in.
//!
//! In a storm every signal asks whether a neighbourhood rule changes anything now, and nearly always the answer is no.
//! It changes something only if a **candidate** takes part: a building in no confirmed incident with evidence that
//! such a rule could count, recent enough. So what each lit building's surroundings hold is kept up to date when a
//! building gets lit, speaks while it is a candidate, is confirmed or goes dark, which is rare, and read when a signal
//! asks:
//!
//! - a **block** of ground knows how many candidates it holds, and when the latest of them last spoke: a signal in a
//!   quarter that burns all over reads eight of them and is done;
//! - a lit building knows the same of its own surroundings: an origin that could change nothing is not tried;
//! - an [`Outline`] tells of a lit building whether a rule finds evidence alive there, without a look at the evidence.
//!
//! None of this is state: it follows from the incidents, and is built anew when they are put back, or when a policy
//! with other rules comes into force.

mod ground;

use std::sync::Arc;

use fenghuo_model::Policy;
use fenghuo_model::registry::{BuildingIdx, Registry};

use crate::evidence::{Heard, Voice};
use crate::judge::hears;
use crate::window::Series;
use ground::{Cell, Grid, Point, Rings, point_of};

/// A lit building's number, while it is in an open incident.
pub(crate) type Lit = u32;

/// A lit building near another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Near {
    pub(crate) lit: Lit,
    /// The smallest of the rules' radii that reaches it, by its place among them.
    pub(crate) ring: u32,
    /// Where the other one stands among this one's near.
    back: u32,
}

/// How a neighbourhood rule looks at the ground.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Its radius, by its place among the rules'.
    pub(crate) ring: u32,
    /// Its number among the neighbourhood rules.
    number: usize,
}

/// What of a lit building's evidence a neighbourhood rule could count, at any time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outline {
    /// The earliest event time, and the latest; the latest lies before the earliest where there is none.
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    /// Whether none of it can have ended early: no device that spoke here is known to have restored.
    pub(crate) is_plain: bool,
}

impl Outline {
    const EMPTY: Self = Self { first_ms: i64::MAX, last_ms: i64::MIN, is_plain: true };
}

/// How many candidates there are around, and when one of them last spoke; never earlier than it did.
#[derive(Debug, Clone, Copy)]
struct Heat {
    candidates: u32,
    latest_ms: i64,
}

impl Heat {
    const NONE: Self = Self { candidates: 0, latest_ms: i64::MIN };

    fn rise(&mut self, by: u32, at_ms: i64) {
        self.candidates += by;
        self.latest_ms = self.latest_ms.max(at_ms);
    }

    fn fall(&mut self) {
        self.candidates -= 1;
        if self.candidates == 0 {
            *self = Self::NONE;
        }
    }

    fn is_felt_at(&self, instant_ms: i64) -> bool {
        self.candidates > 0 && self.latest_ms >= instant_ms
    }
}

/// A lit building on the ground.
#[derive(Debug)]
struct Place {
    building: BuildingIdx,
    point: Point,
    /// The other lit buildings within the largest radius, and itself.
    near: Vec<Near>,
    home: Cell,
    block: Cell,
    /// The blocks in which somebody could be a candidate of an origin near it.
    around: Vec<Cell>,
    /// When it last spoke as a candidate, if it is one.
    candidate_ms: Option<i64>,
}

/// A lit building in its home: who looks for those near another one asks all of some homes where they stand, and most
/// stand too far away to be looked at any further.
#[derive(Debug, Clone, Copy)]
struct Resident {
    lit: Lit,
    building: BuildingIdx,
    point: Point,
}

/// The lit buildings of a region, and who is near whom.
pub(crate) struct Neighbourhoods {
    registry: Arc<Registry>,
    policy: Arc<Policy>,
    rings: Rings,
    /// The numbers of the neighbourhood rules among the policy's.
    rules: Vec<usize>,
    /// By rule, where it is one.
    reaches: Vec<Option<Reach>>,
    places: Vec<Place>,
    /// By lit building.
    heat: Vec<Heat>,
    /// By lit building, as many as neighbourhood rules each.
    outlines: Vec<Outline>,
    homes: Grid,
    /// By home.
    at_home: Vec<Vec<Resident>>,
    blocks: Grid,
    /// By block.
    block_heat: Vec<Heat>,
}

impl Neighbourhoods {
    /// Nothing is lit.
    pub(crate) fn new(registry: Arc<Registry>, policy: Arc<Policy>) -> Self {
        let radii_m = policy.rules.iter().map(|rule| rule.radius_m);
        let rings = Rings::new(radii_m.clone().flatten().collect());
        let mut rules = Vec::new();
        let reaches = radii_m.enumerate().map(|(rule, radius_m)| {
            let reach = Reach { ring: rings.of(radius_m?), number: rules.len() };
            rules.push(rule);
            Some(reach)
        });
        let reaches = reaches.collect();
        let reach = rings.reach().unwrap_or(1.0);
        Self {
            homes: Grid::new(2.0 * reach),
            blocks: Grid::new(4.0 * reach),
            registry,
            policy,
            rings,
            rules,
            reaches,
            places: Vec::new(),
            heat: Vec::new(),
            outlines: Vec::new(),
            at_home: Vec::new(),
            block_heat: Vec::new(),
        }
    }

    /// How the policy's rule of that number looks at the ground, if it is a neighbourhood rule.
    pub(crate) fn reach_of(&self, rule: usize) -> Option<Reach> {
        self.reaches[rule]
    }

    /// The lit buildings within the largest radius of one, itself included; none where no rule has a radius.
    pub(crate) fn near(&self, lit: Lit) -> &[Near] {
        &self.places[lit as usize].near
    }

    /// Those of them that a rule reaches.
    pub(crate) fn within(&self, lit: Lit, reach: Reach) -> impl Iterator<Item = Lit> + Clone + '_ {
        self.near(lit).iter().filter(move |near| near.ring <= reach.ring).map(|near| near.lit)
    }

    /// Whether two lit buildings lie within a rule's radius of each other.
    pub(crate) fn are_within(&self, one: Lit, other: Lit, reach: Reach) -> bool {
        let of = |lit: Lit| (self.places[lit as usize].building, self.places[lit as usize].point);
        self.rings.between(&self.registry, of(one), of(other)).is_some_and(|ring| ring <= reach.ring)
    }

    /// Whether some origin near a building could have a candidate in its reach that spoke at or after an instant.
    pub(crate) fn could_change(&self, lit: Lit, since_ms: i64) -> bool {
        let around = &self.places[lit as usize].around;
        around.iter().any(|block| self.block_heat[*block as usize].is_felt_at(since_ms))
    }

    /// Whether an origin could have a candidate in its reach that spoke at or after an instant.
    pub(crate) fn has_candidate(&self, origin: Lit, since_ms: i64) -> bool {
        self.heat[origin as usize].is_felt_at(since_ms)
    }

    /// What a rule could count in a lit building.
    pub(crate) fn outline(&self, lit: Lit, reach: Reach) -> Outline {
        self.outlines[lit as usize * self.rules.len() + reach.number]
    }

    /// A building gets lit under a number that is the next or was given back.
    pub(crate) fn light(&mut self, lit: Lit, building: BuildingIdx) {
        let mut place = Place {
            building,
            point: [0.0; 3],
            near: Vec::new(),
            home: 0,
            block: 0,
            around: Vec::new(),
            candidate_ms: None,
        };
        let mut heat = Heat::NONE;
        if let Some(reach) = self.rings.reach() {
            place.point = point_of(&self.registry, building);
            let (block, around) = self.blocks.around(place.point, 2.0 * reach);
            let (home, near) = self.homes.around(place.point, reach);
            (place.block, place.around, place.home) = (block, around, home);
            let (blocks, homes) = (place.around.iter().copied().max(), near.iter().copied().max());
            grow(&mut self.block_heat, blocks.unwrap_or(0), || Heat::NONE);
            grow(&mut self.at_home, homes.unwrap_or(0), Vec::new);
            self.at_home[home as usize].push(Resident { lit, building, point: place.point });
            self.meet(lit, &mut place, &mut heat, &near);
        }
        if lit as usize == self.places.len() {
            self.places.push(place);
            self.heat.push(heat);
            self.outlines.extend(self.rules.iter().map(|_| Outline::EMPTY));
        } else {
            self.places[lit as usize] = place;
            self.heat[lit as usize] = heat;
            self.outlines_mut(lit).fill(Outline::EMPTY);
        }
    }

    /// Who is near a new one, and the new one to them.
    fn meet(&mut self, lit: Lit, place: &mut Place, heat: &mut Heat, cells: &[Cell]) {
        let own = (place.building, place.point);
        for resident in cells.iter().flat_map(|cell| &self.at_home[*cell as usize]).copied() {
            let Resident { lit: other, building, point } = resident;
            let stands = u32::try_from(place.near.len()).expect("buildings are counted in 32 bits");
            if other == lit {
                place.near.push(Near { lit, ring: 0, back: stands });
                continue;
            }
            if let Some(ring) = self.rings.between(&self.registry, own, (building, point)) {
                let there = &mut self.places[other as usize];
                let back = u32::try_from(there.near.len()).expect("buildings are counted in 32 bits");
                there.near.push(Near { lit, ring, back: stands });
                place.near.push(Near { lit: other, ring, back });
                there.candidate_ms.inspect(|at_ms| heat.rise(1, *at_ms));
            }
        }
    }

    /// A building goes dark, and gives its number back.
    pub(crate) fn darken(&mut self, lit: Lit) {
        self.quench(lit);
        let place = &mut self.places[lit as usize];
        let near = std::mem::take(&mut place.near);
        if self.rings.reach().is_some() {
            self.at_home[place.home as usize].retain(|other| other.lit != lit);
        }
        for Near { lit: other, back, .. } in near.into_iter().filter(|near| near.lit != lit) {
            // The last of the other's takes the place that gets free, and whom that is about hears of it.
            let theirs = &mut self.places[other as usize].near;
            theirs.swap_remove(back as usize);
            match theirs.get(back as usize).copied() {
                // Of itself it is told in its own list.
                Some(moved) if moved.lit == other => theirs[back as usize].back = back,
                Some(moved) => self.places[moved.lit as usize].near[moved.back as usize].back = back,
                None => {}
            }
        }
    }

    /// Somebody spoke in a lit building. It is plain if nothing is known by which that could end early.
    pub(crate) fn hear(&mut self, lit: Lit, voice: &Heard<'_>, at_ms: i64, is_plain: bool, is_free: bool) {
        let Self { rules, outlines, policy, .. } = self;
        let own = lit as usize * rules.len();
        let mut counts = false;
        for (rule, outline) in rules.iter().zip(&mut outlines[own..]) {
            if hears(&policy.rules[*rule], voice) {
                outline.first_ms = outline.first_ms.min(at_ms);
                outline.last_ms = outline.last_ms.max(at_ms);
                outline.is_plain &= is_plain;
                counts = true;
            }
        }
        if counts && is_free {
            self.kindle(lit, at_ms);
        }
    }

    /// A device that spoke in a lit building restored, or its evidence there may end early for another reason.
    pub(crate) fn is_plain_no_more(&mut self, lit: Lit) {
        self.outlines_mut(lit).iter_mut().for_each(|outline| outline.is_plain = false);
    }

    /// What is known of a lit building's evidence begins anew from all that is there.
    pub(crate) fn hear_anew(&mut self, lit: Lit, series: &[Series], is_plain: impl Fn(&Voice) -> bool, is_free: bool) {
        self.quench(lit);
        self.outlines_mut(lit).fill(Outline::EMPTY);
        for series in series {
            let (first_ms, last_ms) = series.span_ms();
            let is_plain = is_plain(&series.voice);
            let voice = Heard::of(&series.voice);
            self.hear(lit, &voice, first_ms, is_plain, is_free);
            self.hear(lit, &voice, last_ms, is_plain, is_free);
        }
    }

    /// A building that is in no confirmed incident spoke so that a rule could count it.
    fn kindle(&mut self, lit: Lit, at_ms: i64) {
        let Self { places, heat, block_heat, .. } = self;
        let place = &mut places[lit as usize];
        let before_ms = place.candidate_ms;
        if before_ms.is_some_and(|before_ms| before_ms >= at_ms) {
            return;
        }
        place.candidate_ms = Some(at_ms);
        let newly = u32::from(before_ms.is_none());
        place.near.iter().for_each(|near| heat[near.lit as usize].rise(newly, at_ms));
        block_heat[place.block as usize].rise(newly, at_ms);
    }

    /// A building is in a confirmed incident now, or dark.
    pub(crate) fn quench(&mut self, lit: Lit) {
        let Self { places, heat, block_heat, .. } = self;
        let place = &mut places[lit as usize];
        if place.candidate_ms.take().is_some() {
            place.near.iter().for_each(|near| heat[near.lit as usize].fall());
            block_heat[place.block as usize].fall();
        }
    }

    fn outlines_mut(&mut self, lit: Lit) -> &mut [Outline] {
        let each = self.rules.len();
        &mut self.outlines[lit as usize * each..][..each]
    }
}

/// Makes room for everything up to `last`.
fn grow<T>(list: &mut Vec<T>, last: u32, new: impl FnMut() -> T) {
    if list.len() <= last as usize {
        list.resize_with(last as usize + 1, new);
    }
}

#[cfg(test)]
mod tests;
