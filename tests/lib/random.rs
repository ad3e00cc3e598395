//! Random moments and bytes from a seed that is printed, so that a failed run can be repeated.

use std::hash::{BuildHasher, RandomState};

/// The generator `SplitMix64`.
pub struct Random(u64);

impl Random {
    /// From `SESSION_TESTS_SEED`, or a fresh seed, which is printed.
    pub fn seeded(test: &str) -> Self {
        let seed = number_from("SESSION_TESTS_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
        println!("{test}: SESSION_TESTS_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn bytes(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}

/// The number in this environment variable. Anything else there is a mistake, which should not pass for a default.
pub fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var_os(variable)?;
    let number = text.to_str().and_then(|text| text.parse().ok());
    Some(number.unwrap_or_else(|| panic!("{variable} should be a number, not {}", text.display())))
}

impl From<u64> for Random {
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}
