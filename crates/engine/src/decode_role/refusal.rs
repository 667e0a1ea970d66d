//! What a topic may not bring: a device that could clear a fire, or confirm one, would be everybody's.

use fenghuo_model::{Kind, Signal};

/// Why a signal is refused, if it is: only a topic of people may clear and confirm.
pub(super) fn reason(signal: &Signal, people: bool) -> Option<String> {
    let is_for_people = matches!(signal.kind, Kind::Clear | Kind::Confirm);
    (is_for_people && !people).then(|| format!("a {} may only come from a raw topic with people = true", signal.kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_people_clear_and_confirm() {
        for kind in Kind::ALL {
            let refused = reason(&Signal::new("D1", *kind), false).is_some();
            assert_eq!(refused, matches!(kind, Kind::Clear | Kind::Confirm), "{kind}");
            assert_eq!(reason(&Signal::new("D1", *kind), true), None, "{kind}");
        }
    }
}
