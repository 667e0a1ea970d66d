//! SPEC.md 4: a decision as JSON, from an incident and the world in which it is described.

use std::collections::BTreeSet;

use fenghuo_model::registry::{Building, distance_m};
use fenghuo_model::time::Rfc3339;
use fenghuo_model::{Policy, Registry, Signal};
use serde_json::{Map, Value, json};

use crate::evidence::{Evidence, tally};
use crate::intake::Arrived;
use crate::world::{Incident, Standing, World};

/// Of more evidence than twice this, the earliest and latest this many are shown.
const SHOWN_AT_EACH_END: usize = 32;

/// What decides, and what it knows from the start.
#[derive(Clone, Copy)]
pub struct City<'c> {
    /// Buildings and devices.
    pub registry: &'c Registry,
    /// The rules.
    pub policy: &'c Policy,
    /// The region's name.
    pub region: &'c str,
}

impl City<'_> {
    /// The building at that place of the registry's list.
    pub fn building(&self, building: usize) -> &Building {
        &self.registry.buildings()[building]
    }

    /// The building's id.
    pub fn building_id(&self, building: usize) -> &str {
        &self.building(building).id
    }

    /// "Great circle, sphere of 6 371 008.8 m."
    pub fn distance_m(&self, one: usize, other: usize) -> f64 {
        let (one, other) = (self.building(one), self.building(other));
        distance_m((one.lon, one.lat), (other.lon, other.lat))
    }
}

/// What only some decisions carry.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// Of `merged`: the id of the incident that took the building in.
    pub into: Option<String>,
    /// Of `rejected` and `cancelled`: the clear.
    pub clear: Option<Signal>,
}

/// A decision about an incident as it stands in `world`.
pub fn decision(
    city: City<'_>,
    world: &World,
    incident: usize,
    word: &str,
    decided_ms: i64,
    revision: u32,
    extra: &Extra,
) -> Value {
    let state = &world.incidents[incident];
    let counting = tally(city.policy, &world.counting_evidence_of(incident));
    // "Sorted by (event time, device, kind, arrival)."
    let mut evidence = world.evidence_of(incident);
    evidence.sort_by_key(|e| (e.at_ms, e.device.clone(), e.kind.word(), e.arrival));
    let fire_ms = evidence.first().expect("a building without evidence has left its incident").at_ms;
    let place = city.building(state.place);
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| value.map(|value| fields.insert(name.to_owned(), value));
    put("decision", Some(json!(word)));
    put("incident", Some(json!(state.id)));
    put("revision", Some(json!(revision)));
    put("region", Some(json!(city.region)));
    put("place", Some(json!(place.id)));
    put("buildings", Some(buildings(city, state)));
    // "`rule`, `satisfied_at` (T): of the confirmation, absent before it."
    put("rule", state.confirmation.as_ref().map(|confirmation| json!(confirmation.rule)));
    put("satisfied_at", state.confirmation.as_ref().map(|confirmation| time(confirmation.satisfied_ms)));
    // "`fire_at`: its earliest evidence; … `decided_at`: C, or the due time of a timer."
    put("fire_at", Some(time(fire_ms)));
    put("decided_at", Some(time(decided_ms)));
    put("lon", Some(json!(place.lon)));
    put("lat", Some(json!(place.lat)));
    put("datum", Some(json!("wgs84")));
    put("address", place.address.as_ref().map(|text| json!(text)));
    put("town", place.town.as_deref().map(|text| json!(text)));
    put("village", place.village.as_deref().map(|text| json!(text)));
    put("grid", place.grid.as_deref().map(|text| json!(text)));
    put("premises", Some(json!(place.premises.word())));
    put("contact", place.contact.as_ref().map(|text| json!(text)));
    // "devices, locations, classes are counted over the evidence that is not isolated, as the rules count."
    put("devices", Some(json!(counting.devices)));
    put("locations", Some(json!(counting.locations.len())));
    put("classes", Some(json!(counting.classes)));
    put("duplicates", Some(json!(state.duplicates)));
    put("related", Some(json!(related(city, world, incident))));
    put("into", extra.into.as_ref().map(|into| json!(into)));
    put("by", extra.clear.as_ref().and_then(|clear| clear.by.as_ref()).map(|by| json!(by)));
    put("cause", extra.clear.as_ref().and_then(|clear| clear.cause.as_ref()).map(|cause| json!(cause)));
    put("policy", Some(json!(city.policy.hash())));
    put("evidence_total", Some(json!(evidence.len())));
    // "Of more than 64 the earliest 32 and the latest 32."
    if evidence.len() > 2 * SHOWN_AT_EACH_END {
        evidence.drain(SHOWN_AT_EACH_END..evidence.len() - SHOWN_AT_EACH_END);
    }
    put("evidence", Some(evidence.into_iter().map(|e| entry(city, e, state)).collect()));
    Value::Object(fields)
}

fn time(ms: i64) -> Value {
    json!(Rfc3339(ms).to_string())
}

/// "`buildings` (by id; `confirmed`: a building rule has held there)."
fn buildings(city: City<'_>, state: &Incident) -> Value {
    let mut members: Vec<usize> = state.buildings.iter().map(|(_, building)| *building).collect();
    members.sort_by_key(|building| city.building_id(*building));
    let entry = |index: usize| {
        let building = city.building(index);
        let mut entry = json!({
            "id": building.id, "lon": building.lon, "lat": building.lat,
            "confirmed": state.buildings_confirmed.contains(&index),
        });
        for (name, text) in [("name", &building.name), ("address", &building.address)] {
            if let Some(text) = text {
                entry[name] = json!(text);
            }
        }
        if let Some(floors) = building.floors {
            entry["floors"] = json!(floors);
        }
        entry
    };
    members.into_iter().map(entry).collect()
}

/// "`related`: other open confirmed incidents with a building within the largest `radius_m` of one of this one's."
fn related(city: City<'_>, world: &World, incident: usize) -> BTreeSet<String> {
    let radii = city.policy.rules.iter().filter_map(|rule| rule.radius_m);
    let Some(radius_m) = radii.max_by(f64::total_cmp) else { return BTreeSet::new() };
    let is_near = |other: &Incident| {
        let pairs = |(_, one): &(i64, usize)| {
            world.incidents[incident].buildings.iter().any(|(_, own)| city.distance_m(*one, *own) <= radius_m)
        };
        other.buildings.iter().any(pairs)
    };
    let others = world.incidents.iter().enumerate().filter(|(index, _)| *index != incident).map(|(_, other)| other);
    let confirmed = others.filter(|other| other.standing == Standing::Confirmed);
    confirmed.filter(|other| is_near(other)).map(|other| other.id.clone()).collect()
}

fn entry(city: City<'_>, evidence: &Evidence, state: &Incident) -> Value {
    let mut entry = json!({
        "device": evidence.device, "building": city.building_id(evidence.building), "location": evidence.location,
        "sensor": evidence.sensor.word(), "kind": evidence.kind.word(), "at": time(evidence.at_ms),
        // "`counted`: in the supporting set of the confirmation."
        "counted": state.confirmation.as_ref().is_some_and(|by| by.supporting.contains(&evidence.arrival)),
    });
    // "`floor`: the registered device's, in its own building."
    if let Some(floor) = evidence.floor {
        entry["floor"] = json!(floor);
    }
    // "`received_at` where given; … `isolated`, `unregistered`, `time":"received"` where they apply."
    if let Some(received_at_ms) = evidence.received_at_ms {
        entry["received_at"] = time(received_at_ms);
    }
    for (name, applies) in [("isolated", evidence.isolated), ("unregistered", evidence.unregistered)] {
        if applies {
            entry[name] = json!(true);
        }
    }
    if evidence.time_received {
        entry["time"] = json!("received");
    }
    if let Some(source) = &evidence.source {
        entry["source"] = json!(source);
    }
    entry
}

/// "`unplaced` has decision, region, decided_at, policy, device and the one signal as evidence (without `building`,
/// `unregistered`)."
pub fn unplaced(city: City<'_>, clock_ms: i64, arrived: &Arrived) -> Value {
    let signal = &arrived.signal;
    let mut entry = json!({
        "device": arrived.device, "location": signal.location.as_ref().unwrap_or(&arrived.device),
        "sensor": arrived.sensor.word(), "kind": signal.kind.word(), "at": time(arrived.at_ms), "counted": false,
    });
    if let Some(received_at_ms) = signal.received_at_ms {
        entry["received_at"] = time(received_at_ms);
    }
    if arrived.time_received {
        entry["time"] = json!("received");
    }
    if let Some(source) = &signal.source {
        entry["source"] = json!(source);
    }
    json!({
        "decision": "unplaced", "region": city.region, "decided_at": time(clock_ms), "policy": city.policy.hash(),
        "device": arrived.device, "evidence": [entry],
    })
}
