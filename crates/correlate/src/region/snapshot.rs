//! A region as others may see it: its clock and its open incidents.

use fenghuo_model::time::Rfc3339;

use super::Region;
use crate::incident::{Incident, Member};
use crate::snapshot::{OpenIncident, RegionSnapshot};

impl Region {
    /// The region at this moment; nothing before it heard anything.
    pub(crate) fn snapshot(&self) -> Option<RegionSnapshot> {
        let clock = Rfc3339(self.clock_ms?);
        let mut incidents: Vec<OpenIncident> = self.incidents.iter().map(|incident| self.picture(incident)).collect();
        incidents.sort_unstable_by(|one, other| {
            (one.opened_at, &one.incident, &one.place).cmp(&(other.opened_at, &other.incident, &other.place))
        });
        Some(RegionSnapshot { region: self.name.to_string(), clock, incidents })
    }

    fn picture(&self, incident: &Incident) -> OpenIncident {
        let id = |building| self.registry.building(building).id.to_string();
        let confirmation = incident.confirmation.as_ref();
        let members = &incident.members;
        let opened_ms = members.iter().map(|member| member.joined_ms).min();
        OpenIncident {
            incident: incident.id.to_string(),
            revision: incident.revision,
            place: id(incident.place),
            buildings: members.iter().map(|member| id(member.building)).collect(),
            confirmed: incident.is_confirmed(),
            rule: confirmation.map(|confirmation| confirmation.rule.to_string()),
            acknowledged: incident.acknowledged,
            evidence: members.iter().map(|Member { window, .. }| window.stored()).sum(),
            opened_at: Rfc3339(opened_ms.expect("an incident without buildings has ended")),
            last_arrival_at: Rfc3339(incident.last_arrival_ms),
            close_at: incident.due.close_ms.map(Rfc3339),
            verify_at: incident.due.verify_ms.map(Rfc3339),
            escalate_at: incident.due.escalate_ms.map(Rfc3339),
            update_at: incident.due.update_ms.map(Rfc3339),
        }
    }
}
