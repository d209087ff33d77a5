//! Cases that take turns, and what is said of many rounds.
//!
//! A machine that others use grows slower and faster while one measures. It does so for all cases alike
//! if they take turns, so a ratio is taken of figures of the same round, and its median is told.

/// Runs each case once a round, and says what each of them gave in each round, case by case.
pub fn interleave<C, T>(
    rounds: usize,
    cases: &mut [C],
    mut once: impl FnMut(&mut C) -> T,
) -> Vec<Vec<T>> {
    let mut all = Vec::from_iter(cases.iter().map(|_| Vec::with_capacity(rounds)));
    for round in 0..=rounds {
        for (case, own) in cases.iter_mut().zip(&mut all) {
            let given = once(case);
            // The first one warms up.
            if round > 0 {
                own.push(given);
            }
        }
    }
    all
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 0.5)
}

/// Of processor time: what disturbs only ever adds to it, and a minimum is luck.
pub fn low(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 0.2)
}

pub fn percentile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut values = Vec::from_iter(values);
    values.sort_unstable_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// By how much one is the other, round by round.
pub fn ratio(one: impl IntoIterator<Item = f64>, other: impl IntoIterator<Item = f64>) -> f64 {
    median(one.into_iter().zip(other).map(|(one, other)| one / other))
}
