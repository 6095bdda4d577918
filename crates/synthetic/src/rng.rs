//! A small generator of pseudo-random numbers whose sequence is part of this crate's contract.
//!
//! A library's default generator may change between versions; a feed must not. This is xoshiro256**
//! (Blackman and Vigna, public domain) seeded by splitmix64.

/// Pseudo-random numbers. Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    state: [u64; 4],
}

/// One step of splitmix64: turns counters into well mixed numbers.
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Rng {
    /// The generator of one item: the same `(seed, stream, index)` always gives the same numbers, and
    /// no item needs the ones before it.
    pub(crate) fn for_item(seed: u64, stream: u64, index: u64) -> Self {
        let mut state = seed;
        let mut mixed = splitmix(&mut state) ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let mut mixed = splitmix(&mut mixed) ^ index;
        Self { state: [splitmix(&mut mixed), splitmix(&mut mixed), splitmix(&mut mixed), splitmix(&mut mixed)] }
    }

    /// 64 random bits.
    #[inline]
    pub(crate) fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`; 0 for a bound of 0. The bias is below 2⁻³² for the bounds used here.
    #[inline]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `low..=high`.
    #[inline]
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as u64) as i64
    }

    /// True in `percent` of 100 cases.
    #[inline]
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// True with this probability (0 to 1).
    #[inline]
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        ((self.bits() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }

    /// One of the items. The list must not be empty.
    #[inline]
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}
