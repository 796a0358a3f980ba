//! The fuzz targets of the language, over the corpus and changed texts of it.

#[path = "../../../fuzz/bodies/condition.rs"]
mod condition;
#[path = "../../../fuzz/bodies/definitions.rs"]
mod definitions;
#[path = "../../../fuzz/bodies/inputs.rs"]
mod inputs;

use proptest::prelude::*;

#[test]
fn the_condition_body_stands_the_corpus() {
    for text in inputs::corpus("condition") {
        condition::run(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_condition_body_stands_changed_texts(text in inputs::inputs(inputs::corpus("condition"))) {
        condition::run(&text);
    }
}

#[test]
fn the_definitions_body_stands_the_corpus() {
    for text in inputs::corpus("definitions") {
        definitions::run(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_definitions_body_stands_changed_texts(text in inputs::inputs(inputs::corpus("definitions"))) {
        definitions::run(&text);
    }
}
