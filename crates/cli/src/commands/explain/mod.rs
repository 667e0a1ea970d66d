//! `fenghuo explain`: why an incident was confirmed, or why nobody was called, from the same signals again.

mod history;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

use fenghuo_correlate::{Correlator, Examination};
use fenghuo_model::decision::DecisionKind;
use fenghuo_model::time::{parse_rfc3339, writable};
use fenghuo_model::{Decision, Input, Policy, Registry};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::form::{Form, FormArgs};
use crate::input;
use crate::locale::Locale;
use crate::output::{Output, remark};
use crate::registry_and_policy::RulesArgs;
use history::{History, Told};

const EXAMPLES: &str = "\
Replays the signals and looks with the eyes of the rules: the evidence, which of it counted, each rule with each
minimum reached or missed and by how much, what became of every signal of the building (evidence, duplicate,
isolated, test, wiped, forgotten, rejected), and which single further signal would have confirmed.

Examples:
  fenghuo explain --registry city.jsonl --signals night.jsonl --incident 5f2a90c41e7b3d08
  fenghuo explain --registry city.jsonl --signals night.jsonl --building B1 --at 2026-11-22T09:58:30+08:00
  fenghuo explain --registry city.jsonl --policy new.toml --signals night.jsonl --building B1 --at 1795312710000 \
--format json";

/// What may be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    rules: RulesArgs,

    /// Signals in order of arrival, JSON Lines; `-` for standard input
    #[arg(long, value_name = "FILE")]
    signals: PathBuf,

    /// The incident to explain: at its confirmation, else at its last evidence
    #[arg(long, value_name = "ID", required_unless_present = "building")]
    incident: Option<String>,

    /// The building to explain
    #[arg(long, value_name = "ID", conflicts_with = "incident", requires = "at")]
    building: Option<String>,

    /// The instant to explain, RFC 3339 with offset or Unix milliseconds: by what had arrived then
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    at: Option<i64>,

    #[command(flatten)]
    form: FormArgs,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Explanation {
    /// The last decision about the incident up to then.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    examination: Examination,
    /// What became of every signal of the building up to then.
    signals: Vec<Told>,
}

fn parse_instant(text: &str) -> Result<i64, String> {
    let ms = text.parse().ok().and_then(writable).or_else(|| parse_rfc3339(text));
    ms.ok_or_else(|| {
        "an instant is RFC 3339 with offset, such as 2026-11-22T09:58:02+08:00, or milliseconds".to_owned()
    })
}

/// Explains an incident, or a building at an instant.
pub fn execute(args: &Args, locale: &Locale) -> Result<Outcome, Failure> {
    let (registry, policy) = args.rules.read()?;
    let replay = Replay { registry, policy, inputs: read_inputs(&args.signals)? };
    let explanation = match (&args.incident, &args.building, args.at) {
        (Some(incident), _, _) => replay.explain_incident(incident)?,
        (_, Some(building), Some(at_ms)) => replay.explain_building(building, at_ms)?,
        _ => return Err(Failure::Usage("say --incident ID, or --building ID with --at TIME".to_owned())),
    };
    let mut output = Output::standard();
    match args.form.format {
        Form::Json => {
            output.line(serde_json::to_string(&explanation).expect("string keys and finite numbers only"))?;
        }
        Form::Text => output.text(&text::of(&explanation, locale))?,
    }
    output.flush()?;
    Ok(Outcome::Clean)
}

fn read_inputs(path: &std::path::Path) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    let mut nowhere = Output::standard();
    for mut lines in input::open(&[path.to_owned()])? {
        while lines.advance(&mut nowhere)? {
            let line = lines.current();
            match line.bytes.map(Input::from_json) {
                Some(Ok(input)) => inputs.push(input),
                Some(Err(reason)) => remark(format_args!("{}: {reason}", lines.place(line.number))),
                None => remark(format_args!("{}: {}", lines.place(line.number), input::too_long())),
            }
        }
    }
    Ok(inputs)
}

/// The signals, to be taken again as often as needed.
struct Replay {
    registry: Arc<Registry>,
    policy: Arc<Policy>,
    inputs: Vec<Input>,
}

impl Replay {
    /// Takes inputs one after the other; `look` sees the decisions of each and says whether to go on.
    fn run<'i>(
        &self,
        building: Option<&str>,
        inputs: impl Iterator<Item = &'i Input>,
        mut look: impl FnMut(&[Decision]) -> bool,
    ) -> Ran {
        let correlator = Correlator::new(Arc::clone(&self.registry), Arc::clone(&self.policy));
        let mut ran = Ran { correlator, history: History::of(&self.registry, building), decisions: Vec::new() };
        for input in inputs {
            let first = ran.decisions.len();
            ran.history.take(&mut ran.correlator, input, &mut ran.decisions);
            if !look(&ran.decisions[first..]) {
                break;
            }
        }
        ran
    }

    /// Looks at the incident right after what confirmed it; if nothing did, right before what ended it.
    fn explain_incident(&self, id: &str) -> Result<Explanation, Failure> {
        let of_incident = |decision: &&Decision| decision.incident.as_deref() == Some(id);
        let mut taken = 0;
        let mut stop_after = None;
        let mut place = None;
        self.run(None, self.inputs.iter(), |decisions| {
            for decision in decisions.iter().filter(of_incident) {
                place = place.take().or_else(|| decision.state.as_ref().map(|state| state.place.clone()));
                match decision.decision {
                    DecisionKind::Confirmed => stop_after = Some(taken + 1),
                    kind if kind.ends() => stop_after = Some(taken),
                    _ => {}
                }
            }
            taken += 1;
            stop_after.is_none()
        });
        let Some(place) = place else {
            return Err(Failure::Usage(format!("these signals give no incident {id:?}")));
        };
        let inputs = &self.inputs[..stop_after.unwrap_or(taken)];
        let ran = self.run(Some(&place), inputs.iter(), |_| true);
        let decision = ran.decisions.iter().rfind(of_incident).cloned();
        let satisfied_ms = decision.as_ref().and_then(|decision| Some(decision.state.as_ref()?.satisfied_at?.0));
        let latest_ms = || ran.correlator.examine(&place, 0)?.evidence.iter().map(|held| held.entry.at.0).max();
        let at_ms = satisfied_ms.or_else(latest_ms).unwrap_or_default();
        ran.explanation(&place, at_ms, decision)
    }

    /// Looks at the building by what had arrived at an instant.
    fn explain_building(&self, building: &str, at_ms: i64) -> Result<Explanation, Failure> {
        if self.registry.building_by_id(building).is_none() {
            return Err(Failure::Usage(format!("the registry has no building {building:?}")));
        }
        let arrived = self.inputs.iter().filter(|input| history::clock_of(input) <= at_ms);
        let ran = self.run(Some(building), arrived, |_| true);
        let about = |decision: &&Decision| {
            let state = decision.state.as_ref();
            state.is_some_and(|state| state.buildings.iter().any(|member| member.id == building))
        };
        let decision = ran.decisions.iter().rfind(about).cloned();
        ran.explanation(building, at_ms, decision)
    }
}

/// A replay that stopped.
struct Ran {
    correlator: Correlator,
    history: History,
    decisions: Vec<Decision>,
}

impl Ran {
    fn explanation(self, building: &str, at_ms: i64, decision: Option<Decision>) -> Result<Explanation, Failure> {
        let examination = self.correlator.examine(building, at_ms);
        let examination = examination.ok_or_else(|| Failure::Internal(format!("building {building:?} got lost")))?;
        Ok(Explanation { decision, signals: self.history.told(&examination), examination })
    }
}
