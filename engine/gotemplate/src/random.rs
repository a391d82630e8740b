//! Chance that comes from a seed: the same seed draws the same.

use sha2::{Digest, Sha256};

/// Draws bytes: the hashes of the seed and a count.
pub(crate) struct Random {
    seed: [u8; 32],
    count: u64,
    block: [u8; 32],
    used: usize,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            count: 0,
            block: [0; 32],
            used: 32,
        }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        if self.used == self.block.len() {
            let mut hash = Sha256::new();
            hash.update(self.seed);
            hash.update(self.count.to_be_bytes());
            self.block = hash.finalize().into();
            self.count += 1;
            self.used = 0;
        }
        let byte = self.block[self.used];
        self.used += 1;
        byte
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// A number below a bound, each as likely.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.max(1);
        let fair = u64::MAX - u64::MAX % bound;
        loop {
            let number = u64::from_be_bytes(std::array::from_fn(|_| self.byte()));
            if number < fair {
                return number % bound;
            }
        }
    }
}
