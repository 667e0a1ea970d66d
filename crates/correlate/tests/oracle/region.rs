//! SPEC.md 3: "each region is a world of its own". What one signal does there, from the clock to the decisions.

use std::rc::Rc;

use fenghuo_model::Kind;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::evidence::{Evidence, is_isolated, is_repeat, tally};
use crate::intake::{Arrived, Spot};
use crate::judging::{Change, judge};
use crate::publish::{City, Extra, decision, unplaced};
use crate::timers;
use crate::world::{Accepted, Incident, Isolation, Restore, Standing, World};

/// "The decisions of one signal come in the order …, and by incident id within a kind."
const ORDER: [&str; 8] = ["suspected", "verify", "merged", "confirmed", "update", "rejected", "cancelled", "unplaced"];

/// What is to be published about an incident.
struct Due<'w> {
    word: &'static str,
    incident: usize,
    /// The world in which the decision describes its incident; without one, as the signal leaves it.
    seen: Option<&'w World>,
    extra: Extra,
}

/// Takes one signal of the region; `arrival` is its place in the order of arrival.
pub fn take(city: City<'_>, world: &mut World, arrived: &Arrived, arrival: usize) -> Vec<Value> {
    // "At a new signal C moves first; timers due at or before C fire …; then the signal takes effect."
    let mut decisions = move_clock(city, world, arrived.clock_ms);
    if drop_duplicate(city, world, arrived) {
        return decisions;
    }
    world.accepted.push(Rc::new(Accepted { arrived: arrived.clone(), clock_ms: world.clock_ms, arrival }));
    // "A signal with `test` true moves the clock, is checked for duplicates, and does nothing else."
    if arrived.signal.test {
        return decisions;
    }
    let signal = &arrived.signal;
    match (signal.kind, &arrived.spot) {
        (Kind::Fire | Kind::Confirm, None) => decisions.extend(say_unplaced(city, world, arrived)),
        (Kind::Fire | Kind::Confirm | Kind::Prealarm, Some(spot)) if is_evidence(city, signal.kind) => {
            decisions.extend(take_evidence(city, world, arrived, spot, arrival));
        }
        (Kind::Restore, Some(_)) => {
            world.restores.push(Restore { device: arrived.device.clone(), at_ms: arrived.at_ms });
        }
        (Kind::Isolate | Kind::IsolateRestore, Some(_)) => world.isolations.push(Isolation {
            device: arrived.device.clone(),
            at_ms: arrived.at_ms,
            arrival,
            isolates: signal.kind == Kind::Isolate,
            until_ms: signal.until_ms,
        }),
        (Kind::Acknowledge, Some(spot)) => world.acknowledged.push((arrival, spot.building)),
        (Kind::Clear, Some(spot)) => decisions.extend(take_clear(city, world, arrived, spot)),
        _ => {}
    }
    decisions
}

/// Moves C, which never goes back, and fires the timers due.
pub fn move_clock(city: City<'_>, world: &mut World, clock_ms: i64) -> Vec<Value> {
    world.clock_ms = world.clock_ms.max(clock_ms);
    timers::fire(city, world, world.clock_ms)
}

/// "Of kind fire or confirm, or of kind prealarm if some rule lists it."
fn is_evidence(city: City<'_>, kind: Kind) -> bool {
    match kind {
        Kind::Fire | Kind::Confirm => true,
        Kind::Prealarm => city.policy.rules.iter().any(|rule| rule.kinds.contains(&Kind::Prealarm)),
        _ => false,
    }
}

/// "Same device, kind, `test`, building named (if any) and, for a clear, location named, and same `id` (both have one)
/// or same event time (neither has one), as an accepted signal that arrived at most `dedup.horizon` of C earlier.
/// Counted; changes nothing else than C."
fn drop_duplicate(city: City<'_>, world: &mut World, arrived: &Arrived) -> bool {
    let signal = &arrived.signal;
    let first = world.accepted.iter().find(|accepted| {
        let (other, before) = (&accepted.arrived, &accepted.arrived.signal);
        let same_statement = match (&signal.id, &before.id) {
            (Some(id), Some(other_id)) => id == other_id,
            (None, None) => arrived.at_ms == other.at_ms,
            _ => false,
        };
        same_statement
            && world.clock_ms - accepted.clock_ms <= city.policy.dedup_horizon_ms
            && arrived.device == other.device
            && signal.kind == before.kind
            && signal.test == before.test
            && signal.building == before.building
            && (signal.kind != Kind::Clear || signal.location == before.location)
    });
    let Some(first) = first.map(|accepted| accepted.arrival) else { return false };
    // `duplicates` of a decision: duplicates of evidence that were dropped in the buildings of the incident.
    let building = world.evidence.iter().find(|e| e.arrival == first).map(|e| e.building);
    if let Some(incident) = building.and_then(|building| world.incident_of(building)) {
        world.incidents[incident].duplicates += 1;
    }
    true
}

/// "… gives the decision `unplaced`, again only once `close_after` has passed since that device's last."
fn say_unplaced(city: City<'_>, world: &mut World, arrived: &Arrived) -> Option<Value> {
    let last_ms = world.unplaced.iter().filter(|(device, _)| *device == arrived.device).map(|(_, ms)| *ms).max();
    if last_ms.is_some_and(|last_ms| world.clock_ms - last_ms < city.policy.incident.close_after_ms) {
        return None;
    }
    world.unplaced.push((arrived.device.clone(), world.clock_ms));
    Some(unplaced(city, world.clock_ms, arrived))
}

fn take_evidence(city: City<'_>, world: &mut World, arrived: &Arrived, spot: &Spot, arrival: usize) -> Vec<Value> {
    let isolated = is_isolated(world, city.policy, &arrived.device, arrived.at_ms);
    let mut evidence = Evidence {
        arrival,
        device: arrived.device.clone(),
        address: arrived.address.clone(),
        signal_id: arrived.signal.id.clone(),
        kind: arrived.signal.kind,
        sensor: arrived.sensor,
        building: spot.building,
        location: spot.location.clone(),
        floor: arrived.registered.filter(|(_, own)| *own == spot.building).and_then(|(floor, _)| floor),
        at_ms: arrived.at_ms,
        received_at_ms: arrived.signal.received_at_ms,
        time_received: arrived.time_received,
        isolated,
        unregistered: spot.unregistered,
        source: arrived.signal.source.clone(),
        wiped: false,
        incident: 0,
    };
    let before = world.clone();
    let home = before.incident_of(spot.building);
    // "Evidence in a building that is in none opens one there, **suspected**; that building is its `place`."
    evidence.incident = home.unwrap_or(world.incidents.len());
    if home.is_none() {
        world.incidents.push(opened(city, world, &evidence));
    }
    let incident = evidence.incident;
    world.incidents[incident].last_evidence_ms = world.clock_ms;
    world.evidence.push(evidence.clone());
    let joined = world.clone();
    let changes = judge(city, world, arrival);

    let mut due = Vec::new();
    let of = |word, incident, seen| Due { word, incident, seen, extra: Extra::default() };
    if home.is_none() {
        // "`suspected` as it opened, before any rule was tried."
        due.push(of("suspected", incident, Some(&joined)));
    }
    due.extend(due_by_rules(world, &joined, &changes));
    let is_confirmed_already = home.is_some() && joined.incidents[incident].standing == Standing::Confirmed;
    let state = &mut world.incidents[incident];
    // "A new location by evidence that is not isolated, after that: `verify` again, at once, unless the signal confirms
    // it or has it taken in."
    if state.standing == Standing::Suspected
        && state.first_verify_ms.is_some()
        && shows_new_location(city, &before, &joined, &evidence)
    {
        due.push(of("verify", incident, None));
    }
    // "A confirmed incident that gets a new location or sensor class by evidence that is not isolated, or a `confirm`:
    // `update`, at once if `update_every` has passed since its last `confirmed` or `update`, else at that time."
    let is_published = due.iter().any(|due| due.incident == incident);
    if is_confirmed_already && !is_published && is_news(city, &before, &joined, &evidence) {
        if joined.clock_ms - state.published_ms >= city.policy.incident.update_every_ms {
            due.push(of("update", incident, None));
        } else {
            state.update_waits = true;
        }
    }
    publish(city, world, due)
}

/// "What one signal does to one incident is one decision."
fn due_by_rules<'w>(world: &World, joined: &'w World, changes: &[Change]) -> Vec<Due<'w>> {
    let mut due = Vec::new();
    for incident in 0..world.incidents.len() {
        let word = if changes.contains(&Change::Confirmed(incident)) {
            "confirmed"
        } else if changes.contains(&Change::Grew(incident)) {
            "update"
        } else {
            continue;
        };
        due.push(Due { word, incident, seen: None, extra: Extra::default() });
    }
    for change in changes {
        if let Change::Merged { incident, into } = change {
            let extra = Extra { into: Some(world.incidents[*into].id.clone()), clear: None };
            // "One that ends as it was before the signal, a `merged` one with the signal's evidence."
            due.push(Due { word: "merged", incident: *incident, seen: Some(joined), extra });
        }
    }
    due
}

fn opened(city: City<'_>, world: &World, evidence: &Evidence) -> Incident {
    Incident {
        id: incident_id(city, evidence),
        standing: Standing::Suspected,
        place: evidence.building,
        buildings: vec![(world.clock_ms, evidence.building)],
        buildings_confirmed: Vec::new(),
        opened_ms: world.clock_ms,
        opened_by: evidence.arrival,
        last_evidence_ms: world.clock_ms,
        first_verify_ms: None,
        escalated: false,
        confirmation: None,
        published_ms: 0,
        update_waits: false,
        duplicates: 0,
        revision: 0,
    }
}

/// "The first 16 hexadecimal digits of SHA-256 over region, first place, and device, kind, event time (ms) and signal
/// `id` (or nothing) of the evidence that opened it, joined by U+001F, in lower case."
fn incident_id(city: City<'_>, evidence: &Evidence) -> String {
    let parts = [
        city.region,
        city.building_id(evidence.building),
        &evidence.device,
        evidence.kind.word(),
        &evidence.at_ms.to_string(),
        evidence.signal_id.as_deref().unwrap_or_default(),
    ];
    let digest = Sha256::digest(parts.join("\u{1f}").as_bytes());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..16].to_owned()
}

/// "New is what the incident's evidence that is not isolated, as it then stands, does not show, as the rules count." A
/// repeating panel's location is none: it "is no new location".
fn shows_new_location(city: City<'_>, before: &World, joined: &World, evidence: &Evidence) -> bool {
    let shown = tally(city.policy, &before.counting_evidence_of(evidence.incident)).locations;
    let beside = joined.counting_evidence_of(evidence.incident);
    !evidence.isolated
        && !is_repeat(evidence, &beside)
        && !shown.contains(&(evidence.building, evidence.location.clone()))
}

fn is_news(city: City<'_>, before: &World, joined: &World, evidence: &Evidence) -> bool {
    let classes = |world: &World| tally(city.policy, &world.counting_evidence_of(evidence.incident)).classes;
    let shows_new_class = !evidence.isolated && !classes(joined).is_subset(&classes(before));
    // A `confirm` is news even where what it stands on is isolated.
    evidence.kind == Kind::Confirm || shows_new_class || shows_new_location(city, before, joined, evidence)
}

/// "A `clear` of a building at c wipes the evidence of that building (of that location, if it names one) that has
/// arrived with t ≤ c, in its incident too."
fn take_clear(city: City<'_>, world: &mut World, arrived: &Arrived, spot: &Spot) -> Vec<Value> {
    let before = world.clone();
    let named = arrived.signal.location.as_deref();
    for evidence in world.evidence.iter_mut().filter(|e| e.building == spot.building && e.at_ms <= arrived.at_ms) {
        if named.is_none_or(|location| evidence.location == location) {
            evidence.wiped = true;
        }
    }
    let Some(incident) = world.incident_of(spot.building) else { return Vec::new() };
    // "If its incident still holds evidence of that building afterwards, nothing is published; else the building leaves
    // it (and `buildings_confirmed`)."
    if world.evidence_of(incident).iter().any(|e| e.building == spot.building) {
        return Vec::new();
    }
    let extra = Extra { into: None, clear: Some(arrived.signal.clone()) };
    let state = &mut world.incidents[incident];
    let standing = state.standing;
    state.buildings.retain(|(_, building)| *building != spot.building);
    state.buildings_confirmed.retain(|building| *building != spot.building);
    // "`place` moves, if it left, to the remaining building that joined first (C, then smaller id)."
    let first = state.buildings.iter().min_by_key(|(joined_ms, building)| (*joined_ms, city.building_id(*building)));
    let due = match first.map(|(_, building)| *building) {
        Some(first) => {
            if state.place == spot.building {
                state.place = first;
            }
            Due { word: "update", incident, seen: None, extra: Extra::default() }
        }
        // "When no building is left the incident ends, `rejected` if it was suspected, `cancelled` if confirmed."
        None => {
            state.standing = Standing::Ended;
            let word = if standing == Standing::Confirmed { "cancelled" } else { "rejected" };
            Due { word, incident, seen: Some(&before), extra }
        }
    };
    publish(city, world, vec![due])
}

/// Orders what is due, counts the revisions, and writes it.
fn publish(city: City<'_>, world: &mut World, mut due: Vec<Due<'_>>) -> Vec<Value> {
    let rank = |word: &str| ORDER.iter().position(|other| *other == word).expect("every word has its rank");
    due.sort_by_key(|due| (rank(due.word), world.incidents[due.incident].id.clone()));
    let clock_ms = world.clock_ms;
    let mut decisions = Vec::new();
    for Due { word, incident, seen, extra } in &due {
        let revision = note_published(world, *incident, word, clock_ms);
        let seen = seen.unwrap_or(world);
        decisions.push(decision(city, seen, *incident, word, clock_ms, revision, extra));
    }
    decisions
}

/// Counts a decision of the incident; "every `confirmed` or `update` carries all that came before, so that a waiting
/// update is then needless".
pub fn note_published(world: &mut World, incident: usize, word: &str, decided_ms: i64) -> u32 {
    let state = &mut world.incidents[incident];
    state.revision += 1;
    if matches!(word, "confirmed" | "update") {
        state.published_ms = decided_ms;
        state.update_waits = false;
    }
    state.revision
}
