//! Segments and signals.

use crate::define::{SegmentDef, SignalDef, SignalKind, SignalSeverity};
use crate::lang::yaml::reader::{EventScope, Fields, Reader};

impl Reader<'_> {
    pub(super) fn segment(&mut self, mut fields: Fields<'_>) -> Option<SegmentDef> {
        let name = fields
            .take("segment")
            .and_then(|node| self.name(node, "a segment's name"));
        let about = self.optional_text(&mut fields, "about");
        let audience = self.audience(&mut fields);
        let when = self
            .required(
                &mut fields,
                "when",
                "write the condition that makes a subject a member",
            )
            .and_then(|node| self.condition(node, audience, EventScope::None));
        self.finish(&fields, "a segment");
        Some(SegmentDef {
            name: name?,
            about: about.unwrap_or_default(),
            audience,
            when: when?,
            place: self.place(fields.span),
        })
    }

    pub(super) fn signal(&mut self, mut fields: Fields<'_>) -> Option<SignalDef> {
        let name = fields
            .take("signal")
            .and_then(|node| self.name(node, "a signal's name"));
        let about = self.optional_text(&mut fields, "about");
        let audience = self.audience(&mut fields);
        let severities = [
            ("info", SignalSeverity::Info),
            ("warning", SignalSeverity::Warning),
            ("critical", SignalSeverity::Critical),
        ];
        let severity = fields
            .take("severity")
            .and_then(|node| self.choice(node, "a severity", &severities))
            .unwrap_or_default();
        let kinds = [
            ("health", SignalKind::Health),
            ("milestone", SignalKind::Milestone),
            ("opportunity", SignalKind::Opportunity),
        ];
        let kind = fields
            .take("kind")
            .and_then(|node| self.choice(node, "a signal's kind", &kinds));
        let when = self
            .required(
                &mut fields,
                "when",
                "write the condition whose becoming true is the signal",
            )
            .and_then(|node| self.condition(node, audience, EventScope::None));
        let cooldown_ms = self.optional_duration(&mut fields, "cooldown").unwrap_or(0);
        self.finish(&fields, "a signal");
        Some(SignalDef {
            name: name?,
            about: about.unwrap_or_default(),
            audience,
            severity,
            kind,
            when: when?,
            cooldown_ms,
            place: self.place(fields.span),
        })
    }
}
