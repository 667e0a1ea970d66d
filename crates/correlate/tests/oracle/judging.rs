//! SPEC.md 3, "Judging" and what of "Incidents" a rule that holds does.

use std::collections::BTreeSet;

use fenghuo_model::policy::Rule;

use crate::evidence::{Evidence, is_alive, memory_ms, tally};
use crate::publish::City;
use crate::world::{Confirmation, Standing, World};

/// What a signal did to an incident, by the incident's place in the world's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was confirmed.
    Confirmed(usize),
    /// It took a building in, or one joined `buildings_confirmed`.
    Grew(usize),
    /// It ended because another took its building in.
    Merged {
        /// What ended.
        incident: usize,
        /// What took its building in.
        into: usize,
    },
}

/// A rule that holds at an instant.
struct Holding<'r> {
    rule: &'r Rule,
    instant_ms: i64,
    supporting: Vec<Evidence>,
}

/// "When evidence with event time t joins building b, every rule is tried, in the policy's order."
pub fn judge(city: City<'_>, world: &mut World, arrival: usize) -> Vec<Change> {
    let joined = world.evidence.iter().find(|e| e.arrival == arrival).expect("the evidence has just joined").clone();
    let mut changes = Vec::new();
    for rule in &city.policy.rules {
        // "Then the same rule is tried again until it changes nothing."
        while try_rule(city, world, rule, &joined, &mut changes) {}
    }
    changes
}

/// Tries a rule once; says whether it changed something.
fn try_rule(city: City<'_>, world: &mut World, rule: &Rule, joined: &Evidence, changes: &mut Vec<Change>) -> bool {
    let is_forgotten = |e: &Evidence| e.at_ms + memory_ms(city.policy) < world.clock_ms;
    // "Evidence with t + H < C is forgotten …; evidence that arrives already that old is judged alone." "… that passes
    // its filters"; "isolated evidence … counts for no rule".
    let alone = is_forgotten(joined);
    let remembered =
        world.evidence.iter().filter(|e| if alone { e.arrival == joined.arrival } else { !is_forgotten(e) });
    let passing: Vec<Evidence> = remembered
        .filter(|e| !e.wiped && !e.isolated && rule.kinds.contains(&e.kind))
        .filter(|e| rule.sensors.as_ref().is_none_or(|sensors| sensors.contains(&e.sensor)))
        .cloned()
        .collect();
    for instant_ms in instants(city, world, rule, joined, &passing) {
        let alive: Vec<&Evidence> =
            passing.iter().filter(|e| is_alive(world, city.policy, e, instant_ms, rule.window_ms)).collect();
        for origin in origins(city, rule, joined.building, &alive) {
            let Some(supporting) = holds(city, rule, origin, &alive) else { continue };
            let holding = Holding { rule, instant_ms, supporting };
            // "The first (T, origin) at which it holds *and changes something* takes effect."
            let changed = match rule.radius_m {
                None => effect_of_building_rule(world, &holding, origin, changes),
                Some(radius_m) => effect_of_neighbourhood_rule(city, world, &holding, origin, radius_m, changes),
            };
            if changed {
                return true;
            }
        }
    }
    false
}

/// "A rule's candidate instants are t and the event times of the evidence up to t + W, earliest first": of the evidence
/// that it could count, which is what lies in the reach of some origin that it could try.
fn instants(city: City<'_>, world: &World, rule: &Rule, joined: &Evidence, passing: &[Evidence]) -> BTreeSet<i64> {
    let is_near =
        |one: usize, other: usize| rule.radius_m.is_some_and(|radius_m| city.distance_m(one, other) <= radius_m);
    let burning: BTreeSet<usize> = world.evidence.iter().filter(|e| !e.wiped).map(|e| e.building).collect();
    let may_be_tried = |origin: &usize| {
        is_near(*origin, joined.building)
            && world.incident_of(*origin).is_some()
            && rule.premises.as_ref().is_none_or(|premises| premises.contains(&city.building(*origin).premises))
    };
    let origins: Vec<usize> = burning.into_iter().filter(may_be_tried).collect();
    let is_in_reach = |e: &&Evidence| match rule.radius_m {
        None => e.building == joined.building,
        Some(_) => origins.iter().any(|origin| is_near(e.building, *origin)),
    };
    let last_ms = joined.at_ms + rule.window_ms;
    let times_ms = passing.iter().filter(is_in_reach).map(|e| e.at_ms);
    let later_ms = times_ms.filter(|at_ms| *at_ms > joined.at_ms && *at_ms <= last_ms);
    later_ms.chain([joined.at_ms]).collect()
}

/// "At each T a neighbourhood rule tries every origin within `radius_m` of b (b included) in order of (earliest passing
/// evidence alive at T, building id)." "… for origin o at T when o has such evidence itself."
fn origins(city: City<'_>, rule: &Rule, joined_building: usize, alive: &[&Evidence]) -> Vec<usize> {
    let Some(radius_m) = rule.radius_m else { return vec![joined_building] };
    let buildings: BTreeSet<usize> = alive.iter().map(|e| e.building).collect();
    let near = buildings.into_iter().filter(|origin| city.distance_m(*origin, joined_building) <= radius_m);
    let mut origins: Vec<usize> = near.collect();
    let earliest_ms = |origin: usize| alive.iter().filter(|e| e.building == origin).map(|e| e.at_ms).min();
    origins.sort_by_key(|origin| (earliest_ms(*origin), city.building_id(*origin)));
    origins
}

/// The supporting set, if the evidence alive reaches every minimum together.
fn holds(city: City<'_>, rule: &Rule, origin: usize, alive: &[&Evidence]) -> Option<Vec<Evidence>> {
    // "`premises` must contain b's"; "`premises` is asked of o".
    if rule.premises.as_ref().is_some_and(|premises| !premises.contains(&city.building(origin).premises)) {
        return None;
    }
    let is_in_reach = |e: &&&Evidence| match rule.radius_m {
        None => e.building == origin,
        Some(radius_m) => city.distance_m(e.building, origin) <= radius_m,
    };
    let supporting: Vec<&Evidence> = alive.iter().filter(is_in_reach).copied().collect();
    let counted = tally(city.policy, &supporting);
    let reaches = |count: usize, minimum: u32| count >= minimum as usize;
    let holds = !supporting.is_empty()
        && reaches(counted.devices, rule.min_devices)
        && reaches(counted.locations.len(), rule.min_locations)
        && reaches(counted.classes.len(), rule.min_classes)
        && reaches(counted.buildings.len(), rule.min_buildings)
        && counted.score >= u64::from(rule.min_score)
        && counted.span_ms >= rule.min_span_ms;
    holds.then(|| supporting.into_iter().cloned().collect())
}

/// "A building rule that holds for b: if b's incident is suspected, it is confirmed …. If b's incident is confirmed
/// and b is not yet among `buildings_confirmed`, b joins that list. Otherwise nothing changes."
fn effect_of_building_rule(
    world: &mut World,
    holding: &Holding<'_>,
    building: usize,
    changes: &mut Vec<Change>,
) -> bool {
    let incident = world.incident_of(building).expect("evidence has joined the building, so it is in an incident");
    if world.incidents[incident].buildings_confirmed.contains(&building) {
        return false;
    }
    if world.incidents[incident].standing == Standing::Suspected {
        confirm(world, holding, incident);
        changes.push(Change::Confirmed(incident));
    } else {
        changes.push(Change::Grew(incident));
    }
    world.incidents[incident].buildings_confirmed.push(building);
    true
}

fn confirm(world: &mut World, holding: &Holding<'_>, incident: usize) {
    world.incidents[incident].standing = Standing::Confirmed;
    world.incidents[incident].confirmation = Some(Confirmation {
        rule: holding.rule.id.clone(),
        satisfied_ms: holding.instant_ms,
        confirmed_ms: world.clock_ms,
        supporting: holding.supporting.iter().map(|e| e.arrival).collect(),
    });
}

fn effect_of_neighbourhood_rule(
    city: City<'_>,
    world: &mut World,
    holding: &Holding<'_>,
    origin: usize,
    radius_m: f64,
    changes: &mut Vec<Change>,
) -> bool {
    let supporting: BTreeSet<usize> = holding.supporting.iter().map(|e| e.building).collect();
    let free: Vec<usize> = supporting.iter().copied().filter(|b| !world.is_in_confirmed(*b)).collect();
    // "Of the confirmed open incidents that hold some of S, in order of (C of confirmation, id) …"
    let holders: BTreeSet<usize> =
        supporting.iter().filter(|b| world.is_in_confirmed(**b)).filter_map(|b| world.incident_of(*b)).collect();
    let mut holders: Vec<usize> = holders.into_iter().collect();
    holders.sort_by_key(|incident| {
        let state = &world.incidents[*incident];
        (state.confirmation.as_ref().map(|confirmation| confirmation.confirmed_ms), state.id.clone())
    });
    // "… the first that can takes in every building of S that is in no confirmed incident and lies at most `radius_m`
    // from its place (`update`)."
    for incident in holders {
        let place = world.incidents[incident].place;
        let near: Vec<usize> = free.iter().copied().filter(|b| city.distance_m(*b, place) <= radius_m).collect();
        if !near.is_empty() {
            near.into_iter().for_each(|building| take_in(world, incident, building, changes));
            changes.push(Change::Grew(incident));
            return true;
        }
    }
    // "If none can and the origin is in no confirmed incident, the origin's is confirmed and takes in the buildings of
    // S that are in no confirmed incident."
    if world.is_in_confirmed(origin) {
        return false;
    }
    let incident = world.incident_of(origin).expect("the origin has evidence that is remembered");
    confirm(world, holding, incident);
    changes.push(Change::Confirmed(incident));
    let others = free.into_iter().filter(|building| *building != origin);
    others.for_each(|building| take_in(world, incident, building, changes));
    true
}

/// "A suspected incident whose building is taken in ends: decision `merged`, with `into`."
fn take_in(world: &mut World, into: usize, building: usize, changes: &mut Vec<Change>) {
    let incident = world.incident_of(building).expect("a supporting building has evidence that is remembered");
    world.incidents[incident].standing = Standing::Ended;
    changes.push(Change::Merged { incident, into });
    // "All evidence of its buildings since the incident (or the one it took in) opened"; "after a merge, the later
    // one's".
    for evidence in world.evidence.iter_mut().filter(|e| e.incident == incident) {
        evidence.incident = into;
    }
    let (last_evidence_ms, duplicates) =
        (world.incidents[incident].last_evidence_ms, world.incidents[incident].duplicates);
    let taker = &mut world.incidents[into];
    taker.buildings.push((world.clock_ms, building));
    taker.last_evidence_ms = taker.last_evidence_ms.max(last_evidence_ms);
    taker.duplicates += duplicates;
}
