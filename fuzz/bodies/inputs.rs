//! Inputs for the bodies where libFuzzer is not at hand: texts of the corpus, cut, doubled and
//! spliced with words of all of them and with what parsers stumble over.

use std::path::Path;

use proptest::prelude::*;

/// What is seldom in a text by itself.
const ODD: [&str; 24] = [
    "",
    "\0",
    "\n",
    "\t",
    " ",
    "\"",
    "'",
    "`",
    "{",
    "}",
    "[",
    "]",
    "(((((((((",
    "{{{{{{{{",
    "- - - -",
    ": ",
    "é",
    "\u{202e}",
    "\u{feff}",
    "999999999999999999999",
    "-1",
    "1e308",
    "2026-02-30",
    "&a *a",
];

/// One change of a text, at places that count modulo its length.
#[derive(Debug, Clone)]
enum Edit {
    /// Takes a piece out.
    Cut(usize, usize),
    /// Puts a word in.
    Put(usize, String),
    /// Repeats a piece elsewhere.
    Copy(usize, usize, usize),
}

/// The texts of a folder of the corpus.
#[allow(
    clippy::disallowed_methods,
    reason = "the core reads no files, its tests may"
)]
pub(crate) fn corpus(name: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(name);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    texts.collect()
}

/// Changed texts of a corpus.
pub(crate) fn inputs(corpus: Vec<String>) -> impl Strategy<Value = String> {
    let cut = |text: &String| {
        text.split_inclusive(|c: char| !c.is_alphanumeric())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let mut words: Vec<String> = corpus.iter().flat_map(cut).collect();
    words.sort();
    words.dedup();
    let word = prop_oneof![
        3 => prop::sample::select(words),
        1 => prop::sample::select(ODD.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    let edit = prop_oneof![
        (any::<usize>(), 0..40_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        (any::<usize>(), word).prop_map(|(at, word)| Edit::Put(at, word)),
        (any::<usize>(), 0..200_usize, any::<usize>())
            .prop_map(|(from, length, to)| Edit::Copy(from, length, to)),
    ];
    let text = prop::sample::select(corpus);
    (text, prop::collection::vec(edit, 0..8)).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for edit in edits {
            apply(&mut chars, edit);
        }
        chars.into_iter().collect()
    })
}

fn apply(chars: &mut Vec<char>, edit: Edit) {
    let place = |at: usize| at % (chars.len() + 1);
    let piece = |at: usize, length: usize| place(at)..(place(at) + length).min(chars.len());
    match edit {
        Edit::Cut(at, length) => {
            chars.drain(piece(at, length));
        }
        Edit::Put(at, word) => {
            let at = place(at);
            chars.splice(at..at, word.chars());
        }
        Edit::Copy(from, length, to) => {
            let to = place(to);
            let copied = chars[piece(from, length)].to_vec();
            chars.splice(to..to, copied);
        }
    }
}
