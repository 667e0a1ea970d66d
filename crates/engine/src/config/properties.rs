//! The properties of librdkafka that a configuration may set: all but those that the guarantees rest on.

use std::fs;

use super::settings::{PROPERTIES, Settings};

/// Properties that Fenghuo sets itself, and why nobody else may.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "it is written `brokers` in [kafka]"),
    ("metadata.broker.list", "it is written `brokers` in [kafka]"),
    ("group.id", "it is written `group` in [kafka]; the roles' groups are made from it"),
    ("group.instance.id", "it is written `instance` in [kafka]"),
    ("client.id", "Fenghuo names its clients after their roles"),
    ("enable.auto.commit", "an offset may only be committed once everything made of its record is acknowledged"),
    ("auto.commit.enable", "an offset may only be committed once everything made of its record is acknowledged"),
    ("auto.commit.interval.ms", "an offset may only be committed once everything made of its record is acknowledged"),
    ("enable.auto.offset.store", "an offset may only be committed once everything made of its record is acknowledged"),
    ("auto.offset.reset", "where a partition begins is decided from what was committed; a reset could pass over fires"),
    ("isolation.level", "only committed records may become decisions"),
    (
        "partition.assignment.strategy",
        "partitions are handed over one by one (cooperative-sticky), so that others go on",
    ),
    ("group.protocol", "partitions are handed over by the classic protocol, which the handover is tested with"),
    ("enable.partition.eof", "the worker takes every event of its consumer for a record, a handover or trouble"),
    ("check.crcs", "a damaged record must not become a signal"),
    ("allow.auto.create.topics", "a mistyped topic must be an error, not a new empty topic"),
    ("enable.idempotence", "a retry must neither repeat nor exchange signals"),
    ("enable.gapless.guarantee", "a retry must neither repeat nor exchange signals"),
    ("max.in.flight", "a retry must neither repeat nor exchange signals"),
    ("max.in.flight.requests.per.connection", "a retry must neither repeat nor exchange signals"),
    ("retries", "a decision is tried until it is acknowledged"),
    ("message.send.max.retries", "a decision is tried until it is acknowledged"),
    ("message.timeout.ms", "a decision is tried until it is acknowledged"),
    ("delivery.timeout.ms", "a decision is tried until it is acknowledged"),
    ("delivery.report.only.error", "an offset waits for the acknowledgement of everything made of its record"),
    ("acks", "a decision counts as published once all replicas in sync hold it"),
    ("request.required.acks", "a decision counts as published once all replicas in sync hold it"),
    ("partitioner", "Java clients must find the same region in the same partition (murmur2_random)"),
    ("transactional.id", "the transactions are Fenghuo's own"),
    ("transaction.timeout.ms", "the transactions are Fenghuo's own"),
];

/// Parts of names whose values are never shown.
const SECRET_PARTS: &[&str] = &["password", "secret", "key.pem", "oauthbearer.config"];

/// The ending of a property whose value stands in a file of its own.
const FILE_ENDING: &str = "_file";

/// The properties to give to librdkafka, the content of `*_file` in place of its path; what may not be set is noted.
pub(super) fn resolve(settings: &mut Settings<'_>) -> Vec<(String, String)> {
    let mut resolved = Vec::new();
    for (name, setting) in settings.properties() {
        let plain = name.strip_suffix(FILE_ENDING);
        let target = plain.unwrap_or(&name);
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == target) {
            settings.fault(&setting.origin, format!("the property `{target}` may not be set: {reason}"));
            continue;
        }
        let Some(plain) = plain else {
            if SECRET_PARTS.iter().any(|part| name.contains(part)) {
                settings.hide(&format!("{PROPERTIES}{name}"));
            }
            resolved.push((name, setting.text));
            continue;
        };
        if settings.get(&format!("{PROPERTIES}{plain}")).is_some() {
            settings.fault(&setting.origin, format!("`{plain}` and `{name}` are both given"));
        }
        let path = settings.path(&setting);
        match fs::read_to_string(&path) {
            Ok(text) => resolved.push((plain.to_owned(), text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => settings.fault(&setting.origin, format!("`{name}`: {}: {error}", path.display())),
        }
    }
    resolved
}
