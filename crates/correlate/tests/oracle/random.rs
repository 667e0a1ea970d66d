//! SplitMix64: small, seeded, the same on every machine; all that the generator knows of luck.

/// A sequence of pseudo-random numbers, a function of its seed alone.
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low + 1).expect("low is at most high");
        low + i64::try_from(self.next() % span).expect("below a span that came from an i64")
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: i64) -> bool {
        self.between(0, 99) < percent
    }

    /// One of the list, each as likely as the others.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let last = i64::try_from(list.len()).expect("lists are short") - 1;
        &list[usize::try_from(self.between(0, last)).expect("never below 0")]
    }

    /// One of the list, as likely as its weight.
    pub fn pick_weighted<T: Copy>(&mut self, list: &[(i64, T)]) -> T {
        let total: i64 = list.iter().map(|(weight, _)| weight).sum();
        let mut left = self.between(0, total - 1);
        for (weight, value) in list {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        unreachable!("the weights add up to the total")
    }
}
