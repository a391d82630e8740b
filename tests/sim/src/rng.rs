//! Chance, all of it from one seed.

/// A generator of numbers that look random: splitmix64.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def0)
    }

    /// The numbers of one step of the run of `seed`: the same whatever happened before.
    pub fn of_step(seed: u64, step: usize) -> Self {
        let step = u64::try_from(step).unwrap_or(u64::MAX);
        let mut rng = Self::new(seed);
        Self::new(rng.number() ^ step.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % end).unwrap_or_default()
    }

    /// Milliseconds from `low` up to and without `high`.
    pub fn ms(&mut self, low: i64, high: i64) -> i64 {
        let width = usize::try_from(high - low).unwrap_or_default();
        low + i64::try_from(self.below(width)).unwrap_or_default()
    }

    /// True `permille` times in a thousand.
    pub fn chance(&mut self, permille: usize) -> bool {
        self.below(1000) < permille
    }

    /// One of `all`.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}
