//! The dead-letter topic: records that could not be read or said what they may not, untouched, with the reason.

use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use crate::outlet::{Outlet, Receipt};
use crate::progress::Progress;

/// Where a record stood, as headers: topic, partition, offset, timestamp (ms, where it has one) and reason.
fn headers(
    topic: &str,
    partition: i32,
    offset: i64,
    timestamp_ms: Option<i64>,
    reason: &str,
) -> Vec<(&'static str, String)> {
    let mut headers =
        vec![("topic", topic.to_owned()), ("partition", partition.to_string()), ("offset", offset.to_string())];
    headers.extend(timestamp_ms.map(|timestamp_ms| ("timestamp", timestamp_ms.to_string())));
    headers.push(("reason", reason.to_owned()));
    headers
}

/// Sends a record there: key and bytes as they were, its own headers before ours.
pub fn send<M: Message>(
    topic: &str,
    record: &M,
    reason: &str,
    outlet: &Outlet,
    progress: &mut Progress,
    receipt: Receipt,
) {
    let own = record.headers().into_iter().flat_map(Headers::iter);
    let own = own.fold(OwnedHeaders::new(), OwnedHeaders::insert);
    let ours = headers(record.topic(), record.partition(), record.offset(), record.timestamp().to_millis(), reason);
    let all = ours.iter().fold(own, |all, (key, value)| all.insert(Header { key, value: Some(value.as_bytes()) }));
    let mut letter: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, 0).headers(all);
    letter.key = record.key();
    letter.payload = record.payload();
    outlet.send(progress, receipt, letter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_where_it_stood_and_why_it_fell() {
        let expected = |timestamp: Option<&str>| {
            let mut expected = vec![("topic", "raw.x"), ("partition", "3"), ("offset", "1042")];
            expected.extend(timestamp.map(|timestamp| ("timestamp", timestamp)));
            expected.push(("reason", "check sum"));
            expected.into_iter().map(|(key, value)| (key, value.to_owned())).collect::<Vec<_>>()
        };
        for (timestamp_ms, written) in [(Some(1_795_312_690_000), Some("1795312690000")), (None, None)] {
            assert_eq!(headers("raw.x", 3, 1042, timestamp_ms, "check sum"), expected(written));
        }
    }
}
