//! Battery detectors: pushes of the NB-IoT cloud in the shape `{"serviceId":…,"serviceData":{…}}`.
//!
//! The envelope's `timestamp` is the platform's; the detector itself says no time, so that a repeated push is known by
//! its equal content alone.

use std::fmt::Write;

use fenghuo_model::Kind;

use crate::city::{City, imei};
use crate::night::Speech;
use crate::random::{Purpose, Random};

const PRODUCT: &str = r#""tenantId":"10000000","protocol":"lwm2m","productId":"15000001""#;

/// Key and bytes of a push.
pub(super) fn push(city: &City, device: u32, speech: &Speech) -> (String, Vec<u8>) {
    let imei = imei(device);
    let timestamp_ms = speech.platform_ms;
    let mut random = Random::keyed(city.plan.seed, Purpose::Device, u64::from(device) << 32);
    let device_id = u128::from(random.bits()) << 64 | u128::from(random.bits());
    let mut json = String::with_capacity(480);
    let mut write = |piece: std::fmt::Arguments<'_>| {
        json.write_fmt(piece).expect("writing to a string never fails");
    };
    write(format_args!(r#"{{{PRODUCT},"timestamp":{timestamp_ms},"IMSI":"undefined","IMEI":"{imei}","#));
    write(format_args!(r#""deviceId":"{device_id:032x}","#));
    if let Some(event_type) = connection(speech.statement.kind) {
        write(format_args!(r#""messageType":"deviceOnlineOfflineReport","eventType":{event_type}}}"#));
    } else {
        // Battery and radio quality wander; nobody looks at them here.
        let (battery, quality) = (40 + timestamp_ms % 61, 5 + timestamp_ms % 27);
        let (service, alarm) = service(speech.statement.kind);
        write(format_args!(r#""messageType":"dataReport","upPacketSN":-1,"upDataSN":-1,"serviceId":"","#));
        write(format_args!(r#""topic":"v1/up/ad19prof","payload":{{"serviceId":"{service}","serviceData":{{{alarm}"#));
        write(format_args!(r#""Battery_Level":{battery},"CSQ":{quality},"IMEI":"{imei}"}}}}}}"#));
    }
    (format!("imei:{imei}"), json.into_bytes())
}

/// What the cloud says of the connection: the event type of its report.
const fn connection(kind: Kind) -> Option<u8> {
    match kind {
        Kind::Online => Some(1),
        Kind::Offline => Some(0),
        _ => None,
    }
}

/// Service and status of a detector's statement; what it has no status for is telemetry.
const fn service(kind: Kind) -> (&'static str, &'static str) {
    let status = match kind {
        Kind::Fire => r#""Alarm_Status":1,"AlarmLevel":100,"#,
        Kind::Silence => r#""Alarm_Status":2,"AlarmLevel":0,"#,
        Kind::LowBattery => r#""Alarm_Status":4,"AlarmLevel":0,"#,
        Kind::Fault => r#""Alarm_Status":5,"AlarmLevel":0,"#,
        Kind::Restore => r#""Alarm_Status":7,"AlarmLevel":0,"#,
        Kind::Tamper => r#""Alarm_Status":10,"AlarmLevel":0,"#,
        Kind::Supervisory => r#""Alarm_Status":11,"AlarmLevel":0,"#,
        Kind::Test => r#""Alarm_Status":14,"AlarmLevel":0,"#,
        _ => return ("heartbeat", ""),
    };
    ("notification", status)
}
