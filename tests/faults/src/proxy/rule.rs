//! What is done to single requests and answers: to which, in what way, how often.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use super::frame::RequestHead;

/// What is done to one request or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The answer comes so much later, and all behind it.
    AnswerDelayed(Duration),
    /// The broker did what was asked; the answer never arrives, for the connection breaks.
    AnswerLost,
    /// The answer arrives twice.
    AnswerTwice,
    /// The connection breaks behind the request, which reaches the broker only so much later, when the client has long
    /// asked again.
    RequestDelayed(Duration),
    /// The broker hears the request twice; the client hears the first answer.
    RequestTwice,
}

/// Which requests are meant, and what is done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Those with this api key.
    pub api_key: i16,
    /// What is done.
    pub effect: Effect,
    /// So many go through before.
    pub after: u32,
    /// So many are hit, one after the other.
    pub times: u32,
}

/// The rule in force, and how often it has hit.
#[derive(Debug, Default)]
pub struct Rules {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rule: Option<Rule>,
    seen: u32,
    hits: u32,
}

impl Rules {
    /// From now on this rule holds, and no other.
    pub fn arm(&self, rule: Option<Rule>) {
        *self.state() = State { rule, ..State::default() };
    }

    /// How many requests the rule has hit.
    pub fn hits(&self) -> u32 {
        self.state().hits
    }

    /// What is done to this request.
    pub fn judge(&self, head: RequestHead) -> Option<Effect> {
        let mut state = self.state();
        let rule = state.rule.filter(|rule| rule.api_key == head.api_key)?;
        state.seen += 1;
        if state.seen <= rule.after || state.hits >= rule.times {
            return None;
        }
        state.hits += 1;
        Some(rule.effect)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }
}

/// The answers of one connection that something is to be done to, by correlation id.
#[derive(Debug, Default)]
pub struct Marked {
    answers: Mutex<HashMap<i32, Vec<Answer>>>,
}

/// What is done to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It goes through.
    Passes,
    /// It comes so much later.
    Delayed(Duration),
    /// It is swallowed, and the connection breaks.
    Lost,
    /// It arrives twice.
    Twice,
    /// It is swallowed: the client does not wait for it.
    Swallowed,
}

impl Marked {
    /// Notes what is to happen to the answers with this id, in the order in which they will come.
    pub fn mark(&self, correlation_id: i32, answers: Vec<Answer>) {
        self.answers.lock().expect("nothing panics while it is held").insert(correlation_id, answers);
    }

    /// What is done to the next answer with this id.
    pub fn take(&self, correlation_id: i32) -> Answer {
        let mut all = self.answers.lock().expect("nothing panics while it is held");
        let Some(answers) = all.get_mut(&correlation_id) else { return Answer::Passes };
        let next = answers.remove(0);
        if answers.is_empty() {
            all.remove(&correlation_id);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(api_key: i16) -> RequestHead {
        RequestHead { api_key, api_version: 1, correlation_id: 9 }
    }

    #[test]
    fn a_rule_hits_its_requests_and_no_others() {
        let rules = Rules::default();
        assert_eq!(rules.judge(head(26)), None);
        rules.arm(Some(Rule { api_key: 26, effect: Effect::AnswerLost, after: 1, times: 2 }));
        let judged = [0, 26, 25, 26, 26, 0, 26].map(|api_key| rules.judge(head(api_key)));
        let lost = Some(Effect::AnswerLost);
        assert_eq!(judged, [None, None, None, lost, lost, None, None]);
        assert_eq!(rules.hits(), 2);
        rules.arm(None);
        assert_eq!((rules.judge(head(26)), rules.hits()), (None, 0));
    }

    #[test]
    fn an_answer_is_found_by_its_correlation_id_once() {
        let marked = Marked::default();
        marked.mark(7, vec![Answer::Passes, Answer::Swallowed]);
        marked.mark(8, vec![Answer::Twice]);
        let taken = [8, 8, 7, 7, 7].map(|id| marked.take(id));
        assert_eq!(taken, [Answer::Twice, Answer::Passes, Answer::Passes, Answer::Swallowed, Answer::Passes]);
    }
}
