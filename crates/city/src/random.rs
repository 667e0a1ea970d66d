//! The city's only source of chance: SplitMix64, keyed by seed, purpose and number.
//!
//! Every draw is a function of its key, so that what one device does never depends on what another did before it, and
//! one plan gives the same bytes on any machine: integers and the four basic operations of IEEE 754 only.

/// Whole numbers that look random (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

/// What a stream of draws is for; streams of different purposes are independent.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(crate) enum Purpose {
    Village = 1,
    Building,
    Device,
    Gateway,
    Fire,
    Rhythm,
    Nuisance,
    Trouble,
    Drill,
    Speech,
    Garbage,
}

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

impl Random {
    /// The stream of one purpose and one number under a seed.
    pub(crate) fn keyed(seed: u64, purpose: Purpose, number: u64) -> Self {
        let keyed = mix(seed.wrapping_add(GOLDEN_GAMMA)).wrapping_add((purpose as u64).wrapping_mul(GOLDEN_GAMMA));
        Self { state: mix(mix(keyed) ^ number.wrapping_mul(GOLDEN_GAMMA)) }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// A whole number below `limit`, which is above 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(limit);
        u64::try_from(wide >> 64).expect("the upper half of a product of two 64-bit numbers has 64 bits")
    }

    /// A place in a list of `length` entries.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("a place in a list fits its own index")
    }

    /// A whole number from `range.0` to `range.1`, both included.
    pub(crate) fn within(&mut self, range: (i64, i64)) -> i64 {
        let span = u64::try_from(range.1 - range.0).expect("a range's end is not before its beginning") + 1;
        range.0.wrapping_add_unsigned(self.below(span))
    }

    /// A small whole number from `range.0` to `range.1`, both included.
    pub(crate) fn small(&mut self, range: (u8, u8)) -> u8 {
        u8::try_from(self.within((range.0.into(), range.1.into()))).expect("between two bytes lies a byte")
    }

    /// A number in 0.0 .. 1.0.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with a probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One entry of a list that is not empty.
    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.index(list.len())]
    }

    /// One entry of a list with weights whose sum is above 0.
    pub(crate) fn weighted<T: Copy>(&mut self, list: &[(T, u32)]) -> T {
        let mut left = self.below(list.iter().map(|(_, weight)| u64::from(*weight)).sum());
        for (entry, weight) in list {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return *entry,
            }
        }
        unreachable!("a number below the sum of the weights lies within one of them")
    }

    /// How often something happens that is expected `mean` times; binomial over 32 slots, which is close to Poisson
    /// for the small means of a minute and needs no logarithm.
    pub(crate) fn count(&mut self, mean: f64) -> u32 {
        const SLOTS: u32 = 32;
        let each = mean / f64::from(SLOTS);
        // Above one a slot, the whole part is certain.
        let certain = whole(each.trunc());
        let rest = each.fract();
        let by_chance = (0..SLOTS).filter(|_| self.chance(rest)).count();
        u32::try_from(certain * i64::from(SLOTS))
            .unwrap_or(u32::MAX)
            .saturating_add(u32::try_from(by_chance).expect("no more than the slots"))
    }

    /// A value from `range`, most often near its beginning: the cube of a uniform draw, as delays are spread.
    pub(crate) fn skewed(&mut self, range: (i64, i64)) -> i64 {
        let unit = self.unit();
        range.0 + whole((range.1 - range.0) as f64 * unit * unit * unit)
    }

    /// A value from `low` to `high`, below `median` as often as above.
    pub(crate) fn around(&mut self, low: i64, median: i64, high: i64) -> i64 {
        if self.bits() & 1 == 0 { self.within((low, median)) } else { self.within((median, high)) }
    }
}

/// The whole part of a number, at the ends of what an integer holds if it lies beyond.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
pub(crate) fn whole(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence() {
        // The first outputs of SplitMix64 from state 1234567, as in the reference implementation's test.
        let mut random = Random { state: 1_234_567 };
        let first: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_both_ends() {
        let mut random = Random::keyed(1, Purpose::Speech, 7);
        let drawn: Vec<i64> = (0..1_000).map(|_| random.within((-2, 2))).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&2)));
        assert!((0..1_000).all(|_| (15..93).contains(&random.skewed((15, 93)))));
        assert!((0..1_000).all(|_| (4..=60).contains(&random.around(4, 27, 60))));
        assert!((0..1_000).all(|_| random.weighted(&[('a', 0), ('b', 1)]) == 'b'));
        let total: u32 = (0..10_000).map(|_| random.count(0.5)).sum();
        assert!((4_700..5_300).contains(&total), "{total}");
        let total: u32 = (0..100).map(|_| random.count(100.0)).sum();
        assert!((9_700..10_300).contains(&total), "{total}");
    }
}
