//! Surveys made on a thread of their own: a broker's answers take milliseconds, in which no record would be decoded.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::survey::Survey;
use crate::config::Config;
use crate::kafka::group_reader;

/// What came of a look: how far all partitions are, or why that is not known.
pub type Looked = Result<Survey, String>;

/// Asks when it is told to, one question at a time; it ends when it is dropped.
pub struct Surveyor {
    ask: Sender<()>,
    answers: Receiver<Looked>,
    is_asked: bool,
}

impl Surveyor {
    /// Surveys what the role `role` reads.
    ///
    /// # Panics
    /// The system has no thread for it.
    #[must_use]
    pub fn start(config: &Config, role: &'static str) -> Self {
        let (ask, asked) = channel::<()>();
        let (answer, answers) = channel();
        let mut survey = Survey::new(config);
        let kafka = config.kafka.clone();
        let work = move || {
            let reader = group_reader(&kafka, role);
            while asked.recv().is_ok() {
                let looked = match &reader {
                    Ok(reader) => survey.look(reader).map(|()| survey.clone()).map_err(|error| error.to_string()),
                    Err(failure) => Err(failure.to_string()),
                };
                if answer.send(looked).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("survey".to_owned()).spawn(work).expect("the system has a thread for it");
        Self { ask, answers, is_asked: false }
    }

    /// Asks, unless an answer is still awaited.
    pub fn ask(&mut self) {
        if !self.is_asked {
            // If the thread is gone, no answer comes, and nothing is known: as when no broker answers.
            self.is_asked = self.ask.send(()).is_ok();
        }
    }

    /// Whether an answer is awaited.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// The answer, if it has come.
    pub fn hear(&mut self) -> Option<Looked> {
        let looked = self.answers.try_recv().ok()?;
        self.is_asked = false;
        Some(looked)
    }
}
