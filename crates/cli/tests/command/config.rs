//! `fenghuo config`: the configuration in effect.

use super::started::{folder, run};

#[test]
fn a_byte_order_mark_before_the_configuration_is_passed_over() {
    let good = "registry = \"city.jsonl\"\n[[raw]]\ntopic = \"raw.ctwing\"\nformat = \"ctwing\"\n";
    // The mark takes no room above the caret.
    for (text, code, shown) in [(good, 0, "raw.ctwing"), (&good.replace("registry", "registri"), 78, "    ^^^^^^^^")] {
        let [plain, marked] = ["", "\u{feff}"].map(|mark| {
            let folder = folder(&[("fenghuo.toml", &format!("{mark}{text}"))]);
            let path = folder.path().join("fenghuo.toml").display().to_string();
            let started = run(&["config", "--config", &path], "");
            let said = (started.stdout + &started.stderr).replace(&path, "FILE");
            (started.code, said)
        });
        assert!(plain.0 == code && plain.1.contains(shown), "{plain:?}");
        assert_eq!(plain, marked);
    }
}
