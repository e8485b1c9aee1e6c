//! The conversations of a plan, as the products that they are. Pure.

use std::ops::Range;

/// One conversation of the plan, as indexes; the plan tells its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Index of its scenario.
    pub scenario: u32,
    /// Index of its case.
    pub(super) case: u32,
    /// Index of its cell of the matrix.
    pub(super) cell: u32,
    /// Index of its persona.
    pub persona: u32,
    /// Index of its model among those of the plan.
    pub(super) model: u32,
    /// Index of its window among those of the plan.
    pub(super) window: u32,
    /// The repetition, from 1.
    pub trial: u32,
}

/// Conversations that may send the same requests: scenario, case, model and trial.
pub(in crate::run) type Group = [u32; 4];

impl Planned {
    /// Those that may send the same requests.
    pub(in crate::run) fn group(&self) -> Group {
        [self.scenario, self.case, self.model, self.trial]
    }

    /// What tells its script from others of its scenario: the indexes of case and cell.
    #[must_use]
    pub fn script(&self) -> (usize, usize) {
        (self.case as usize, self.cell as usize)
    }

    /// Whether two conversations of one scenario differ in nothing but case, model and trial.
    pub(in crate::run) fn is_alike(&self, other: &Self) -> bool {
        (self.cell, self.persona, self.window) == (other.cell, other.persona, other.window)
    }
}

/// What the conversations of a scenario are the product of, the first slowest.
#[derive(Debug)]
pub(super) struct Factors {
    pub(super) scenario: u32,
    /// How many cases there are.
    pub(super) cases: u32,
    /// How many cells the matrix has.
    pub(super) cells: u32,
    pub(super) personas: Box<[u32]>,
    pub(super) models: Box<[u32]>,
    pub(super) windows: Box<[u32]>,
    pub(super) trials: u32,
}

impl Factors {
    /// How many variants there are.
    fn variants(&self) -> u32 {
        let lists = [&self.personas, &self.models, &self.windows];
        lists.into_iter().map(|list| whole(list.len())).fold(self.cases * self.cells, |size, factor| size * factor)
    }

    /// The first trial of the variant with a number below that.
    fn variant(&self, number: u32) -> Planned {
        let mut rest = number;
        let mut digit = |base: usize| {
            let digit = rest % whole(base);
            rest /= whole(base);
            digit
        };
        let window = self.windows[digit(self.windows.len()) as usize];
        let model = self.models[digit(self.models.len()) as usize];
        let persona = self.personas[digit(self.personas.len()) as usize];
        let (cell, case) = (digit(self.cells as usize), digit(self.cases as usize));
        Planned { scenario: self.scenario, case, cell, persona, model, window, trial: 1 }
    }
}

/// The conversations of one scenario.
#[derive(Debug)]
struct Share {
    /// Their places.
    places: Range<u32>,
    factors: Factors,
    /// The numbers of the variants that are left; none where all of them are.
    left: Option<Box<[u32]>>,
}

impl Share {
    fn variants(&self) -> u32 {
        self.left.as_ref().map_or_else(|| self.factors.variants(), |left| whole(left.len()))
    }

    fn len(&self) -> u32 {
        self.variants() * self.factors.trials
    }

    fn at(&self, place: u32) -> Planned {
        let number = place - self.places.start;
        let (variant, trial) = (number / self.factors.trials, number % self.factors.trials + 1);
        let variant = self.left.as_ref().map_or(variant, |left| left[variant as usize]);
        Planned { trial, ..self.factors.variant(variant) }
    }

    /// Leaves out variants, told by their first trials.
    fn retain(&mut self, is_kept: impl Fn(&Planned) -> bool) {
        let is_left = |number: &u32| is_kept(&self.factors.variant(*number));
        self.left = Some(match &self.left {
            None => (0..self.factors.variants()).filter(is_left).collect(),
            Some(left) => left.iter().copied().filter(is_left).collect(),
        });
    }
}

/// The conversations of a plan, in its order. There may be a great many, for as long as the run goes on: so what is held of each
/// scenario is what they are the product of, and a conversation is reckoned from its place.
#[derive(Debug, Default)]
pub struct Conversations {
    /// Of each scenario that has any, in plan order.
    shares: Vec<Share>,
}

impl Conversations {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shares.last().map_or(0, |share| share.places.end as usize)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// The conversation at a place; none where the plan ends before.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<Planned> {
        (place < self.len()).then(|| self.at(place))
    }

    /// The conversation at a place.
    ///
    /// # Panics
    /// Where the plan ends before.
    #[must_use]
    pub fn at(&self, place: usize) -> Planned {
        let place = whole(place);
        self.shares[self.shares.partition_point(|share| share.places.end <= place)].at(place)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Planned> + Clone {
        self.shares.iter().flat_map(|share| share.places.clone().map(|place| share.at(place)))
    }

    /// All of them with their places, those of one scenario together.
    pub fn by_scenario(&self) -> impl Iterator<Item = (Range<usize>, impl Iterator<Item = Planned> + Clone)> {
        self.shares.iter().map(|share| {
            let places = share.places.start as usize..share.places.end as usize;
            (places, share.places.clone().map(|place| share.at(place)))
        })
    }

    /// Adds those of a scenario whose variants, told by their first trials, are wanted.
    pub(super) fn add(&mut self, factors: Factors, is_wanted: Option<&dyn Fn(&Planned) -> bool>) {
        let mut share = Share { places: 0..0, factors, left: None };
        if let Some(is_wanted) = is_wanted {
            share.retain(is_wanted);
        }
        self.push(share);
    }

    /// Leaves out variants with all their trials, told by the first of them.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&Planned) -> bool) {
        for mut share in std::mem::take(&mut self.shares) {
            share.retain(&is_kept);
            self.push(share);
        }
    }

    /// Gives back the room that was taken in advance.
    pub(super) fn shrink(&mut self) {
        self.shares.shrink_to_fit();
    }

    /// Puts a share behind the others, unless there is nothing in it.
    fn push(&mut self, share: Share) {
        let (start, len) = (whole(self.len()), share.len());
        if len > 0 {
            self.shares.push(Share { places: start..start + len, ..share });
        }
    }
}

/// The limits on files, cases and cells lie far below.
pub(in crate::run) fn whole(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn factors() -> impl Strategy<Value = (u32, u32, Vec<u32>, Vec<u32>, Vec<u32>, u32)> {
        let list = || prop::collection::vec(0..9_u32, 0..4);
        (0..4_u32, 1..4_u32, list(), list(), list(), 1..4_u32)
    }

    proptest! {
        #[test]
        fn a_product_is_what_loops_give(
            scenarios in prop::collection::vec(factors(), 0..5),
            (wanted, kept) in (any::<u32>(), prop::option::of(any::<u32>())),
        ) {
            let has = |mask: u32, planned: &Planned| mask >> ((planned.case + 2 * planned.cell + planned.model + 3 * planned.window) % 32) & 1 == 1;
            let (mut conversations, mut looped) = (Conversations::default(), Vec::new());
            for (scenario, (cases, cells, personas, models, windows, trials)) in (0..).zip(scenarios) {
                let is_filtered = wanted % 2 == 0;
                for (case, cell) in (0..cases).flat_map(|case| (0..cells).map(move |cell| (case, cell))) {
                    for &persona in &personas {
                        for &model in &models {
                            for &window in &windows {
                                let first = Planned { scenario, case, cell, persona, model, window, trial: 1 };
                                if !is_filtered || has(wanted, &first) {
                                    looped.extend((1..=trials).map(|trial| Planned { trial, ..first }));
                                }
                            }
                        }
                    }
                }
                let (personas, models, windows) = (personas.into(), models.into(), windows.into());
                let is_wanted = |planned: &Planned| has(wanted, planned);
                conversations.add(
                    Factors { scenario, cases, cells, personas, models, windows, trials },
                    is_filtered.then_some(&is_wanted),
                );
            }
            if let Some(kept) = kept {
                conversations.retain(|planned| planned.trial == 1 && has(kept, planned));
                looped.retain(|planned| has(kept, planned));
            }
            prop_assert!(conversations.iter().eq(looped.iter().copied()));
            prop_assert_eq!((conversations.len(), conversations.is_empty()), (looped.len(), looped.is_empty()));
            for (place, planned) in looped.iter().enumerate() {
                prop_assert_eq!(&conversations.at(place), planned);
            }
            prop_assert_eq!(conversations.get(looped.len()), None);
            let (mut places, mut again) = (0..0, Vec::new());
            for (own, planned) in conversations.by_scenario() {
                let planned: Vec<Planned> = planned.collect();
                prop_assert_eq!((own.start, own.len()), (places.end, planned.len()));
                prop_assert!(planned.iter().all(|other| other.scenario == planned[0].scenario));
                again.extend(planned);
                places = own;
            }
            prop_assert_eq!(again, looped);
        }
    }
}
