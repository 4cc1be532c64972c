//! Which tenant is worked on next: pure, without a clock and without tasks, so that its order can be tested.
//!
//! Each tenant waits at most once and is worked on at most once at a time; whatever is asked for in the meantime is one more
//! turn. Whom somebody waits for passes whom nobody waits for, at whatever place the latter is. No lane
//! takes all places: a flood in one does not stop another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

use crate::lane::Lane;

/// How many are worked on at once.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// In all lanes together.
    pub total: usize,
    /// At most of those for whom somebody waits.
    pub user: usize,
    /// At most of those that are being made.
    pub provision: usize,
    /// At most of those that nobody waits for.
    pub background: usize,
}

impl Places {
    const fn of(self, lane: Lane) -> usize {
        match lane {
            Lane::User => self.user,
            Lane::Provision => self.provision,
            Lane::Background => self.background,
        }
    }
}

/// The tenants that wait and those that are worked on, by name.
#[derive(Debug)]
pub struct Queue {
    places: Places,
    entries: HashMap<Arc<str>, Entry>,
    /// In the order in which they became due.
    ready: [BTreeMap<u64, Arc<str>>; Lane::COUNT],
    /// Not due yet.
    later: BTreeSet<(Instant, Arc<str>)>,
    running: [usize; Lane::COUNT],
    next_ticket: u64,
}

#[derive(Debug, Default)]
struct Entry {
    running: Option<Lane>,
    wish: Option<Wish>,
}

#[derive(Debug, Clone, Copy)]
struct Wish {
    lane: Lane,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// In `later`.
    At(Instant),
    /// In `ready`.
    Ticket(u64),
    /// In neither: it is being worked on, and this is for afterwards.
    After(Instant),
}

impl Queue {
    /// An empty one.
    pub fn new(places: Places) -> Self {
        Self {
            places,
            entries: HashMap::new(),
            ready: std::array::from_fn(|_| BTreeMap::new()),
            later: BTreeSet::new(),
            running: [0; Lane::COUNT],
            next_ticket: 0,
        }
    }

    /// Asks for a turn at `at`. Of several wishes for one tenant the earliest time and the more urgent lane count.
    pub fn ask(&mut self, name: &str, lane: Lane, at: Instant) {
        let (name, entry) = match self.entries.get_key_value(name) {
            Some((name, entry)) => (Arc::clone(name), (entry.running, entry.wish)),
            None => (Arc::from(name), (None, None)),
        };
        let wish = match entry {
            (None, None) => self.place_later(&name, lane, at),
            (Some(_), None) => Wish {
                lane,
                place: Place::After(at),
            },
            (_, Some(wish)) => match wish.place {
                Place::After(earlier) => Wish {
                    lane: lane.max(wish.lane),
                    place: Place::After(at.min(earlier)),
                },
                Place::At(earlier) => {
                    self.later.remove(&(earlier, Arc::clone(&name)));
                    self.place_later(&name, lane.max(wish.lane), at.min(earlier))
                }
                Place::Ticket(ticket) if lane > wish.lane => {
                    self.ready[wish.lane as usize].remove(&ticket);
                    self.place_ready(&name, lane)
                }
                Place::Ticket(_) => wish,
            },
        };
        self.entries.entry(name).or_default().wish = Some(wish);
    }

    /// Takes the next one that may be worked on now, if there is one. `lane_of` says who waits for a tenant whose time has come
    /// by itself.
    pub fn next(
        &mut self,
        now: Instant,
        mut lane_of: impl FnMut(&str) -> Lane,
    ) -> Option<(Arc<str>, Lane)> {
        while let Some((at, name)) = self.later.first().cloned()
            && at <= now
        {
            self.later.pop_first();
            let asked = self
                .entries
                .get(&name)
                .and_then(|entry| entry.wish)
                .map_or(Lane::Background, |wish| wish.lane);
            let wish = self.place_ready(&name, asked.max(lane_of(&name)));
            self.entries.entry(name).or_default().wish = Some(wish);
        }
        if self.running.iter().sum::<usize>() >= self.places.total {
            return None;
        }
        for lane in Lane::ALL.into_iter().rev() {
            if self.running[lane as usize] >= self.places.of(lane) {
                continue;
            }
            if let Some((_, name)) = self.ready[lane as usize].pop_first() {
                self.running[lane as usize] += 1;
                let entry = self.entries.entry(Arc::clone(&name)).or_default();
                entry.wish = None;
                entry.running = Some(lane);
                return Some((name, lane));
            }
        }
        None
    }

    /// It was worked on. What was asked for in the meantime has its turn now.
    pub fn done(&mut self, name: &str) {
        let Some((name, entry)) = self.entries.remove_entry(name) else {
            return;
        };
        if let Some(lane) = entry.running {
            self.running[lane as usize] -= 1;
        }
        if let Some(Wish {
            lane,
            place: Place::After(at),
        }) = entry.wish
        {
            let wish = Some(self.place_later(&name, lane, at));
            self.entries.insert(
                name,
                Entry {
                    running: None,
                    wish,
                },
            );
        }
    }

    /// When the next one is due that is not due yet.
    pub fn next_due(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// How many wait for a place.
    pub fn waiting(&self, lane: Lane) -> usize {
        self.ready[lane as usize].len()
    }

    /// How many are worked on.
    pub fn running(&self, lane: Lane) -> usize {
        self.running[lane as usize]
    }

    fn place_later(&mut self, name: &Arc<str>, lane: Lane, at: Instant) -> Wish {
        self.later.insert((at, Arc::clone(name)));
        Wish {
            lane,
            place: Place::At(at),
        }
    }

    fn place_ready(&mut self, name: &Arc<str>, lane: Lane) -> Wish {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.ready[lane as usize].insert(ticket, Arc::clone(name));
        Wish {
            lane,
            place: Place::Ticket(ticket),
        }
    }
}

#[cfg(test)]
mod tests;
