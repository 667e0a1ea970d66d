//! Records and exactly what they say: the worked examples of the formats, and the traps that real parsers fell into.
//!
//! Every row of `tests/vectors/*.txt` is decoded twice: alone, and behind another record's signals, which must stay.

use fenghuo_decode::{Decoded, Format, Options, decode};

struct Row<'t> {
    name: &'t str,
    record: Vec<u8>,
    expected: Vec<&'t str>,
}

fn rows(text: &str) -> Vec<Row<'_>> {
    text.split("\n\n").skip(1).map(str::trim).filter(|row| !row.is_empty()).map(row).collect()
}

fn row(text: &str) -> Row<'_> {
    let mut lines = text.lines();
    let name = lines.next().and_then(|line| line.strip_prefix("# ")).expect("a row begins with its name");
    let record = lines.next().expect("the record follows");
    let record = record.strip_prefix("binary ").map_or_else(|| record.as_bytes().to_vec(), bytes_of_hex);
    Row { name, record, expected: lines.map(|line| line.strip_prefix("= ").expect("then what it says")).collect() }
}

fn bytes_of_hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("a vector is hex"))
        .collect()
}

fn shown(decoded: &Decoded) -> String {
    match decoded {
        Decoded::Signal(signal) => signal.to_json(),
        Decoded::Rejected(rejection) => format!("rejected: {rejection}"),
    }
}

fn check(format: Format, text: &str, at_least: usize) {
    let rows = rows(text);
    assert!(rows.len() >= at_least, "only {} rows were found", rows.len());
    let mut wrong = String::new();
    for Row { name, record, expected } in rows {
        let mut out = Vec::new();
        decode(format, &record, &Options::default(), &mut out);
        let alone = out.clone();
        decode(format, &record, &Options::default(), &mut out);
        assert_eq!(out, [alone.clone(), alone.clone()].concat(), "{name}: a record knows nothing of the one before");
        let said: Vec<String> = alone.iter().map(shown).collect();
        if said != expected {
            wrong += &format!("{name}\n  expected {expected:#?}\n  said {said:#?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_frames_of_the_standard_say_exactly_this() {
    check(Format::Gb26875, include_str!("vectors/frames.txt"), 10);
}

#[test]
fn every_trap_of_real_parsers_is_passed() {
    check(Format::Gb26875, include_str!("vectors/traps.txt"), 60);
}

#[test]
fn pushes_of_the_cloud_say_exactly_this() {
    check(Format::Ctwing, include_str!("vectors/ctwing.txt"), 20);
}

#[test]
fn native_signals_are_one_object_a_record() {
    check(Format::Signal, include_str!("vectors/native.txt"), 8);
}

#[test]
fn an_empty_record_says_that_it_is_empty() {
    for format in Format::ALL {
        let mut out = Vec::new();
        decode(*format, b"", &Options::default(), &mut out);
        assert_eq!(out.iter().map(shown).collect::<Vec<_>>(), ["rejected: empty record"], "{format}");
    }
    let mut out = Vec::new();
    decode(Format::Gb26875, b" \r\n", &Options::default(), &mut out);
    assert_eq!(out.iter().map(shown).collect::<Vec<_>>(), ["rejected: empty record"]);
}
