//! Bodies of webhook steps: what can be known to be wrong before anything is sent.

use tenure_connectors::template::check_json;
use tenure_core::define::{Audience, Definitions, StepKind};
use tenure_core::diagnostic::Diagnostic;

/// The outermost names of the data of a step about a person, see `program/data.rs` of the core.
const OF_PERSON: [&str; 4] = ["person", "account", "event", "program"];
/// Those of a step about an account: no person is at hand.
const OF_ACCOUNT: [&str; 3] = ["account", "event", "program"];

/// Every problem of the bodies of all webhook steps, at the step's place.
pub fn check_bodies(definitions: &Definitions) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for program in &definitions.programs {
        let roots = match program.audience {
            Audience::Person => &OF_PERSON[..],
            Audience::Account => &OF_ACCOUNT[..],
        };
        for step in program.all_steps() {
            let StepKind::Webhook {
                body: Some(body), ..
            } = &step.kind
            else {
                continue;
            };
            for problem in check_json(body, roots) {
                let message = format!("`body` of step `{}`: {problem}", step.name);
                let error = definitions.error_at(&step.place, "template", message);
                found.push(error.help("correct it, or write `| default: …` after the name"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use tenure_core::define::SourceFile;
    use tenure_core::lang::parse_definitions;

    use super::*;

    fn problems(audience: &str, body: &str) -> Vec<Diagnostic> {
        let text = format!(
            "program: p\naudience: {audience}\nenter: {{ event: go }}\nsteps:\n  - wait: 1d\n  - branch:\n      \
             - else:\n        steps:\n          - webhook:\n              url: \"https://hooks.example.com\"\n              \
             body: {body}\n"
        );
        let file = SourceFile {
            path: "p.yaml".into(),
            text,
        };
        let (definitions, _) = parse_definitions(vec![file], &[]).unwrap();
        check_bodies(&definitions)
    }

    #[test]
    fn a_body_that_can_never_be_rendered_is_refused_at_its_step() {
        let found = problems(
            "person",
            "{ text: \"{{ persn.name }} of {{ account.name }}\" }",
        );
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(
            (found[0].file.as_str(), found[0].code),
            ("p.yaml", "template")
        );
        assert!(
            found[0].line >= 9 && found[0].message.contains("`persn.name`"),
            "{found:#?}"
        );
        assert!(problems("person", "{ text: \"{{ person.name }}\" }").is_empty());
        assert_eq!(
            problems("account", "{ text: \"{{ person.name }}\" }").len(),
            1
        );
    }
}
