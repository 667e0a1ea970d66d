//! The schemas beside this crate as a check: what is wrong with a line that should be what one of them describes.
//!
//! Whatever test has lines of the product at hand holds them against this: the examples of the documents, the decisions
//! of scenarios and generated sequences, what the command prints.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

/// The schemas there are.
pub const NAMES: [&str; 5] = ["registry", "signal", "tick", "decision", "policy"];

static VALIDATORS: LazyLock<BTreeMap<&str, Validator>> = LazyLock::new(|| {
    let options = || jsonschema::options().should_validate_formats(true);
    let validator = |name| options().build(&schema(name)).expect("a test holds that each schema is one");
    NAMES.into_iter().map(|name| (name, validator(name))).collect()
});

/// The schema of that name, as it lies in the checkout.
///
/// # Panics
/// There is none, or it is no JSON.
#[must_use]
pub fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.schema.json"));
    let text = fs::read_to_string(path).expect("the checkout can be read");
    serde_json::from_str(&text).expect("a schema is JSON")
}

/// Which schema is meant, by what the object has.
fn meant(value: &Value) -> Option<&'static str> {
    let has = |key: &str| value.get(key).is_some();
    match () {
        () if has("decision") => Some("decision"),
        () if has("device") && has("kind") => Some("signal"),
        () if has("tick") => Some("tick"),
        () if has("type") && has("id") => Some("registry"),
        () => None,
    }
}

/// What is wrong with a JSON text that should fit one of the schemas.
#[must_use]
pub fn faults(text: &str) -> Vec<String> {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return vec![format!("not JSON: {error}")],
    };
    match meant(&value) {
        Some(name) => faults_by(name, &value),
        None => vec!["none of registry, signal, tick, decision; label the fence `json other` if that is meant".into()],
    }
}

/// What is wrong with a value by the schema of that name.
///
/// # Panics
/// There is no such schema.
#[must_use]
pub fn faults_by(name: &str, value: &Value) -> Vec<String> {
    let errors = VALIDATORS[name].iter_errors(value);
    errors.map(|error| format!("{name}{}: {error}", error.instance_path())).collect()
}
