//! The open incidents of a region: by building, and with their timers in the order in which they fire.

mod nearness;
mod schedule;
mod silence;
mod timers;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fenghuo_model::Policy;
use fenghuo_model::registry::{BuildingIdx, DeviceIdx, Registry};

use crate::evidence::Evidence;
use crate::incident::{Confirmation, DueTimes, Incident, Member, News};
use crate::neighbourhoods::{Lit, Neighbourhoods};
use crate::window::{Folding, Window};
pub(crate) use nearness::is_plain;
use silence::Silence;
use timers::Timers;
pub(crate) use timers::{Alarm, Timer};

/// An open incident's place in the list.
pub(crate) type Slot = u32;

/// Where a building of an incident stands: its incident, and its place among the incident's members.
#[derive(Debug, Clone, Copy)]
struct Seat {
    building: BuildingIdx,
    slot: Slot,
    member: usize,
}

/// The open incidents of a region.
pub(crate) struct Incidents {
    slots: Vec<Option<Incident>>,
    free: Vec<Slot>,
    by_building: HashMap<BuildingIdx, Lit, foldhash::fast::RandomState>,
    /// By lit building; those of numbers that were given back mean nothing.
    seats: Vec<Seat>,
    unlit: Vec<Lit>,
    pub(crate) neighbourhoods: Neighbourhoods,
    registry: Arc<Registry>,
    timers: Timers,
    silence: Silence,
    touched: Option<Touched>,
    /// Registered devices that are panels of strangers that have spoken.
    panels_of_strangers: HashSet<DeviceIdx, foldhash::fast::RandomState>,
    /// For counting by slot; all zero in between.
    scratch: Vec<u32>,
}

/// What changed since the state was last asked for.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Incidents that changed; some may have ended since.
    slots: Vec<Slot>,
    /// Buildings whose evidence changed, or that joined or left; some more than once.
    buildings: Vec<BuildingIdx>,
}

impl Incidents {
    pub(crate) fn new(registry: Arc<Registry>, policy: Arc<Policy>) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_building: HashMap::default(),
            seats: Vec::new(),
            unlit: Vec::new(),
            neighbourhoods: Neighbourhoods::new(Arc::clone(&registry), policy),
            registry,
            timers: Timers::default(),
            silence: Silence::default(),
            touched: None,
            panels_of_strangers: HashSet::default(),
            scratch: Vec::new(),
        }
    }

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
    /// any more; each once, by number. An incident's own fields stand in the record of its place.
    pub(crate) fn touched(&mut self) -> Vec<BuildingIdx> {
        let Some(touched) = self.touched.take() else { return Vec::new() };
        self.touched = Some(Touched::default());
        let Touched { slots, mut buildings } = touched;
        for slot in slots {
            if let Some(incident) = &mut self.slots[slot as usize] {
                incident.touched = false;
                buildings.push(incident.place);
            }
        }
        buildings.sort_unstable();
        buildings.dedup();
        buildings
    }

    fn touch(&mut self, building: BuildingIdx) {
        if let Some(touched) = &mut self.touched
            && touched.buildings.last() != Some(&building)
        {
            touched.buildings.push(building);
        }
    }

    /// A building of an incident, to be changed.
    pub(crate) fn member_mut(&mut self, lit: Lit) -> &mut Member {
        let seat = self.seats[lit as usize];
        self.touch(seat.building);
        &mut self.get_mut(seat.slot).members[seat.member]
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

    /// The number of a building that is in an open incident.
    pub(crate) fn lit(&self, building: BuildingIdx) -> Option<Lit> {
        self.by_building.get(&building).copied()
    }

    /// The open incident that holds the building.
    pub(crate) fn of_building(&self, building: BuildingIdx) -> Option<Slot> {
        self.lit(building).map(|lit| self.of_lit(lit))
    }

    /// The open incident that holds a lit building.
    pub(crate) fn of_lit(&self, lit: Lit) -> Slot {
        self.seats[lit as usize].slot
    }

    /// Which building it is.
    pub(crate) fn building(&self, lit: Lit) -> BuildingIdx {
        self.seats[lit as usize].building
    }

    /// A lit building in its incident.
    pub(crate) fn member(&self, lit: Lit) -> &Member {
        let seat = self.seats[lit as usize];
        &self.get(seat.slot).members[seat.member]
    }

    /// Which rules its voices cannot fulfil, as was just reckoned.
    pub(crate) fn note_hopeless(&mut self, lit: Lit, hopeless: u64) {
        let Seat { slot, member, .. } = self.seats[lit as usize];
        self.beside_state(slot).members[member].window.hopeless = Some(hopeless);
    }

    /// A building rule has held in a lit building.
    pub(crate) fn confirm_member(&mut self, lit: Lit) {
        let Seat { building, slot, member } = self.seats[lit as usize];
        self.touch(building);
        let registry = Arc::clone(&self.registry);
        self.get_mut(slot).confirm_member(member, &registry);
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

    /// The incident, to bring up to date what is no state of it.
    pub(crate) fn beside_state(&mut self, slot: Slot) -> &mut Incident {
        self.slots[slot as usize].as_mut().expect("a slot is handed out while its incident is open")
    }

    /// The window of a building that is in an open incident.
    pub(crate) fn window(&self, building: BuildingIdx) -> Option<&Window> {
        self.lit(building).map(|lit| &self.member(lit).window)
    }

    /// Whether a lit building is in no confirmed incident.
    pub(crate) fn is_free(&self, lit: Lit) -> bool {
        !self.get(self.of_lit(lit)).is_confirmed()
    }

    /// A rule holds.
    pub(crate) fn confirm(&mut self, slot: Slot, confirmation: Confirmation) {
        self.get_mut(slot).confirmation = Some(confirmation);
        for number in 0..self.get(slot).members.len() {
            if let Some(lit) = self.lit(self.get(slot).members[number].building) {
                self.neighbourhoods.quench(lit);
            }
        }
    }

    /// Opens an incident; evidence that its buildings have already is told by [`Incidents::tell_neighbourhood`].
    pub(crate) fn open(&mut self, incident: Incident) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.scratch.push(0);
            Slot::try_from(self.slots.len() - 1).expect("an incident holds a building, and their number is 32 bits")
        });
        let buildings: Vec<BuildingIdx> = incident.members.iter().map(|member| member.building).collect();
        self.slots[slot as usize] = Some(incident);
        for (member, building) in buildings.into_iter().enumerate() {
            self.light(Seat { building, slot, member });
        }
        slot
    }

    fn light(&mut self, seat: Seat) {
        self.touch(seat.building);
        let lit = self.unlit.pop().unwrap_or_else(|| {
            self.seats.push(seat);
            Lit::try_from(self.seats.len() - 1).expect("buildings are counted in 32 bits")
        });
        self.seats[lit as usize] = seat;
        let before = self.by_building.insert(seat.building, lit);
        assert!(before.is_none(), "a building is in at most one open incident");
        self.neighbourhoods.light(lit, seat.building);
        self.link(lit);
    }

    fn darken(&mut self, building: BuildingIdx) {
        self.touch(building);
        if let Some(lit) = self.by_building.remove(&building) {
            self.neighbourhoods.darken(lit);
            self.unlit.push(lit);
        }
    }

    /// Puts evidence into the window of a lit building; what it shows that was not shown before, and whether it was
    /// folded into what is there.
    pub(crate) fn store(
        &mut self,
        lit: Lit,
        evidence: &Evidence<'_>,
        folding: &Folding<impl Fn(i64, i64) -> bool>,
        policy: &Policy,
    ) -> (News, bool) {
        let Seat { building, slot, member } = self.seats[lit as usize];
        self.touch(building);
        let registry = Arc::clone(&self.registry);
        let incident = self.get_mut(slot);
        match incident.members[member].window.find(&evidence.voice) {
            Some(series) => {
                let added = incident.go_on((member, series), &evidence.piece, folding);
                (News::default(), added.folded)
            }
            None => {
                let news = incident.begin(member, evidence, &registry, policy);
                self.meet_device(evidence.voice.device);
                (news, false)
            }
        }
    }

    /// Ends an incident: its timers and its hold on its buildings are gone.
    pub(crate) fn end(&mut self, slot: Slot) -> Incident {
        self.schedule(slot, |due| *due = DueTimes::default());
        let incident = self.slots[slot as usize].take().expect("an incident ends once");
        for other in incident.adjacent.keys() {
            self.beside_state(*other).adjacent.remove(&slot);
        }
        for member in &incident.members {
            self.darken(member.building);
        }
        self.free.push(slot);
        incident
    }

    /// Ends an incident whose buildings another one takes in, which joined it at `joined_ms`; returns it without its
    /// buildings.
    pub(crate) fn take_in(&mut self, slot: Slot, other: Slot, joined_ms: i64) -> Incident {
        self.schedule(other, |due| *due = DueTimes::default());
        let mut ended = self.slots[other as usize].take().expect("an incident ends once");
        self.free.push(other);
        for (number, member) in (self.get(slot).members.len()..).zip(&ended.members) {
            self.touch(member.building);
            let lit = self.lit(member.building).expect("a building of an open incident is lit");
            self.neighbourhoods.quench(lit);
            self.seats[lit as usize] = Seat { building: member.building, slot, member: number };
        }
        self.get_mut(slot).take_in(&mut ended, joined_ms);
        for (third, count) in ended.adjacent.drain() {
            if third == slot {
                self.beside_state(slot).adjacent.remove(&other);
                continue;
            }
            let theirs = &mut self.beside_state(third).adjacent;
            theirs.remove(&other);
            *theirs.entry(slot).or_default() += count;
            *self.beside_state(slot).adjacent.entry(third).or_default() += count;
        }
        ended
    }

    /// Puts a building that is in no incident into one.
    pub(crate) fn join(&mut self, slot: Slot, member: Member) {
        let seat = Seat { building: member.building, slot, member: self.get(slot).members.len() };
        let registry = Arc::clone(&self.registry);
        self.get_mut(slot).join(member, &registry);
        self.light(seat);
    }

    /// Takes a building out of its incident.
    pub(crate) fn leave(&mut self, lit: Lit) {
        let Seat { building, slot, member: left } = self.seats[lit as usize];
        self.unlink(lit);
        self.darken(building);
        let registry = Arc::clone(&self.registry);
        self.get_mut(slot).leave(left, &registry);
        let incident = self.slots[slot as usize].as_ref().expect("it was open just now");
        for (number, member) in incident.members.iter().enumerate().skip(left) {
            let lit = self.by_building[&member.building];
            self.seats[lit as usize].member = number;
        }
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

    /// How many incidents are open.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
