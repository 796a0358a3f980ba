//! The known name that a mistyped one most likely stands for.

/// Names further away than this share of their length are no help.
const MAX_DISTANCE_PERCENT: usize = 40;

/// The nearest of the known names, if one is near.
pub(crate) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = known.map(|name| (distance(wrong, name), name)).min()?;
    (distance * 100 <= wrong.len() * MAX_DISTANCE_PERCENT).then_some(name)
}

/// Levenshtein distance: insertions, deletions and replacements of characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left_char) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right_char) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left_char != *right_char);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_name_and_nonsense_finds_none() {
        let known = ["smtp_url", "smtp_tls", "from"];
        assert_eq!(nearest("smpt_url", known.into_iter()), Some("smtp_url"));
        assert_eq!(nearest("colour", known.into_iter()), None);
    }
}
