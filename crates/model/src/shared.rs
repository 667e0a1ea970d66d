//! What many decisions show: kept once, and its JSON written once.
//!
//! In a storm every second signal is a decision, and each shows all evidence and buildings of its incident. To write
//! them anew each time was most of what a decision cost.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A value that decisions share; it serializes by serde_json alone, and is the value to everybody else.
#[derive(Debug, Clone)]
pub struct Shared<T>(Arc<Written<T>>);

#[derive(Debug)]
struct Written<T> {
    value: T,
    json: OnceLock<Box<RawValue>>,
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(Written { value, json: OnceLock::new() }))
    }
}

impl<T: Clone> Shared<T> {
    /// Makes it another one; whoever else holds it keeps what it was.
    pub fn change(&mut self, change: impl FnOnce(&mut T)) {
        let mut value = self.0.value.clone();
        change(&mut value);
        *self = value.into();
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.value == other.0.value
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = self.0.json.get_or_init(|| {
            to_raw_value(&self.0.value).expect("what decisions show has string keys and finite numbers only")
        });
        json.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_its_value_and_follows_it() {
        let mut one = Shared::from(vec!["洪梅 \"3F\"\n".to_owned()]);
        let other = one.clone();
        let json = |shared: &Shared<Vec<String>>| serde_json::to_string(&(1, shared)).unwrap();
        let before = serde_json::to_string(&(1, &*one)).unwrap();
        assert_eq!([json(&one), json(&one)], [before.clone(), before.clone()]);
        one.change(|texts| texts.push("kitchen".to_owned()));
        assert_eq!(json(&one), serde_json::to_string(&(1, &*one)).unwrap());
        assert_eq!(json(&other), before);
        assert!(one != other && other == Shared::from(vec!["洪梅 \"3F\"\n".to_owned()]));
    }
}
