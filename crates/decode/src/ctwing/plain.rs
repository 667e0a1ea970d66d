//! The fast way to read a push: for what nearly every one is, plain JSON with the points of one detector.
//!
//! One pass over the bytes, texts borrowed; whatever nobody asks for is passed over. A push that holds anything else
//! (a panel's message, an array, JSON in a string, a status that is not known) is left to the full parser in `mod.rs`,
//! which reads it from its beginning; a property test here holds that both say the same.

use fenghuo_model::plain_json::{Plain, Scan};
use fenghuo_model::{Kind, Signal, time};

use super::{in_ms, kind_of_status, name};

/// What an envelope says, as far as anybody asks.
#[derive(Default)]
struct Envelope<'p> {
    imei: Option<&'p str>,
    device_id: Option<&'p str>,
    message_type: Option<&'p str>,
    event_type: Option<i64>,
    timestamp: Option<i64>,
    payload: Option<Payload<'p>>,
}

/// The data points of a detector, with or without a service around them.
#[derive(Default)]
struct Payload<'p> {
    outer: Points<'p>,
    service: Option<Points<'p>>,
}

#[derive(Default)]
struct Points<'p> {
    imei: Option<&'p str>,
    status: Option<i64>,
}

/// The one statement of a plain push.
pub(super) struct Push<'p> {
    /// How its device is named: what the name begins with, and what follows.
    device: [&'p str; 2],
    pub(super) kind: Kind,
    pub(super) received_at_ms: Option<i64>,
}

/// What a plain push says, if it says something; nothing of any other.
pub(super) fn read(push: &[u8]) -> Option<Option<Push<'_>>> {
    let mut scan = Scan::new(push)?;
    let mut envelope = Envelope::default();
    scan.object(|scan, key| envelope.take(key, scan))?;
    scan.end()?;
    envelope.statement()
}

impl Push<'_> {
    pub(super) fn to_signal(&self) -> Box<Signal> {
        let mut signal = Box::new(Signal::new(self.device.concat(), self.kind));
        signal.received_at_ms = self.received_at_ms;
        signal
    }
}

impl<'p> Envelope<'p> {
    #[inline]
    fn take(&mut self, key: &str, scan: &mut Scan<'p>) -> Option<()> {
        match key.as_bytes() {
            b"payload" => {
                let mut payload = Payload::default();
                scan.object(|scan, key| payload.take(key, scan))?;
                self.payload = Some(payload);
            }
            b"IMEI" => self.imei = scan.value()?.text_or_null()?,
            b"deviceId" => self.device_id = scan.value()?.text_or_null()?,
            b"messageType" => self.message_type = scan.value()?.text_or_null()?,
            b"eventType" => self.event_type = scan.value()?.integer_or_null()?,
            b"timestamp" => self.timestamp = scan.value()?.integer_or_null()?,
            _ => {
                scan.value()?;
            }
        }
        Some(())
    }

    fn statement(&self) -> Option<Option<Push<'p>>> {
        let device = self.device()?;
        let kind = match (self.message_type.unwrap_or_default(), self.event_type) {
            ("commandResponse", _) => return Some(None),
            ("deviceOnlineOfflineReport", Some(1)) => Kind::Online,
            ("deviceOnlineOfflineReport", Some(0)) => Kind::Offline,
            ("deviceOnlineOfflineReport", _) => return None,
            _ => self.payload.as_ref()?.kind()?,
        };
        let received_at_ms = match self.timestamp {
            Some(timestamp) => Some(time::writable(in_ms(timestamp))?),
            None => None,
        };
        Some(Some(Push { device, kind, received_at_ms }))
    }

    fn device(&self) -> Option<[&'p str; 2]> {
        let service = self.payload.as_ref().and_then(|payload| payload.service.as_ref());
        let points = self.payload.as_ref().map(|payload| &payload.outer);
        let imeis = [self.imei, service.and_then(|points| points.imei), points.and_then(|points| points.imei)];
        let imei = imeis.into_iter().flatten().find_map(name).map(|imei| ["imei:", imei]);
        imei.or_else(|| self.device_id.and_then(name).map(|id| ["ctwing:", id]))
    }
}

impl<'p> Payload<'p> {
    #[inline]
    fn take(&mut self, key: &str, scan: &mut Scan<'p>) -> Option<()> {
        if key != "serviceData" {
            return self.outer.take(key, scan.value()?);
        }
        self.service = None;
        if scan.is_at_object() {
            let mut service = Points::default();
            scan.object(|scan, key| service.take(key, scan.value()?))?;
            self.service = Some(service);
            return Some(());
        }
        (scan.value()? == Plain::Null).then_some(())
    }

    fn kind(&self) -> Option<Kind> {
        self.service.as_ref().unwrap_or(&self.outer).status.map_or(Some(Kind::Heartbeat), kind_of_status)
    }
}

impl<'p> Points<'p> {
    #[inline]
    fn take(&mut self, key: &str, value: Plain<'p>) -> Option<()> {
        match key.as_bytes() {
            b"IMEI" => self.imei = value.text_or_null()?,
            b"Alarm_Status" => self.status = value.integer_or_null()?,
            b"APPdata" | b"serviceData" => return None,
            _ => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::Decoded;
    use crate::ctwing::decode_any;

    /// What may stand anywhere and mostly should not.
    fn odd() -> BoxedStrategy<String> {
        let values = [
            "null",
            "true",
            "1.0",
            "1.5",
            "7",
            "\" 1\"",
            "\"undefined\"",
            "\"null\"",
            "\"\"",
            "\" 7 \"",
            "\"[]\"",
            "\"{}\"",
            "\"a\\n\"",
            "[]",
            "[{}]",
            "{}",
            "1e3",
            "x",
            "-1606982320277",
            "99999999999",
            "999999999999999",
            "9999999999999999",
            "\"eyJjIjoxfQ==\"",
            "{\"Alarm_Status\":1}",
        ];
        prop::sample::select(values.to_vec()).prop_map(str::to_owned).boxed()
    }

    /// An object of these fields, some of them twice, now and then with a value that belongs elsewhere.
    fn object(fields: &[(&'static str, BoxedStrategy<String>)], most: usize) -> BoxedStrategy<String> {
        let fields = fields.iter().cloned().map(|(name, value)| {
            let value = prop_oneof![9 => value, 1 => odd()];
            (prop::sample::select(vec!["", "", " "]), value)
                .prop_map(move |(blank, value)| format!("{blank}\"{name}\"{blank}:{blank}{value}{blank}"))
                .boxed()
        });
        let field = prop::strategy::Union::new(fields);
        prop::collection::vec(field, 0..most).prop_map(|fields| format!("{{{}}}", fields.join(","))).boxed()
    }

    fn push() -> impl Strategy<Value = String> {
        let text = "\"[0-9]{1,2}\"".boxed();
        let status = (-1..16_i64).prop_map(|number| number.to_string()).boxed();
        let time = prop::sample::select(vec!["1606982320", "1606982320277"]).prop_map(str::to_owned).boxed();
        let types = vec!["commandResponse", "deviceOnlineOfflineReport", "deviceOnlineOfflineReport", "dataReport"];
        let types = prop::sample::select(types).prop_map(|word| format!("\"{word}\"")).boxed();
        let (status_field, imei) = (("Alarm_Status", status.clone()), ("IMEI", text.clone()));
        let points = object(
            &[status_field.clone(), imei.clone(), ("CSQ", text.clone()), ("serviceData", odd()), ("APPdata", odd())],
            4,
        );
        let payload = object(&[("serviceData", points), imei.clone(), status_field, ("serviceId", text.clone())], 5);
        let fields = [
            ("payload", payload.clone()),
            ("payload", payload.clone()),
            imei.clone(),
            imei,
            ("deviceId", text.clone()),
            ("messageType", types),
            ("eventType", status),
            ("timestamp", time),
            ("eventContent", payload),
            ("x", text),
        ];
        object(&fields, 7)
    }

    fn read_fully(push: &[u8]) -> Vec<Decoded> {
        let mut out = Vec::new();
        decode_any(push, &mut out);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 40_000, rng_seed: RngSeed::Fixed(92), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn what_it_reads_the_full_parser_reads_too(
            push in push(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = push.into_bytes();
            for _ in 0..2 {
                if let Some(said) = read(&bytes) {
                    let fast: Vec<Decoded> = said.iter().map(|push| Decoded::Signal(push.to_signal())).collect();
                    prop_assert_eq!(fast, read_fully(&bytes));
                }
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
    }

    #[test]
    fn of_what_stands_twice_the_last_counts() {
        for fields in [
            r#""payload":{"serviceData":{"Alarm_Status":1},"serviceData":null}"#,
            r#""payload":{"serviceData":{"Alarm_Status":1},"serviceData":{"CSQ":1},"Alarm_Status":4}"#,
            r#""payload":{"Alarm_Status":1,"Alarm_Status":null}"#,
            r#""payload":{"Alarm_Status":1},"payload":{"CSQ":1}"#,
            r#""payload":{"Alarm_Status":1},"IMEI":null,"deviceId":"2""#,
        ] {
            let push = format!(r#"{{"IMEI":"86",{fields}}}"#);
            let said = read(push.as_bytes()).expect("it is plain");
            let fast: Vec<Decoded> = said.iter().map(|push| Decoded::Signal(push.to_signal())).collect();
            assert_eq!(fast, read_fully(push.as_bytes()), "{push}");
        }
    }

    #[test]
    fn what_the_platform_pushes_for_a_detector_is_plain() {
        for (push, kind) in [
            (
                r#"{"upPacketSN":-1,"timestamp":1606982320277,"payload":{"serviceId":"notification","serviceData":{"Alarm_Status":1,"CSQ":5,"IMEI":"86"}},"messageType":"dataReport","deviceId":"01","IMEI":"86"}"#,
                Kind::Fire,
            ),
            (r#"{"IMEI":"86","payload":{"serviceId":"heartbeat","serviceData":{"CSQ":5}}}"#, Kind::Heartbeat),
            (r#"{"IMEI":"86","payload":{"Alarm_Status":7}}"#, Kind::Restore),
            (r#"{"IMEI":"86","messageType":"deviceOnlineOfflineReport","eventType":0}"#, Kind::Offline),
        ] {
            let signal = read(push.as_bytes()).flatten().expect(push).to_signal();
            assert_eq!((signal.device.as_str(), signal.kind), ("imei:86", kind), "{push}");
        }
    }
}
