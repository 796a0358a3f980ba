//! What is wrong with one text.

use crate::diagnostic::{Diagnostic, Span};

/// Something wrong (or suspicious) in a condition, with its place in that text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable code; see the reference.
    pub code: &'static str,
    /// Bytes of the text.
    pub span: Span,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Finding {
    pub(super) fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            span,
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// As a diagnostic of the file whose text is `source`, where the condition's own text begins
    /// `offset` bytes into the file.
    pub fn diagnostic(&self, file: &str, source: &str, offset: usize) -> Diagnostic {
        let span = Span {
            start: self.span.start + offset,
            end: self.span.end + offset,
        };
        self.diagnostic_at(file, source, span)
    }

    /// As a diagnostic at a given place of the file.
    pub(super) fn diagnostic_at(&self, file: &str, source: &str, span: Span) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.code, file, source, span, self.message.clone());
        diagnostic.help.clone_from(&self.help);
        diagnostic
    }
}
