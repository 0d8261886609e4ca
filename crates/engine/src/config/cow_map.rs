//! A map for the large tables: copies of it share everything that a change doesn't touch.
//!
//! Two levels of 64 nodes lead to 4096 leaves, each a sorted slice. Changing a row copies one leaf and the two nodes
//! above it (some kilobytes, whatever the table's size); a lookup follows two pointers and guesses the place in the
//! leaf, which for keys spread evenly is right within a few rows. Slices rather than hash tables: no empty places.

use std::sync::Arc;

/// Bits of a key's spread that one level takes.
const LEVEL: u32 = 6;
const FAN: usize = 1 << LEVEL;
const LEAVES: usize = FAN * FAN;

/// A key, and how it is spread over the leaves.
pub trait Key: Copy + Ord {
    /// 64 bits, as even as the keys allow; equal keys give the same.
    fn spread(&self) -> u64;
}

type Leaf<K, V> = Arc<[(K, V)]>;
type Node<K, V> = Arc<[Leaf<K, V>]>;

/// The map. Cloning it copies 64 pointers.
#[derive(Debug)]
pub struct CowMap<K, V> {
    root: Box<[Node<K, V>]>,
    len: usize,
}

impl<K, V> Clone for CowMap<K, V> {
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
            len: self.len,
        }
    }
}

impl<K: Key, V: Clone> Default for CowMap<K, V> {
    fn default() -> Self {
        let leaf: Leaf<K, V> = Arc::from([]);
        let node: Node<K, V> = std::iter::repeat_n(leaf, FAN).collect();
        Self {
            root: std::iter::repeat_n(node, FAN).collect(),
            len: 0,
        }
    }
}

fn leaf_number(spread: u64) -> usize {
    // The topmost 12 bits: always below LEAVES.
    (spread >> (u64::BITS - 2 * LEVEL)) as usize
}

/// Where the row of `key` is, or would be put.
fn place<K: Key, V>(leaf: &[(K, V)], key: &K) -> Result<usize, usize> {
    let spread = key.spread();
    let wanted = (spread, *key);
    let at = |row: &(K, V)| (row.0.spread(), row.0);
    // Rows are ordered by their spread, which is even: how far down the leaf's range it lies says about where.
    let share = u128::from(spread << (2 * LEVEL)) * leaf.len() as u128;
    let mut guess = usize::try_from(share >> u64::BITS).unwrap_or_default();
    while guess > 0 && at(&leaf[guess - 1]) >= wanted {
        guess -= 1;
    }
    while guess < leaf.len() && at(&leaf[guess]) < wanted {
        guess += 1;
    }
    if guess < leaf.len() && leaf[guess].0 == *key {
        Ok(guess)
    } else {
        Err(guess)
    }
}

impl<K: Key, V: Clone> CowMap<K, V> {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let number = leaf_number(key.spread());
        let leaf = &self.root[number / FAN][number % FAN];
        place(leaf, key).ok().map(|place| &leaf[place].1)
    }

    /// All rows, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        let leaves = self.root.iter().flat_map(|node| node.iter());
        leaves.flat_map(|leaf| leaf.iter())
    }

    /// Puts a row, in the place of the one with the same key if there is one.
    pub fn insert(&mut self, key: K, value: V) {
        let mut added = false;
        self.edit(&key, |leaf| match place(leaf, &key) {
            Ok(at) => {
                let rows = (leaf.iter().enumerate()).map(|(index, row)| {
                    if index == at {
                        (key, value.clone())
                    } else {
                        row.clone()
                    }
                });
                Some(rows.collect())
            }
            Err(at) => {
                added = true;
                let (before, after) = leaf.split_at(at);
                let new = std::iter::once((key, value));
                let rows = before
                    .iter()
                    .cloned()
                    .chain(new)
                    .chain(after.iter().cloned());
                Some(rows.collect::<Vec<_>>().into())
            }
        });
        self.len += usize::from(added);
    }

    /// Takes a row out; whether there was one.
    pub fn remove(&mut self, key: &K) -> bool {
        let mut removed = false;
        self.edit(key, |leaf| {
            let at = place(leaf, key).ok()?;
            removed = true;
            let rows = leaf[..at].iter().chain(&leaf[at + 1..]).cloned();
            Some(rows.collect::<Vec<_>>().into())
        });
        self.len -= usize::from(removed);
        removed
    }

    fn edit(&mut self, key: &K, change: impl FnOnce(&[(K, V)]) -> Option<Leaf<K, V>>) {
        let number = leaf_number(key.spread());
        let node = &mut self.root[number / FAN];
        if let Some(leaf) = change(&node[number % FAN]) {
            // A node that another version still uses is copied here, and only then.
            Arc::make_mut(node)[number % FAN] = leaf;
        }
    }
}

/// Collects rows for a whole map: in any order, of two with one key the later counts.
#[derive(Debug)]
pub struct Builder<K, V> {
    leaves: Vec<Vec<(K, V)>>,
}

impl<K: Key, V: Clone> Default for Builder<K, V> {
    fn default() -> Self {
        Self {
            leaves: std::iter::repeat_with(Vec::new).take(LEAVES).collect(),
        }
    }
}

impl<K: Key, V: Clone> Builder<K, V> {
    /// Adds a row.
    pub fn push(&mut self, key: K, value: V) {
        self.leaves[leaf_number(key.spread())].push((key, value));
    }

    /// The map of all rows.
    #[must_use]
    pub fn build(self) -> CowMap<K, V> {
        let mut len = 0;
        let empty: Leaf<K, V> = Arc::from([]);
        let mut leaves = self.leaves.into_iter().map(|mut rows| {
            if rows.is_empty() {
                return Arc::clone(&empty);
            }
            // Stable, and turned round first: of equal keys the latest comes first, and stays.
            rows.reverse();
            rows.sort_by_key(|(key, _)| (key.spread(), *key));
            rows.dedup_by(|later, earlier| later.0 == earlier.0);
            len += rows.len();
            Leaf::from(rows)
        });
        let root = (0..FAN)
            .map(|_| leaves.by_ref().take(FAN).collect())
            .collect();
        drop(leaves);
        CowMap { root, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Few leaves, and uneven ones, so that tests meet neighbours.
    impl Key for u32 {
        fn spread(&self) -> u64 {
            u64::from(self & 3) << 62 | u64::from(self >> 2)
        }
    }

    fn agree(map: &CowMap<u32, u8>, model: &BTreeMap<u32, u8>) {
        assert_eq!(map.len(), model.len());
        let rows: BTreeMap<u32, u8> = map.iter().copied().collect();
        assert_eq!(rows, *model);
        for key in 0..64 {
            assert_eq!(map.get(&key), model.get(&key));
        }
    }

    proptest! {
        #[test]
        fn behaves_like_a_map_and_old_copies_stay(
            rows in prop::collection::vec((0..64_u32, any::<u8>()), 0..60),
            changes in prop::collection::vec((0..64_u32, prop::option::of(any::<u8>())), 0..60),
        ) {
            let mut builder = Builder::default();
            let mut model = BTreeMap::new();
            for (key, value) in rows {
                builder.push(key, value);
                model.insert(key, value);
            }
            let mut map = builder.build();
            agree(&map, &model);
            let (old, old_model) = (map.clone(), model.clone());
            for (key, value) in changes {
                if let Some(value) = value {
                    map.insert(key, value);
                    model.insert(key, value);
                } else {
                    assert_eq!(map.remove(&key), model.remove(&key).is_some());
                }
            }
            agree(&map, &model);
            agree(&old, &old_model);
        }
    }

    #[test]
    fn a_change_shares_all_but_its_leaf() {
        let mut builder = Builder::default();
        for key in 0..1000_u32 {
            builder.push(key, 0_u8);
        }
        let old = builder.build();
        let mut new = old.clone();
        new.insert(5, 1);
        let shared = (old.root.iter().zip(&new.root)).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count(), FAN - 1);
    }
}
