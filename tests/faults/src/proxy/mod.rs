//! A TCP proxy in front of every broker that knows Kafka's frames: it can spoil single answers and the whole network.
//!
//! The brokers tell clients that they stand where the proxy listens (`kafka start --advertise`), so that nothing in the
//! frames has to be rewritten: whoever begins at the proxy stays with it. What the brokers say to each other, and what
//! the harness itself reads, goes past it.

mod connection;
mod frame;
mod rule;
mod weather;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use connection::{Connection, reset};
use rule::Rules;
pub use rule::{Effect, Rule};
use weather::Sky;
pub use weather::Weather;

/// Where ports are tried: below those that systems use for outgoing connections.
const PORTS: std::ops::Range<u16> = 13_000..19_000;

/// The proxies of all brokers.
pub struct Proxy {
    doors: Vec<Door>,
    rules: Arc<Rules>,
}

/// The proxy of one broker.
struct Door {
    port: u16,
    sky: Arc<Sky>,
    /// Both ends of every connection that was made, to cut them.
    ends: Arc<Mutex<Vec<TcpStream>>>,
    listener: TcpListener,
}

impl Proxy {
    /// Takes so many free ports in a row; `seed` says where the search begins.
    ///
    /// # Errors
    /// There are none.
    pub fn bind(brokers: u16, seed: u16) -> std::io::Result<Self> {
        let span = PORTS.end - PORTS.start - brokers;
        for attempt in 0..200_u16 {
            let first = PORTS.start + (seed.wrapping_mul(31).wrapping_add(attempt.wrapping_mul(17))) % span;
            let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(|listener| (port, listener));
            let bound: std::io::Result<Vec<_>> = (first..first + brokers).map(bind).collect();
            if let Ok(bound) = bound {
                let door = |(port, listener)| Door { port, sky: Arc::default(), ends: Arc::default(), listener };
                return Ok(Self { doors: bound.into_iter().map(door).collect(), rules: Arc::default() });
            }
        }
        Err(std::io::Error::other("no free ports in a row"))
    }

    /// The port in front of the first broker; the others follow.
    pub fn first_port(&self) -> u16 {
        self.doors[0].port
    }

    /// host:port of every proxy, separated by commas.
    pub fn addresses(&self) -> String {
        let addresses: Vec<String> = self.doors.iter().map(|door| format!("127.0.0.1:{}", door.port)).collect();
        addresses.join(",")
    }

    /// Begins to carry: what comes to the first proxy goes to `first_port` on this machine, and so on.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn carry_to(&self, first_port: u16) -> std::io::Result<()> {
        for (port, door) in (first_port..).zip(&self.doors) {
            let listener = door.listener.try_clone()?;
            let (sky, ends, rules) = (Arc::clone(&door.sky), Arc::clone(&door.ends), Arc::clone(&self.rules));
            let accept = move || {
                for member in listener.incoming().filter_map(Result::ok) {
                    // A broker that is down refuses; so do we.
                    let _ = connect(member, port, &rules, &sky, &ends);
                }
            };
            thread::Builder::new().name(format!("proxy {}", door.port)).spawn(accept)?;
        }
        Ok(())
    }

    /// What is done to single requests from now on.
    pub fn arm(&self, rule: Option<Rule>) {
        self.rules.arm(rule);
    }

    /// How many requests the rule in force has hit.
    pub fn hits(&self) -> u32 {
        self.rules.hits()
    }

    /// Changes the weather in front of one broker (from 0), or of all.
    pub fn set_weather(&self, broker: Option<usize>, weather: Weather) {
        let chosen = (0..).zip(&self.doors).filter(|(number, _)| broker.is_none_or(|broker| broker == *number));
        chosen.for_each(|(_, door)| door.sky.set(weather));
    }

    /// Resets every connection.
    pub fn cut(&self) {
        for door in &self.doors {
            let mut ends = door.ends.lock().expect("nothing panics while it is held");
            ends.drain(..).for_each(|end| reset(&end));
        }
    }

    /// Lets everything pass again.
    pub fn clear_up(&self) {
        self.arm(None);
        self.set_weather(None, Weather::default());
    }
}

fn connect(
    member: TcpStream,
    port: u16,
    rules: &Arc<Rules>,
    sky: &Arc<Sky>,
    ends: &Mutex<Vec<TcpStream>>,
) -> std::io::Result<()> {
    let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    for stream in [&member, &broker] {
        stream.set_nodelay(true)?;
    }
    let mut kept = ends.lock().expect("nothing panics while it is held");
    // What has ended since needs no cut: an end without a peer is gone.
    kept.retain(|end| end.peer_addr().is_ok());
    kept.extend([member.try_clone()?, broker.try_clone()?]);
    drop(kept);
    Connection { member, broker, rules: Arc::clone(rules), sky: Arc::clone(sky) }.carry()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::time::{Duration, Instant};

    use super::*;

    /// A broker that answers each request with its correlation id alone, on a port of its own.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().map(Result::unwrap) {
                thread::spawn(move || {
                    let mut request = [0; 12];
                    while stream.read_exact(&mut request).is_ok() {
                        stream.write_all(&[&[0, 0, 0, 4], &request[8..]].concat()).unwrap();
                    }
                });
            }
        });
        port
    }

    fn request(api_key: u8, id: u8) -> [u8; 12] {
        [0, 0, 0, 8, 0, api_key, 0, 1, 0, 0, 0, id]
    }

    /// The ids of the answers that come within a moment, until the connection breaks or pauses; and whether it broke.
    fn answered(stream: &mut TcpStream, within: Duration) -> (Vec<u8>, bool) {
        stream.set_read_timeout(Some(within)).unwrap();
        let (mut ids, mut answer) = (Vec::new(), [0; 8]);
        loop {
            match stream.read_exact(&mut answer) {
                Ok(()) => ids.push(answer[7]),
                Err(error) => return (ids, error.kind() != std::io::ErrorKind::WouldBlock),
            }
        }
    }

    fn through(proxy: &Proxy) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.first_port())).unwrap()
    }

    #[test]
    fn each_effect_does_what_it_says() {
        let proxy = Proxy::bind(1, std::process::id().to_le_bytes()[0].into()).unwrap();
        proxy.carry_to(echo()).unwrap();
        let late = Duration::from_millis(300);
        for (effect, expected, breaks) in [
            (Effect::AnswerTwice, vec![1, 2, 2, 3], false),
            (Effect::RequestTwice, vec![1, 2, 3], false),
            (Effect::AnswerDelayed(late), vec![1, 2, 3], false),
            (Effect::AnswerLost, vec![], true),
            (Effect::RequestDelayed(late), vec![], true),
        ] {
            proxy.arm(Some(Rule { api_key: 26, effect, after: 0, times: 1 }));
            let mut stream = through(&proxy);
            let began = Instant::now();
            stream.write_all(&[request(0, 1), request(26, 2), request(0, 3)].concat()).unwrap();
            let (mut ids, broke) = answered(&mut stream, late * 3);
            if breaks {
                // Whether the first answer outruns the reset is chance.
                ids.clear();
            }
            assert_eq!((ids, broke, proxy.hits()), (expected, breaks, 1), "{effect:?}");
            assert!(!matches!(effect, Effect::AnswerDelayed(_)) || began.elapsed() >= late);
        }
    }

    #[test]
    fn weather_holds_and_clears_up() {
        let proxy = Proxy::bind(1, std::process::id().to_le_bytes()[1].into()).unwrap();
        proxy.carry_to(echo()).unwrap();
        let moment = Duration::from_millis(200);
        let mut stream = through(&proxy);
        for weather in [
            Weather { holds_to_broker: true, ..Weather::default() },
            Weather { holds_to_member: true, ..Weather::default() },
        ] {
            proxy.set_weather(Some(0), weather);
            stream.write_all(&request(0, 7)).unwrap();
            assert_eq!(answered(&mut stream, moment), (vec![], false), "{weather:?}");
            proxy.clear_up();
            assert_eq!(answered(&mut stream, moment), (vec![7], false), "{weather:?}");
        }
        proxy.cut();
        assert_eq!(answered(&mut stream, moment), (vec![], true));
    }
}
