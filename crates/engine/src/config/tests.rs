//! What a configuration means, and what is said about a wrong one.

use super::*;

fn load(text: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let faults = |faults: Vec<Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    Config::load("dir/fenghuo.toml", text, owned(environment), &owned(flags)).map_err(faults)
}

#[test]
fn the_example_of_the_contract() {
    let text = r#"
        registry = "city.jsonl"
        policy   = "/etc/policy.toml"
        [kafka]
        brokers = "kafka:9092"
        group = "city"
        [kafka.properties]
        "fetch.max.bytes" = 1000000
        socket.keepalive.enable = true
        [topics]
        signals = "s"
        [[raw]]
        topic = "raw.gb26875"
        format = "gb26875"
        [[raw]]
        topic = "raw.people"
        format = "signal"
        people = true
        [http]
        listen = "127.0.0.1:9464"
    "#;
    let config = load(text, &[], &[]).unwrap();
    assert_eq!(config.registry, RegistrySource::File("dir/city.jsonl".into()));
    assert_eq!(config.policy, Some("/etc/policy.toml".into()));
    assert_eq!((config.kafka.brokers.as_str(), config.kafka.group.as_str()), ("kafka:9092", "city"));
    let properties = [("fetch.max.bytes", "1000000"), ("socket.keepalive.enable", "true")];
    assert_eq!(config.kafka.properties, properties.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!((config.topics.signals.as_str(), config.topics.dead_letter.as_str()), ("s", "fenghuo.dead-letter"));
    assert_eq!(config.raw.iter().map(|raw| raw.people).collect::<Vec<_>>(), [false, true]);
    assert_eq!((config.utc_offset_s, config.kafka.connect_wait_ms), (8 * 3_600, 30_000));
    assert_eq!(config.http_listen.map(|address| address.port()), Some(9464));
}

#[test]
fn the_last_layer_wins_and_is_named() {
    let file = "registry = \"r\"\n[kafka]\nbrokers = \"file:1\"";
    let environment = ("FENGHUO__KAFKA__BROKERS", "environment:1");
    let flag = ("kafka.brokers", "flag:1");
    for (text, environment, flags, brokers, origin) in [
        ("registry = \"r\"", &[][..], &[][..], "127.0.0.1:9092", "default"),
        (file, &[], &[], "file:1", "dir/fenghuo.toml:3"),
        (file, &[environment], &[], "environment:1", "environment FENGHUO__KAFKA__BROKERS"),
        (file, &[environment], &[flag], "flag:1", "flag kafka.brokers"),
    ] {
        let config = load(text, environment, flags).unwrap();
        assert_eq!(config.kafka.brokers, brokers);
        let setting = config.settings().iter().find(|setting| setting.key == "kafka.brokers").unwrap();
        assert_eq!((setting.text.as_str(), setting.origin.to_string().as_str()), (brokers, origin));
    }
}

#[test]
fn a_static_member_is_named_by_its_pod_where_nothing_else_is_said() {
    let (file, none) =
        ("registry = \"r\"\n[kafka]\ninstance = \"file-0\"", "registry = \"r\"\n[kafka]\ninstance = \"\"");
    let pod = ("POD_NAME", "pod-0");
    let ours = ("FENGHUO__KAFKA__INSTANCE", "ours-0");
    for (text, environment, flags, instance, origin) in [
        ("registry = \"r\"", &[][..], &[][..], None, None),
        ("registry = \"r\"", &[pod], &[], Some("pod-0"), Some("environment POD_NAME")),
        ("registry = \"r\"", &[("POD_NAME", "")], &[], None, Some("environment POD_NAME")),
        (file, &[pod], &[], Some("file-0"), Some("dir/fenghuo.toml:3")),
        (none, &[pod], &[], None, Some("dir/fenghuo.toml:3")),
        (file, &[ours, pod], &[], Some("ours-0"), Some("environment FENGHUO__KAFKA__INSTANCE")),
        ("registry = \"r\"", &[pod], &[("kafka.instance", "flag-0")], Some("flag-0"), Some("flag kafka.instance")),
    ] {
        let config = load(text, environment, flags).unwrap();
        assert_eq!(config.kafka.instance.as_deref(), instance, "{text} {environment:?} {flags:?}");
        let setting = config.settings().iter().find(|setting| setting.key == "kafka.instance");
        assert_eq!(setting.map(|setting| setting.origin.to_string()).as_deref(), origin, "{text} {environment:?}");
    }
}

#[test]
fn secrets_are_masked_and_may_stand_in_files() {
    let path = std::env::temp_dir().join(format!("fenghuo-secret-{}", std::process::id()));
    std::fs::write(&path, "opens the door\n").unwrap();
    let config = load(
        "registry = \"r\"",
        &[("FENGHUO__KAFKA__PROPERTIES__SSL_KEY_PASSWORD", "open"), ("FENGHUO_LOG", "info")],
        &[("kafka.properties.sasl.password_file", path.to_str().unwrap())],
    );
    std::fs::remove_file(&path).unwrap();
    let config = config.unwrap();
    let expected = [("sasl.password", "opens the door"), ("ssl.key.password", "open")];
    assert_eq!(config.kafka.properties, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let shown = config.settings().iter().find(|setting| setting.key.ends_with("ssl.key.password")).unwrap();
    assert_eq!(shown.text, "********");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, environment, flags, expected) in [
        ("", &[][..], &[][..], "dir/fenghuo.toml: `registry` is missing"),
        ("registry = \"r\"\nbroker = 1", &[], &[], "dir/fenghuo.toml:2: unknown key `broker`"),
        ("registry = \"r\"\n[kafka]\nbroker = \"x\"", &[], &[], "in [kafka]; did you mean `brokers`?"),
        ("registry = \"r\"\n[kafka]\nconnect_wait = \"30\"", &[], &[], "dir/fenghuo.toml:3: `kafka.connect_wait` is a"),
        ("registry = \"r\"\n[kafka]\nbrokers = 9092", &[], &[], "`brokers` is a text in quotes"),
        (
            "registry = \"r\"\n[kafka.properties]\nenable.auto.commit = true",
            &[],
            &[],
            "dir/fenghuo.toml:3: the property `enable.auto.commit` may not be set: an offset",
        ),
        ("registry = \"r\"", &[("FENGHUO__KAFKA__PROPERTIES__ACKS", "1")], &[], "the property `acks` may not be set"),
        ("registry = \"r\"", &[("FENGHUO__KAFKA__BROKER", "x")], &[], "did you mean `kafka.brokers`?"),
        ("registry = \"r\"", &[], &[("topics.signal", "x")], "did you mean `topics.signals`?"),
        ("registry = \"r\"\n[[raw]]\ntopic = \"t\"", &[], &[], "a [[raw]] needs `format`"),
        ("registry = \"r\"\n[[raw]]\nformat = \"signal\"", &[], &[], "a [[raw]] needs `topic`"),
        ("registry = \"r\"\n[[raw]]\ntopic = \"t\"\nformat = \"gb\"", &[], &[], "`format` is none"),
        (
            "registry = \"r\"\n[[raw]]\ntopic = \"fenghuo.signals\"\nformat = \"signal\"",
            &[],
            &[],
            "the topic \"fenghuo.signals\" is named twice: by topics.signals and by [[raw]]",
        ),
        ("registry = \"r\"\n[http]\nlisten = \"9464\"", &[], &[], "`http.listen` is an address"),
        (
            "registry = \"r\"\n[decode]\nforward = \"none\"",
            &[],
            &[],
            "`decode.forward` is \"changes\", \"news\" or \"all\"",
        ),
        ("registry = \"r\"\n[correlate]\nstandby = \"2 GB\"", &[], &[], "`correlate.standby` is a size such as"),
        (
            "registry = \"r\"\n[kafka.properties]\n\"sasl.password_file\" = \"/does/not/exist\"",
            &[],
            &[],
            "`sasl.password_file`: /does/not/exist:",
        ),
    ] {
        let said = load(text, environment, flags).unwrap_err();
        assert!(said.contains(expected), "{text}: {said}");
    }
}
