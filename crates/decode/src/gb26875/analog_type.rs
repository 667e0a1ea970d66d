//! Measured values with their units, by the analog type (GB/T 26875.3-2011, table 8).

use serde_json::Number;

/// Value and UCUM unit of `steps`; of a type that is reserved or a vendor's own, the steps as they are, without a unit.
pub(super) fn value(analog_type: u8, steps: i16) -> (Number, Option<&'static str>) {
    let (steps_per_unit, unit) = match analog_type {
        1 => (1, "1"),
        2 => (100, "m"),
        3 => (10, "Cel"),
        4 => (10, "MPa"),
        5 => (10, "kPa"),
        6 => (10, "%"),
        7 => (1, "s"),
        8 => (10, "V"),
        9 => (10, "A"),
        10 => (10, "L/s"),
        11 => (10, "m3/min"),
        12 => (1, "m/s"),
        _ => return (Number::from(steps), None),
    };
    if steps % steps_per_unit == 0 {
        return (Number::from(steps / steps_per_unit), Some(unit));
    }
    // A division is rounded once: the nearest number to the decimal fraction, which is printed as that fraction.
    let value = f64::from(steps) / f64::from(steps_per_unit);
    (Number::from_f64(value).expect("a quotient of small integers is finite"), Some(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_no_noise() {
        for (analog_type, steps, shown, expected_unit) in [
            (3, 685, "68.5", Some("Cel")),
            (3, -7, "-0.7", Some("Cel")),
            (3, 700, "70", Some("Cel")),
            (2, 129, "1.29", Some("m")),
            (2, i16::MIN, "-327.68", Some("m")),
            (1, 12, "12", Some("1")),
            (6, 253, "25.3", Some("%")),
            (12, 9, "9", Some("m/s")),
            (128, 300, "300", None),
            (0, 1, "1", None),
            (13, 1, "1", None),
        ] {
            let (value, unit) = value(analog_type, steps);
            assert_eq!((value.to_string().as_str(), unit), (shown, expected_unit), "type {analog_type}");
        }
        for steps in i16::MIN..=i16::MAX {
            let shown = value(3, steps).0.to_string();
            let (whole, tenths) = (steps.unsigned_abs() / 10, steps.unsigned_abs() % 10);
            let sign = if steps < 0 { "-" } else { "" };
            let fraction = if tenths == 0 { String::new() } else { format!(".{tenths}") };
            assert_eq!(shown, format!("{sign}{whole}{fraction}"));
        }
    }
}
