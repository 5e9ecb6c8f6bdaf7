//! Chance by name: each question has dice of its own, so that a new question changes no old answer.

/// Dice that the same seed and name always throw alike: SplitMix64.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// For one question (an FNV-1a hash of its name) about one world.
    pub(crate) fn new(seed: u64, question: &str) -> Self {
        let hash = question
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut dice = Self(hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `[0, 1)`.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In `from..to`; `from` where that is empty.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        if to <= from { from } else { from + self.next() % (to - from) }
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.fraction() < p
    }

    /// One of them.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.between(0, of.len() as u64) as usize]
    }

    /// Exponentially distributed around this mean.
    pub(crate) fn wait(&mut self, mean_ms: f64) -> u64 {
        (-mean_ms * (1.0 - self.fraction()).ln()) as u64
    }

    /// So many of `0..n`, none twice, ascending.
    pub(crate) fn some(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        let count = count.min(n);
        for i in 0..count {
            let j = self.between(i as u64, n as u64) as usize;
            all.swap(i, j);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_depend_on_seed_and_question_alone() {
        let throw = |seed, what| Dice::new(seed, what).next();
        assert_eq!(throw(1, "links"), throw(1, "links"));
        assert_ne!(throw(1, "links"), throw(2, "links"));
        assert_ne!(throw(1, "links"), throw(1, "nats"));
    }

    #[test]
    fn draws_stay_within_what_was_asked_for() {
        let mut dice = Dice::new(5, "test");
        assert!((0..1_000).all(|_| (3..9).contains(&dice.between(3, 9)) && dice.fraction() < 1.0));
        assert_eq!(dice.between(4, 4), 4);
        let some = dice.some(50, 20);
        assert!(some.len() == 20 && some.windows(2).all(|w| w[0] < w[1]) && some[19] < 50);
        let mean = (0..10_000).map(|_| dice.wait(100.0)).sum::<u64>() / 10_000;
        assert!((90..110).contains(&mean), "{mean}");
    }
}
