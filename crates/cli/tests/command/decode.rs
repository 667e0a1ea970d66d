//! `fenghuo decode`: records as lines, hexadecimal, timestamped or whole.

use super::started::{folder, run};

/// The smoke fire of the standard's worked example (component 0002000a of device 379).
const FRAME: &str = "40 40 01 00 01 01 20 3A 09 1A 09 0C 79 03 00 00 00 00 38 5B 01 00 00 00 30 00 02 02 01 01 01 28 \
    0A 00 02 00 02 00 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 00 \
    02 3A 09 1A 09 0C 46 23 23";
/// The same, counting two objects where it holds one.
const TWO_PROMISED: &str = "404001000101203a091a090c790300000000385b0100000030000202020101280a00020002002020\
    2020202020202020202020202020202020202020202020202020202000023a091a090c472323";
const FIRE: &str =
    r#"{"device":"gb:000000000379:1.1:0002000a","kind":"fire","sensor":"smoke","at":"2012-09-26T01:58:02.000Z"}"#;

#[test]
fn records_become_signals_or_reasons() {
    let native = r#"{"device":"D1","kind":"fire","at":1795312682000}"#;
    let native_out = r#"{"device":"D1","kind":"fire","at":"2026-11-22T01:58:02.000Z"}"#;
    let later = FIRE.replace("01:58:02", "09:58:02");
    let stamped_out =
        r#"{"device":"D1","kind":"fire","received_at":"2026-11-22T01:58:10.000Z","source":"raw.signal/0/7"}"#;
    let gb = &["--format", "gb26875", "--hex"][..];
    for (args, stdin, code, stdout) in [
        (gb, FRAME.to_owned(), 0, vec![FIRE]),
        (gb, format!("\n{FRAME}\r\n\n"), 0, vec![FIRE]),
        (gb, FRAME.replace(' ', "").to_lowercase(), 0, vec![FIRE]),
        (&["--format", "gb26875"], FRAME.replace(' ', ""), 0, vec![FIRE]),
        (&["--format", "gb26875", "--hex", "--utc-offset", "+00:00"], FRAME.to_owned(), 0, vec![&*later]),
        (&["--format", "gb26875", "--hex", "--utc-offset", "-03:30"], FRAME.to_owned(), 0, vec!["T13:28:02.000Z"]),
        (&["--format", "signal"], format!("{native}\n"), 0, vec![native_out]),
        (&["--format", "signal", "--timestamped"], format!("1795312682000\t\t{native}"), 0, vec!["T01:58:02.000Z"]),
        (
            &["--format", "signal", "--timestamped"],
            "1795312690000\traw.signal/0/7\t{\"device\":\"D1\",\"kind\":\"fire\"}\n".to_owned(),
            0,
            vec![stamped_out],
        ),
        // Nothing in, nothing out.
        (gb, String::new(), 0, vec![]),
        // A rejection among readable records is a line among the others.
        (
            gb,
            format!("zz\n{FRAME}\n404"),
            0,
            vec![
                r#"{"rejected":"no hexadecimal digit at column 1","line":1}"#,
                FIRE,
                r#"{"rejected":"an odd number of hexadecimal digits","line":3}"#,
            ],
        ),
        // Of a frame that promises two objects and holds one, the one is read.
        (gb, TWO_PROMISED.to_owned(), 0, vec![FIRE, r#"{"rejected":""#]),
        // If nothing at all could be read, a program must not go on as if.
        (gb, "\nzz\n".to_owned(), 1, vec![r#"{"rejected":"no hexadecimal digit at column 1","line":2}"#]),
        (
            &["--format", "signal"],
            "{\"device\":\"D1\"}".to_owned(),
            1,
            vec![r#"{"rejected":"required field \"kind\" is missing or no string","line":1}"#],
        ),
        (
            &["--format", "signal", "--timestamped"],
            native.to_owned(),
            1,
            vec![r#"{"rejected":"a line is timestamp, tab, source, tab, record","line":1}"#],
        ),
    ] {
        let started = run(&[&["decode"], args].concat(), &stdin);
        assert_eq!((started.code, started.stderr.as_str()), (code, ""), "{args:?} {stdin:?}\n{started:?}");
        let lines: Vec<&str> = started.stdout.lines().collect();
        assert_eq!(lines.len(), stdout.len(), "{args:?} {stdin:?}\n{started:?}");
        for (line, expected) in lines.iter().zip(stdout) {
            assert!(line.contains(expected), "{args:?} {stdin:?}\n{line}\n{expected}");
        }
    }
}

#[test]
fn files_are_named_where_they_hold_what_cannot_be_read() {
    let folder = folder(&[("good.hex", FRAME), ("bad.hex", "\nzz\n")]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (good, bad) = (path("good.hex"), path("bad.hex"));
    let started = run(&["decode", "--format", "gb26875", "--hex", &good, &bad, "-"], FRAME);
    let expected =
        format!("{FIRE}\n{{\"rejected\":\"no hexadecimal digit at column 1\",\"file\":{bad:?},\"line\":2}}\n{FIRE}\n");
    assert_eq!((started.code, started.stdout), (0, expected));
}

#[test]
fn a_whole_input_may_hold_line_feeds() {
    // 10 o'clock: the hour is a line feed.
    let mut frame: Vec<u8> = FRAME.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let end = frame.len();
    frame[end - 7] = 10;
    frame[end - 3] = frame[end - 3].wrapping_add(1);
    let started = run(&["decode", "--format", "gb26875", "--whole"], &frame);
    assert_eq!((started.code, started.stdout), (0, format!("{}\n", FIRE.replace("T01:", "T02:"))));
}
