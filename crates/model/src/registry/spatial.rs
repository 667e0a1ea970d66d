//! Distances on the sphere, and the index that finds a building's neighbours.

use rstar::RTree;
use rstar::primitives::GeomWithData;

use super::{Building, BuildingIdx};

/// The mean radius of the Earth that distances are reckoned with, metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// The great-circle distance of two points (longitude, latitude in degrees) in metres.
#[must_use]
pub fn distance_m(one: (f64, f64), other: (f64, f64)) -> f64 {
    let (lat_1, lat_2) = (one.1.to_radians(), other.1.to_radians());
    let half_dlat = (lat_2 - lat_1) / 2.0;
    let half_dlon = (other.0 - one.0).to_radians() / 2.0;
    let haversine = half_dlat.sin().powi(2) + lat_1.cos() * lat_2.cos() * half_dlon.sin().powi(2);
    2.0 * EARTH_RADIUS_M * haversine.sqrt().min(1.0).asin()
}

type Point = GeomWithData<[f64; 3], BuildingIdx>;

/// Buildings as points of the unit sphere in space, where neither poles nor the date line need care.
#[derive(Debug)]
pub(super) struct SpatialIndex {
    tree: RTree<Point>,
}

impl SpatialIndex {
    pub(super) fn new(buildings: &[Building]) -> Self {
        let points =
            (0..).zip(buildings).map(|(number, b)| Point::new(on_unit_sphere((b.lon, b.lat)), number)).collect();
        Self { tree: RTree::bulk_load(points) }
    }

    /// Buildings at most about `radius_m` from a point: none is missing, some may lie a hair beyond.
    pub(super) fn within(&self, centre: (f64, f64), radius_m: f64) -> impl Iterator<Item = BuildingIdx> + '_ {
        let angle = (radius_m / EARTH_RADIUS_M).min(std::f64::consts::PI);
        // The straight line through the sphere, widened by more than the rounding of either way to reckon.
        let chord = 2.0 * (angle / 2.0).sin() * (1.0 + 1e-9) + 1e-9;
        self.tree.locate_within_distance(on_unit_sphere(centre), chord * chord).map(|point| point.data)
    }
}

fn on_unit_sphere((lon, lat): (f64, f64)) -> [f64; 3] {
    let (lon, lat) = (lon.to_radians(), lat.to_radians());
    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degree_of_latitude_and_the_way_round_the_date_line() {
        let degree = EARTH_RADIUS_M.to_radians();
        for (one, other, expected) in [
            ((113.0, 22.0), (113.0, 23.0), degree),
            ((0.0, 0.0), (1.0, 0.0), degree),
            ((179.5, 0.0), (-179.5, 0.0), degree),
            ((0.0, 90.0), (120.0, 90.0), 0.0),
            ((0.0, 0.0), (180.0, 0.0), 180.0 * degree),
        ] {
            assert!((distance_m(one, other) - expected).abs() < 1e-3, "{one:?} {other:?}");
        }
    }
}
