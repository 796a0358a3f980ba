//! "Did you mean": the nearest of the known names.

/// Longer words are never a slip of the finger, and comparing them costs time.
const MAX_WORD_CHARS: usize = 64;

/// The candidate nearest to `word`, if it is near enough to be meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(MAX_WORD_CHARS + 1).collect();
    if word.len() > MAX_WORD_CHARS {
        return None;
    }
    let allowed = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(far, _)| *far <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A help sentence naming the nearest candidate, or else all of them.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(candidate) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    match all.len() {
        0 => None,
        1..=24 => Some(format!("known are: {}", all.join(", "))),
        _ => Some(format!("known are: {}, …", all[..24].join(", "))),
    }
}

/// Optimal string alignment distance: insertions, deletions, changes and swaps of neighbours;
/// letter case does not count.
fn distance(word: &[char], candidate: &str) -> usize {
    let other: Vec<char> = candidate.chars().collect();
    if other.len() > MAX_WORD_CHARS {
        return usize::MAX;
    }
    let same = |a: char, b: char| a.eq_ignore_ascii_case(&b);
    let mut rows = vec![vec![0; other.len() + 1]; word.len() + 1];
    for i in 0..=word.len() {
        for j in 0..=other.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let change = usize::from(!same(word[i - 1], other[j - 1]));
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && same(word[i - 1], other[j - 2]) && same(word[i - 2], other[j - 1])
            {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[word.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_far_ones_are_not() {
        let known = ["count", "sum", "since"];
        assert_eq!(nearest("coutn", known), Some("count"));
        assert_eq!(nearest("Sum", known), Some("sum"));
        assert_eq!(nearest("elephant", known), None);
        assert_eq!(nearest(&"x".repeat(500), known), None);
    }
}
