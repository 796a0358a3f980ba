//! A blocked Bloom filter: each key sets its bits within one cache line.
//!
//! Source: F. Putze, P. Sanders, J. Singler, "Cache-, Hash- and Space-Efficient Bloom Filters"
//! (2007). With 12 bits a key about 0.6% of the keys that are not there pass.

/// Words of a block: 512 bits, a cache line.
const BLOCK_WORDS: usize = 8;
const BITS_PER_KEY: usize = 12;
/// Bits a key sets; each takes 9 bits of the key to choose one of 512.
const PROBE_COUNT: u32 = 7;

/// The filter. Keys are taken to be hashes already: their bits choose the places.
#[derive(Debug)]
pub(crate) struct Bloom {
    blocks: Vec<[u64; BLOCK_WORDS]>,
}

impl Bloom {
    /// A filter for `key_count` keys.
    pub(crate) fn new(key_count: usize) -> Self {
        let block_count = (key_count * BITS_PER_KEY).div_ceil(64 * BLOCK_WORDS).max(1);
        Self {
            blocks: vec![[0; BLOCK_WORDS]; block_count],
        }
    }

    pub(crate) fn insert(&mut self, key: u128) {
        let index = self.block_index(key);
        for (word, bit) in places(key) {
            self.blocks[index][word] |= bit;
        }
    }

    /// False: the key is certainly not there.
    pub(crate) fn may_contain(&self, key: u128) -> bool {
        let block = &self.blocks[self.block_index(key)];
        places(key).all(|(word, bit)| block[word] & bit != 0)
    }

    fn block_index(&self, key: u128) -> usize {
        let high = key >> 64;
        ((high * self.blocks.len() as u128) >> 64) as usize
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let words = self.blocks.iter().flatten();
        words.flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads back what [`Self::to_bytes`] wrote; `None` if it is not that.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<{ BLOCK_WORDS * 8 }>();
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let block_of = |bytes: &[u8; BLOCK_WORDS * 8]| {
            let mut block = [0; BLOCK_WORDS];
            for (word, bytes) in block.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
            block
        };
        Some(Self {
            blocks: blocks.iter().map(block_of).collect(),
        })
    }
}

fn places(key: u128) -> impl Iterator<Item = (usize, u64)> {
    let low = key as u64;
    (0..PROBE_COUNT).map(move |probe| {
        let place = (low >> (probe * 9)) & 511;
        ((place >> 6) as usize, 1 << (place & 63))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spreads a small number over 128 bits (SplitMix64, twice).
    fn key(number: u64) -> u128 {
        let mix = |mut z: u64| {
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let high = mix(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        u128::from(high) << 64 | u128::from(mix(high ^ number))
    }

    #[test]
    fn what_was_inserted_always_passes_and_little_else_does() {
        let mut bloom = Bloom::new(10_000);
        for number in 0..10_000 {
            bloom.insert(key(number));
        }
        let bloom = Bloom::from_bytes(&bloom.to_bytes()).unwrap();
        assert!((0..10_000).all(|number| bloom.may_contain(key(number))));
        let others = 10_000..110_000;
        let passed = others.filter(|number| bloom.may_contain(key(*number)));
        assert!(passed.count() < 1_000, "more than 1% pass");
    }

    #[test]
    fn bytes_of_another_length_are_refused() {
        assert!(Bloom::from_bytes(&[]).is_none());
        assert!(Bloom::from_bytes(&[0; 63]).is_none());
    }
}
