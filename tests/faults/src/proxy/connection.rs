//! One connection through the proxy: frames read on one side, held, spoiled or repeated, written on the other.
//!
//! Each way has a thread that reads and one that writes, with a queue between them: a frame that is late holds up what
//! comes after it, as on a wire, but never what goes the other way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::frame::{Frames, answered_id, request_head};
use super::rule::{Answer, Effect, Marked, Rules};
use super::weather::{Sky, Way};

/// What a thread of a connection needs; there are four a connection.
const STACK_BYTES: usize = 256 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// A frame and when it may go on.
type Queued = (Instant, Vec<u8>);

/// Both ends of a connection, and what may happen on it.
pub struct Connection {
    pub member: TcpStream,
    pub broker: TcpStream,
    pub rules: Arc<Rules>,
    pub sky: Arc<Sky>,
}

impl Connection {
    /// Carries everything both ways until either end is gone.
    ///
    /// # Errors
    /// The system has no thread or no second handle for it.
    pub fn carry(self) -> std::io::Result<()> {
        let marked = Arc::new(Marked::default());
        let (to_broker, from_members) = channel();
        let (to_member, from_brokers) = channel();
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(work).map(drop)
        };
        let (member, marks, rules) = (self.member.try_clone()?, Arc::clone(&marked), Arc::clone(&self.rules));
        let sky = Arc::clone(&self.sky);
        spawn("requests", Box::new(move || requests(&member, &to_broker, &marks, &rules, &sky)))?;
        let (broker, member) = (self.broker.try_clone()?, self.member.try_clone()?);
        let sky = Arc::clone(&self.sky);
        spawn("answers", Box::new(move || answers(&broker, &member, &to_member, &marked, &sky)))?;
        let (broker, sky) = (self.broker, Arc::clone(&self.sky));
        spawn("to broker", Box::new(move || write_all(&from_members, &broker, &sky, Way::ToBroker)))?;
        let (member, sky) = (self.member, self.sky);
        spawn("to member", Box::new(move || write_all(&from_brokers, &member, &sky, Way::ToMember)))
    }
}

/// Closes so that the other side sees a reset, not an orderly end.
pub fn reset(stream: &TcpStream) {
    // A reset that the system refuses is an end all the same.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Both);
}

/// Hands every frame of a stream to `pass` until it ends or `pass` has enough.
fn read_frames(mut stream: &TcpStream, mut pass: impl FnMut(Vec<u8>) -> bool) {
    let mut frames = Frames::default();
    let mut bytes = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        frames.push(&bytes[..count]);
        loop {
            match frames.next_frame() {
                Ok(Some(frame)) => {
                    if !pass(frame) {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn requests(member: &TcpStream, queue: &Sender<Queued>, marked: &Marked, rules: &Rules, sky: &Sky) {
    read_frames(member, |frame| {
        let head = request_head(&frame);
        let now = Instant::now() + sky.now().latency;
        let Some((id, effect)) = head.and_then(|head| Some((head.correlation_id, rules.judge(head)?))) else {
            return queue.send((now, frame)).is_ok();
        };
        match effect {
            Effect::AnswerDelayed(by) => marked.mark(id, vec![Answer::Delayed(by)]),
            Effect::AnswerLost => marked.mark(id, vec![Answer::Lost]),
            Effect::AnswerTwice => marked.mark(id, vec![Answer::Twice]),
            Effect::RequestTwice => {
                marked.mark(id, vec![Answer::Passes, Answer::Swallowed]);
                if queue.send((now, frame.clone())).is_err() {
                    return false;
                }
            }
            Effect::RequestDelayed(by) => {
                reset(member);
                let _ = queue.send((now + by, frame));
                return false;
            }
        }
        queue.send((now, frame)).is_ok()
    });
}

fn answers(broker: &TcpStream, member: &TcpStream, queue: &Sender<Queued>, marked: &Marked, sky: &Sky) {
    read_frames(broker, |frame| {
        let now = Instant::now() + sky.now().latency;
        match answered_id(&frame).map_or(Answer::Passes, |id| marked.take(id)) {
            Answer::Passes => queue.send((now, frame)).is_ok(),
            Answer::Delayed(by) => queue.send((now + by, frame)).is_ok(),
            Answer::Twice => queue.send((now, frame.clone())).is_ok() && queue.send((now, frame)).is_ok(),
            Answer::Swallowed => true,
            Answer::Lost => {
                reset(member);
                false
            }
        }
    });
}

/// Writes what is queued, each when its time has come; at the end closes this side, so that its reader ends too.
fn write_all(queue: &Receiver<Queued>, stream: &TcpStream, sky: &Sky, way: Way) {
    for (due, frame) in queue {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let weather = sky.wait(way);
        if write_slowly(stream, &frame, weather.bytes_per_second).is_err() {
            break;
        }
    }
    // A broker still reads what it was sent; a member's connection is over both ways.
    let _ = stream.shutdown(if way == Way::ToBroker { Shutdown::Write } else { Shutdown::Both });
}

fn write_slowly(mut stream: &TcpStream, frame: &[u8], bytes_per_second: u32) -> std::io::Result<()> {
    if bytes_per_second == 0 {
        return stream.write_all(frame);
    }
    const PIECES_PER_SECOND: u32 = 20;
    for piece in frame.chunks((bytes_per_second / PIECES_PER_SECOND).max(1) as usize) {
        stream.write_all(piece)?;
        std::thread::sleep(Duration::from_secs(1) / PIECES_PER_SECOND);
    }
    Ok(())
}
