//! Single answers and requests on the way are late, lost or doubled, by the proxy: of transactions and of producing.

use std::time::{Duration, Instant};

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night, turn};
use crate::crew::Seat;
use crate::proxy::{Effect, Rule};
use crate::round::{Round, Setting};

const PRODUCE: (i16, &str) = (0, "Produce");
const ADD_OFFSETS: (i16, &str) = (25, "AddOffsetsToTxn");
const END: (i16, &str) = (26, "EndTxn");

/// Longer than a client waits before it asks again, shorter than a transaction lasts.
const LATE: Duration = Duration::from_secs(3);
/// Long enough for a later transaction to be under way.
const LATER: Duration = Duration::from_millis(1_500);
const WITHIN: Duration = Duration::from_secs(30);

/// What is done to whom, in turn; the first six are the short form.
const CASES: [((i16, &str), Effect); 15] = [
    (END, Effect::AnswerDelayed(LATE)),
    (END, Effect::AnswerLost),
    (END, Effect::RequestTwice),
    (END, Effect::RequestDelayed(LATER)),
    (ADD_OFFSETS, Effect::AnswerLost),
    (PRODUCE, Effect::AnswerLost),
    (PRODUCE, Effect::AnswerDelayed(LATE)),
    (PRODUCE, Effect::RequestTwice),
    (PRODUCE, Effect::RequestDelayed(LATER)),
    (ADD_OFFSETS, Effect::AnswerDelayed(LATE)),
    (ADD_OFFSETS, Effect::RequestTwice),
    (ADD_OFFSETS, Effect::RequestDelayed(LATER)),
    (END, Effect::AnswerTwice),
    (ADD_OFFSETS, Effect::AnswerTwice),
    (PRODUCE, Effect::AnswerTwice),
];

/// Spoiled requests and answers.
pub struct Answers;

impl Fault for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn does(&self) -> &'static str {
        "requests and answers of EndTxn, AddOffsetsToTxn and Produce are late, lost or doubled"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 60 } else { 6 }
    }

    fn setting(&self, seed: u64, _long: bool) -> Setting {
        Setting { plan: night(seed), seats: vec![Seat::fixed("a"), Seat::fixed("b")], proxied: true }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        let ((api_key, name), effect) = *turn(&CASES, round.seed);
        round.until_any_share()?;
        let times = u32::try_from(round.random.between(1, 3)).unwrap_or(1);
        let after = u32::try_from(round.random.between(0, 4)).unwrap_or_default();
        round.mark();
        round.cluster.proxy.arm(Some(Rule { api_key, effect, after, times }));
        let deadline = Instant::now() + WITHIN;
        while round.cluster.proxy.hits() < times && Instant::now() < deadline && !round.is_settled() {
            round.pause(Duration::from_millis(50))?;
        }
        let hits = round.cluster.proxy.hits();
        round.notes.push(format!("{name} {effect:?}: {hits} hit"));
        if hits == 0 {
            return Ok(Struck::NotHit(format!("no {name} came by")));
        }
        // What is under way is to arrive as late as it was meant to.
        round.pause(LATER)?;
        Ok(Struck::Done)
    }
}
