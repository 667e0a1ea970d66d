//! The ground: where buildings lie in space, which of them are near enough, and cells to find them by.
//!
//! Points of the unit sphere in space need no care for poles or the date line, and whether two of them are near is
//! three products. Only within a hair of a radius is the great-circle distance reckoned, which alone decides there.

use std::collections::HashMap;

use fenghuo_model::registry::{BuildingIdx, EARTH_RADIUS_M, Registry};

/// A building's point of the unit sphere.
pub(super) type Point = [f64; 3];

/// A number of a cell.
pub(super) type Cell = u32;

pub(super) fn point_of(registry: &Registry, building: BuildingIdx) -> Point {
    let building = registry.building(building);
    let (lon, lat) = (building.lon.to_radians(), building.lat.to_radians());
    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
}

/// The straight line through the sphere between points that lie `radius_m` apart on it.
fn chord(radius_m: f64) -> f64 {
    2.0 * ((radius_m / EARTH_RADIUS_M).min(std::f64::consts::PI) / 2.0).sin()
}

/// A radius, and between which squares of chords it takes a closer look.
#[derive(Debug, Clone, Copy)]
struct Ring {
    radius_m: f64,
    surely: f64,
    maybe: f64,
}

/// The radii of the policy's neighbourhood rules, ascending, each once.
#[derive(Debug, Default)]
pub(super) struct Rings(Vec<Ring>);

impl Rings {
    pub(super) fn new(mut radii_m: Vec<f64>) -> Self {
        radii_m.sort_by(f64::total_cmp);
        radii_m.dedup();
        // More than the rounding of either way to reckon: 6 mm.
        let narrow = |chord: f64| (chord * (1.0 - 1e-9) - 1e-9).max(0.0).powi(2);
        let wide = |chord: f64| (chord * (1.0 + 1e-9) + 1e-9).powi(2);
        let ring = |radius_m| Ring { radius_m, surely: narrow(chord(radius_m)), maybe: wide(chord(radius_m)) };
        Self(radii_m.into_iter().map(ring).collect())
    }

    /// Its place in the list.
    pub(super) fn of(&self, radius_m: f64) -> u32 {
        let place = self.0.partition_point(|ring| ring.radius_m < radius_m);
        u32::try_from(place).expect("a policy has few rules")
    }

    /// How far the largest reaches, as a straight line and a hair more; nothing without one.
    pub(super) fn reach(&self) -> Option<f64> {
        self.0.last().map(|ring| ring.maybe.sqrt())
    }

    /// The smallest ring around one building in which the other lies, if it lies in one.
    pub(super) fn between(
        &self,
        registry: &Registry,
        one: (BuildingIdx, Point),
        other: (BuildingIdx, Point),
    ) -> Option<u32> {
        let square: f64 = one.1.iter().zip(other.1).map(|(here, there)| (here - there) * (here - there)).sum();
        let lies_in = |ring: &Ring| {
            let is_close_call = square > ring.surely && square < ring.maybe;
            square <= ring.surely || is_close_call && registry.distance_m(one.0, other.0) <= ring.radius_m
        };
        (0..).zip(&self.0).find_map(|(number, ring)| lies_in(ring).then_some(number))
    }
}

/// Cubes of one size, numbered as they are first asked for.
#[derive(Debug, Default)]
pub(super) struct Grid {
    edge: f64,
    numbers: HashMap<[i32; 3], Cell, foldhash::fast::RandomState>,
}

impl Grid {
    pub(super) fn new(edge: f64) -> Self {
        Self { edge, numbers: HashMap::default() }
    }

    #[expect(clippy::cast_possible_truncation, reason = "an edge is at least 2 · 10⁻⁹ of a sphere's radius")]
    fn along(&self, at: f64) -> i32 {
        (at / self.edge).floor() as i32
    }

    /// The cell of a point, and every cell within `reach` of it on each axis, its own among them.
    pub(super) fn around(&mut self, point: Point, reach: f64) -> (Cell, Vec<Cell>) {
        let span = |axis: usize| self.along(point[axis] - reach)..=self.along(point[axis] + reach);
        let own = [self.along(point[0]), self.along(point[1]), self.along(point[2])];
        let spans = [span(0), span(1), span(2)];
        let mut cells = Vec::with_capacity(8);
        let [xs, ys, zs] = spans;
        for x in xs {
            for y in ys.clone() {
                cells.extend(zs.clone().map(|z| self.number([x, y, z])));
            }
        }
        (self.number(own), cells)
    }

    fn number(&mut self, cell: [i32; 3]) -> Cell {
        let next = Cell::try_from(self.numbers.len()).expect("fewer cells are touched than 2³²");
        *self.numbers.entry(cell).or_insert(next)
    }
}
