//! Whatever gets lit, speaks, is confirmed and goes dark: what is kept is what measuring every pair would give.

use std::collections::BTreeMap;
use std::sync::Arc;

use fenghuo_model::{Kind, Policy, Registry, Sensor};

use super::{Lit, Neighbourhoods};
use crate::evidence::{DeviceKey, Heard};

/// A handful of houses about 40 m apart, some on the other side of the date line.
const HOUSES: u32 = 40;
const RULES: &str = "[[rule]]\nid = \"near\"\nwindow = \"1m\"\nradius_m = 60.0\n\
                     [[rule]]\nid = \"far\"\nwindow = \"1m\"\nradius_m = 150.0\nsensors = [\"smoke\"]\n";

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn houses(random: &mut Random) -> Arc<Registry> {
    let line = |house: u32, random: &mut Random| {
        let metres = |random: &mut Random| random.below(240) as f64 / 111_195.0;
        let lon = 180.0 - 0.001 + metres(random);
        let lon = if lon > 180.0 { lon - 360.0 } else { lon };
        format!("{{\"type\":\"building\",\"id\":\"B{house}\",\"lon\":{lon},\"lat\":{}}}\n", metres(random))
    };
    let text: String = (0..HOUSES).map(|house| line(house, random)).collect();
    Arc::new(Registry::from_json_lines("houses", text.as_bytes()).expect("the lines are well-formed"))
}

/// What there is, kept the simple way: by lit number the building and when it last spoke as a candidate.
type Simple = BTreeMap<Lit, (u32, Option<i64>)>;

fn agree(kept: &Neighbourhoods, simple: &Simple, registry: &Registry) {
    let (near, far) = (kept.reach_of(0).expect("it has a radius"), kept.reach_of(1).expect("it has a radius"));
    let distance_m = |one: Lit, other: Lit| registry.distance_m(simple[&one].0, simple[&other].0);
    let latest_ms = |lits: &[Lit]| lits.iter().filter_map(|lit| simple[lit].1).max();
    for lit in simple.keys().copied() {
        let of = |radius_m| -> Vec<Lit> {
            simple.keys().copied().filter(|other| distance_m(lit, *other) <= radius_m).collect()
        };
        for (reach, radius_m) in [(near, 60.0), (far, 150.0)] {
            let mut found: Vec<Lit> = kept.within(lit, reach).collect();
            found.sort_unstable();
            assert_eq!(found, of(radius_m), "within {radius_m} m of {lit}");
            for other in simple.keys().copied() {
                assert_eq!(kept.are_within(lit, other, reach), distance_m(lit, other) <= radius_m, "{lit} {other}");
            }
        }
        let felt = latest_ms(&of(150.0));
        for instant_ms in [felt.unwrap_or(0), felt.map_or(i64::MIN, |latest_ms| latest_ms + 1)] {
            // Who fell silent may be remembered as later than it spoke, never as earlier.
            let is_felt = felt.is_some_and(|latest_ms| latest_ms >= instant_ms);
            assert!(kept.has_candidate(lit, instant_ms) || !is_felt, "{lit} at {instant_ms}");
            assert_eq!(kept.has_candidate(lit, i64::MIN), felt.is_some(), "{lit}");
        }
        let origins = of(150.0);
        let could = origins.iter().any(|origin| kept.has_candidate(*origin, 0));
        assert!(kept.could_change(lit, 0) || !could, "{lit}");
    }
}

#[test]
fn what_is_kept_is_what_measuring_gives() {
    let mut random = Random(20_261_126);
    let policy = Arc::new(Policy::from_toml("rules", RULES).expect("the rules are well-formed"));
    for _ in 0..20 {
        let registry = houses(&mut random);
        let mut kept = Neighbourhoods::new(Arc::clone(&registry), Arc::clone(&policy));
        let mut simple = Simple::new();
        let mut unlit: Vec<Lit> = Vec::new();
        for step in 0..200 {
            let building = u32::try_from(random.below(HOUSES.into())).expect("there are few");
            let lit = simple.iter().find(|(_, (other, _))| *other == building).map(|(lit, _)| *lit);
            match (lit, random.below(4)) {
                (None, _) => {
                    let lit = unlit.pop().unwrap_or_else(|| u32::try_from(simple.len()).expect("there are few"));
                    kept.light(lit, building);
                    simple.insert(lit, (building, None));
                }
                (Some(lit), 0) => {
                    kept.darken(lit);
                    simple.remove(&lit);
                    unlit.push(lit);
                }
                (Some(lit), 1) => {
                    kept.quench(lit);
                    simple.entry(lit).and_modify(|(_, spoke_ms)| *spoke_ms = None);
                }
                (Some(lit), _) => {
                    let heard = Heard {
                        device: &DeviceKey::Registered(0),
                        building,
                        location: "301",
                        sensor: Sensor::Heat,
                        kind: Kind::Fire,
                        isolated: false,
                        unregistered: false,
                    };
                    let at_ms = 1_000 + step * 10 - i64::try_from(random.below(50)).expect("it is small");
                    kept.hear(lit, &heard, at_ms, true, true);
                    simple.entry(lit).and_modify(|(_, spoke_ms)| *spoke_ms = (*spoke_ms).max(Some(at_ms)));
                }
            }
            agree(&kept, &simple, &registry);
        }
    }
}
