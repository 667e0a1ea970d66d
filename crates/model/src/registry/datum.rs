//! The Chinese map datums GCJ-02 and BD-09, and back to WGS 84.
//!
//! GCJ-02 shifts coordinates inside China by a published approximation (the polynomial with sines on the Krasovsky
//! 1940 ellipsoid that map software has used since 2010; BD-09 is Baidu's further shift). The inverse is iterated
//! until it maps back to better than 10⁻⁹ degrees, far below the metre that is asked for.

use std::f64::consts::PI;

/// Longitude and latitude in degrees.
type LonLat = (f64, f64);

const SEMI_MAJOR_AXIS_M: f64 = 6_378_245.0;
const ECCENTRICITY_SQUARED: f64 = 0.006_693_421_622_965_943;

/// Outside this box GCJ-02 equals WGS 84.
fn is_outside_china((lon, lat): LonLat) -> bool {
    !(72.004..=137.8347).contains(&lon) || !(0.8293..=55.8271).contains(&lat)
}

fn ripple(x: f64) -> f64 {
    (20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin()) * 2.0 / 3.0
}

/// The published shift: metres east and north for a point `x`, `y` degrees off (105 E, 35 N).
fn shift_m(x: f64, y: f64) -> (f64, f64) {
    let wave = |a: f64, weight_12: f64, weight_30: f64| {
        let short = 20.0 * (a * PI).sin() + 40.0 * (a / 3.0 * PI).sin();
        (short + weight_12 * (a / 12.0 * PI).sin() + weight_30 * (a / 30.0 * PI).sin()) * 2.0 / 3.0
    };
    let root = x.abs().sqrt();
    let north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple(x) + wave(y, 160.0, 320.0);
    let east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple(x) + wave(x, 150.0, 300.0);
    (east, north)
}

/// WGS 84 to GCJ-02.
#[must_use]
pub fn wgs84_to_gcj02(point: LonLat) -> LonLat {
    if is_outside_china(point) {
        return point;
    }
    let (lon, lat) = point;
    let (east, north) = shift_m(lon - 105.0, lat - 35.0);
    let magic = 1.0 - ECCENTRICITY_SQUARED * lat.to_radians().sin().powi(2);
    let meridian_radius = SEMI_MAJOR_AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / (magic * magic.sqrt());
    let parallel_radius = SEMI_MAJOR_AXIS_M / magic.sqrt() * lat.to_radians().cos();
    (lon + (east / parallel_radius).to_degrees(), lat + (north / meridian_radius).to_degrees())
}

/// GCJ-02 to WGS 84.
#[must_use]
pub fn gcj02_to_wgs84(point: LonLat) -> LonLat {
    invert(point, wgs84_to_gcj02)
}

fn gcj02_to_bd09((lon, lat): LonLat) -> LonLat {
    let turn = PI * 3_000.0 / 180.0;
    let radius = lon.hypot(lat) + 0.000_02 * (lat * turn).sin();
    let angle = lat.atan2(lon) + 0.000_003 * (lon * turn).cos();
    (radius * angle.cos() + 0.006_5, radius * angle.sin() + 0.006)
}

/// WGS 84 to BD-09.
#[must_use]
pub fn wgs84_to_bd09(point: LonLat) -> LonLat {
    gcj02_to_bd09(wgs84_to_gcj02(point))
}

/// BD-09 to WGS 84.
#[must_use]
pub fn bd09_to_wgs84(point: LonLat) -> LonLat {
    gcj02_to_wgs84(invert(point, gcj02_to_bd09))
}

/// Finds the point that `forward` maps to `target`: its shift is small and smooth, so that correcting by the miss
/// converges within a few steps.
fn invert(target: LonLat, forward: impl Fn(LonLat) -> LonLat) -> LonLat {
    let mut guess = target;
    for _ in 0..20 {
        let (lon, lat) = forward(guess);
        let miss = (target.0 - lon, target.1 - lat);
        guess = (guess.0 + miss.0, guess.1 + miss.1);
        if miss.0.abs().max(miss.1.abs()) < 1e-10 {
            break;
        }
    }
    // A tenth of a millimetre: digits beyond it would only differ from machine to machine.
    ((guess.0 * 1e9).round() / 1e9, (guess.1 * 1e9).round() / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::distance_m;

    /// Worked examples of the published functions (Tiananmen and Dongguan as map software shows them).
    #[test]
    fn the_published_shift() {
        let (lon, lat) = wgs84_to_gcj02((116.404, 39.915));
        assert!((lon - 116.410_244_499).abs() < 1e-6 && (lat - 39.916_404_281).abs() < 1e-6, "{lon} {lat}");
    }

    #[test]
    fn back_to_better_than_a_metre_all_over_china() {
        for step in 0..10_000_u32 {
            let point = (74.0 + f64::from(step % 100) * 0.6, 18.0 + f64::from(step / 100) * 0.35);
            for back in [gcj02_to_wgs84(wgs84_to_gcj02(point)), bd09_to_wgs84(wgs84_to_bd09(point))] {
                assert!(distance_m(point, back) < 0.01, "{point:?} {back:?}");
            }
        }
    }

    #[test]
    fn outside_china_nothing_moves() {
        assert_eq!(gcj02_to_wgs84((2.3522, 48.8566)), (2.3522, 48.8566));
    }
}
