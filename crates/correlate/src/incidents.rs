//! The open incidents of a region: by building, and with their timers in the order in which they fire.

use std::collections::{BTreeSet, HashMap};

use fenghuo_model::registry::BuildingIdx;

use crate::incident::{Confirmation, DueTimes, Incident, IncidentId, Member};
use crate::window::Window;

/// An open incident's place in the list.
pub(crate) type Slot = u32;

/// What fires; in the order in which timers of one incident due at the same time fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    Close,
    Verify,
    Escalate,
    Update,
}

/// A timer; ordered as timers fire: by due time, incident, and `closed` first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) due_ms: i64,
    pub(crate) incident: IncidentId,
    pub(crate) alarm: Alarm,
    /// See [`Incident::opened`]; the slot after it never decides, so that a restored list fires in the same order.
    pub(crate) opened: u64,
    pub(crate) slot: Slot,
}

/// Where a building of an incident stands: its incident, and its place among the incident's members.
#[derive(Debug, Clone, Copy)]
struct Seat {
    slot: Slot,
    member: usize,
}

/// The open incidents of a region.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    slots: Vec<Option<Incident>>,
    free: Vec<Slot>,
    by_building: HashMap<BuildingIdx, Seat, foldhash::fast::RandomState>,
    /// Those that are not confirmed.
    suspected: BTreeSet<Slot>,
    timers: BTreeSet<Timer>,
    touched: Option<Touched>,
}

/// What changed since the state was last asked for.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Incidents that changed; some may have ended since.
    slots: Vec<Slot>,
    /// Buildings whose evidence changed, or that joined or left.
    buildings: BTreeSet<BuildingIdx>,
}

impl Incidents {
    /// From now on remembers what changes, for [`Incidents::touched`].
    pub(crate) fn keep_touched(&mut self) {
        self.touched.get_or_insert_default();
    }

    /// What changed so far; from now on remembers no changes.
    pub(crate) fn take_touched(&mut self) -> Option<Touched> {
        self.touched.is_some().then(|| {
            let buildings = self.touched();
            self.touched = None;
            Touched { buildings, ..Touched::default() }
        })
    }

    /// Puts back what changed.
    pub(crate) fn put_touched(&mut self, touched: Option<Touched>) {
        self.take_touched();
        self.touched = touched;
    }

    /// Everything counts as changed.
    pub(crate) fn touch_all(&mut self) {
        self.take_touched();
        let buildings = self.by_building.keys().copied().collect();
        self.touched = Some(Touched { buildings, ..Touched::default() });
    }

    /// The buildings whose record of state is another one than when this was last asked: those in no incident have none
    /// any more. An incident's own fields stand in the record of its place.
    pub(crate) fn touched(&mut self) -> BTreeSet<BuildingIdx> {
        let Some(touched) = self.touched.take() else { return BTreeSet::new() };
        self.touched = Some(Touched::default());
        let Touched { slots, mut buildings } = touched;
        for slot in slots {
            if let Some(incident) = &mut self.slots[slot as usize] {
                incident.touched = false;
                buildings.insert(incident.place);
            }
        }
        buildings
    }

    fn touch(&mut self, building: BuildingIdx) {
        if let Some(touched) = &mut self.touched {
            touched.buildings.insert(building);
        }
    }

    /// A building of an incident, to be changed.
    pub(crate) fn member_mut(&mut self, slot: Slot, building: BuildingIdx) -> Option<&mut Member> {
        self.touch(building);
        let seat = self.by_building.get(&building).copied().filter(|seat| seat.slot == slot)?;
        self.get_mut(slot).members.get_mut(seat.member)
    }

    /// All buildings of an incident, to be changed.
    pub(crate) fn members_mut(&mut self, slot: Slot) -> &mut [Member] {
        let buildings: Vec<BuildingIdx> = self.get(slot).members.iter().map(|member| member.building).collect();
        buildings.into_iter().for_each(|building| self.touch(building));
        &mut self.get_mut(slot).members
    }

    /// Moves an incident to another of its buildings; every building's record names the place.
    pub(crate) fn move_to(&mut self, slot: Slot, place: BuildingIdx) {
        self.members_mut(slot);
        self.get_mut(slot).place = place;
    }

    /// The open incident that holds the building.
    pub(crate) fn of_building(&self, building: BuildingIdx) -> Option<Slot> {
        self.by_building.get(&building).map(|seat| seat.slot)
    }

    pub(crate) fn get(&self, slot: Slot) -> &Incident {
        self.slots[slot as usize].as_ref().expect("a slot is handed out while its incident is open")
    }

    /// The incident, to be changed; its due times only through [`Incidents::schedule`].
    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut Incident {
        let incident = self.slots[slot as usize].as_mut().expect("a slot is handed out while its incident is open");
        if let Some(touched) = &mut self.touched
            && !incident.touched
        {
            incident.touched = true;
            touched.slots.push(slot);
        }
        incident
    }

    /// The window of a building that is in an open incident.
    pub(crate) fn window(&self, building: BuildingIdx) -> Option<&Window> {
        self.member(building).map(|member| &member.window)
    }

    /// A building that is in an open incident.
    pub(crate) fn member(&self, building: BuildingIdx) -> Option<&Member> {
        let seat = self.by_building.get(&building)?;
        self.get(seat.slot).members.get(seat.member)
    }

    /// Whether a building is in no confirmed incident.
    pub(crate) fn is_free(&self, building: BuildingIdx) -> bool {
        self.of_building(building).is_none_or(|slot| !self.get(slot).is_confirmed())
    }

    /// The incidents that are not confirmed.
    pub(crate) fn suspected(&self) -> impl ExactSizeIterator<Item = &Incident> {
        self.suspected.iter().map(|slot| self.get(*slot))
    }

    /// A rule holds.
    pub(crate) fn confirm(&mut self, slot: Slot, confirmation: Confirmation) {
        self.suspected.remove(&slot);
        self.get_mut(slot).confirmation = Some(confirmation);
    }

    pub(crate) fn open(&mut self, incident: Incident) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            Slot::try_from(self.slots.len() - 1).expect("an incident holds a building, and their number is 32 bits")
        });
        for (number, member) in incident.members.iter().enumerate() {
            self.by_building.insert(member.building, Seat { slot, member: number });
            self.touch(member.building);
        }
        if !incident.is_confirmed() {
            self.suspected.insert(slot);
        }
        self.slots[slot as usize] = Some(incident);
        slot
    }

    /// Ends an incident: its timers and its hold on its buildings are gone.
    pub(crate) fn end(&mut self, slot: Slot) -> Incident {
        self.schedule(slot, |due| *due = DueTimes::default());
        let incident = self.slots[slot as usize].take().expect("an incident ends once");
        for member in &incident.members {
            self.by_building.remove(&member.building);
            self.touch(member.building);
        }
        self.free.push(slot);
        self.suspected.remove(&slot);
        incident
    }

    /// Puts a building that is in no incident into one.
    pub(crate) fn join(&mut self, slot: Slot, member: Member) {
        let seat = Seat { slot, member: self.get(slot).members.len() };
        let before = self.by_building.insert(member.building, seat);
        assert!(before.is_none(), "a building is in at most one open incident");
        self.touch(member.building);
        self.get_mut(slot).members.push(member);
    }

    /// Takes a building out of its incident.
    pub(crate) fn leave(&mut self, building: BuildingIdx) {
        if let Some(Seat { slot, member: left }) = self.by_building.remove(&building) {
            self.touch(building);
            self.get_mut(slot).members.remove(left);
            let incident = self.slots[slot as usize].as_ref().expect("it was open just now");
            for (number, member) in incident.members.iter().enumerate().skip(left) {
                self.by_building.insert(member.building, Seat { slot, member: number });
            }
        }
    }

    /// Changes an incident's due times.
    pub(crate) fn schedule(&mut self, slot: Slot, change: impl FnOnce(&mut DueTimes)) {
        let incident = self.get_mut(slot);
        let (id, opened, before) = (incident.id, incident.opened, incident.due);
        change(&mut incident.due);
        let after = incident.due;
        for (alarm, before_ms, after_ms) in [
            (Alarm::Close, before.close_ms, after.close_ms),
            (Alarm::Verify, before.verify_ms, after.verify_ms),
            (Alarm::Escalate, before.escalate_ms, after.escalate_ms),
            (Alarm::Update, before.update_ms, after.update_ms),
        ] {
            if before_ms != after_ms {
                let timer = |due_ms| Timer { due_ms, incident: id, alarm, opened, slot };
                before_ms.map(|due_ms| self.timers.remove(&timer(due_ms)));
                after_ms.map(|due_ms| self.timers.insert(timer(due_ms)));
            }
        }
    }

    /// The next timer due at or before `clock_ms`.
    pub(crate) fn next_due(&self, clock_ms: i64) -> Option<Timer> {
        self.timers.first().copied().filter(|timer| timer.due_ms <= clock_ms)
    }

    /// When the next timer is due.
    pub(crate) fn next_due_ms(&self) -> Option<i64> {
        self.timers.first().map(|timer| timer.due_ms)
    }

    /// The suspected incident that was silent for the longest.
    pub(crate) fn longest_silent_suspected(&self) -> Option<Slot> {
        let closing = self.timers.iter().filter(|timer| timer.alarm == Alarm::Close);
        closing.map(|timer| timer.slot).find(|slot| !self.get(*slot).is_confirmed())
    }

    /// The open incidents, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.slots.iter().flatten()
    }

    /// How many pieces of evidence the incidents store.
    pub(crate) fn evidence_len(&self) -> usize {
        let members = self.slots.iter().flatten().flat_map(|incident| &incident.members);
        members.map(|member| member.window.stored()).sum()
    }

    /// How many incidents are confirmed.
    pub(crate) fn confirmed_len(&self) -> usize {
        self.len() - self.suspected.len()
    }

    /// How many incidents are open.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
