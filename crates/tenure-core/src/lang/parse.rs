//! Tokens into a tree: an operator-precedence parser that goes on after an error.
//!
//! From loose to tight: `or`, `and`, `for`, `not`, comparisons (which do not chain), `+ -`,
//! `* /`, unary `-`.

use crate::diagnostic::Span;
use crate::expr::{Comparison, Operator};
use crate::lang::finding::Finding;
use crate::lang::token::{KEYWORDS, Token, TokenKind, tokens};
use crate::lang::tree::{Arguments, Name, Node, NodeKind};
use crate::lang::{MAX_CONDITION_BYTES, MAX_CONDITION_DEPTH};

const OR: u8 = 1;
const AND: u8 = 2;
const FOR: u8 = 3;
const NOT: u8 = 4;
const COMPARE: u8 = 5;
const ADD: u8 = 6;
const MULTIPLY: u8 = 7;
const NEGATIVE: u8 = 8;

/// Parses a whole text; what could not be read is [`NodeKind::Bad`] and in the findings.
pub(super) fn parse(text: &str) -> (Node, Vec<Finding>) {
    if text.len() > MAX_CONDITION_BYTES {
        let span = Span {
            start: 0,
            end: text.len(),
        };
        let finding = Finding::new(
            "condition-too-long",
            span,
            format!(
                "the condition has {} bytes; at most {MAX_CONDITION_BYTES} are read",
                text.len()
            ),
        )
        .help("split it into segments and combine them with in(\"…\")");
        return (leaf(NodeKind::Bad, span), vec![finding]);
    }
    let (tokens, findings) = tokens(text);
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        findings,
    };
    let node = parser.whole();
    parser.findings.sort_by_key(|finding| finding.span.start);
    (node, parser.findings)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    findings: Vec<Finding>,
}

fn leaf(kind: NodeKind, span: Span) -> Node {
    Node {
        kind,
        span,
        depth: 1,
    }
}

fn join(first: Span, last: Span) -> Span {
    Span {
        start: first.start,
        end: last.end.max(first.end),
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if self.at < self.tokens.len() - 1 {
            self.at += 1;
        }
        token
    }

    fn is_end(&self) -> bool {
        self.peek().kind == TokenKind::End
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Symbol(found) if *found == symbol)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.take();
        }
        found
    }

    /// The keyword at this place, if the token is an unquoted single word of that spelling.
    fn keyword(&self) -> Option<&str> {
        keyword_of(&self.peek().kind)
    }

    fn take_keyword(&mut self, word: &str) -> bool {
        let found = self.keyword() == Some(word);
        if found {
            self.take();
        }
        found
    }

    fn report(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings
            .push(Finding::new(code, span, message).help(help));
    }

    fn whole(&mut self) -> Node {
        if self.is_end() {
            let span = self.peek().span;
            self.report(
                "empty-condition",
                span,
                "there is nothing to read",
                "write a condition such as `plan == \"pro\"`",
            );
            return leaf(NodeKind::Bad, span);
        }
        let node = self.expression(0);
        if !self.is_end() {
            self.report_rest();
        }
        node
    }

    /// Reports what follows a complete expression, and reads on behind it so that its errors show
    /// too.
    fn report_rest(&mut self) {
        while !self.is_end() {
            let token = self.take();
            self.report_unexpected(&token);
            if matches!(token.kind, TokenKind::Symbol(_)) || self.is_end() {
                self.skip_to_connective();
            }
            if self.take_keyword("and") || self.take_keyword("or") {
                if self.is_end() {
                    return;
                }
                self.expression(0);
            } else {
                self.skip_to_connective();
            }
        }
    }

    fn skip_to_connective(&mut self) {
        while !self.is_end() && !matches!(self.keyword(), Some("and" | "or")) {
            self.take();
        }
    }

    fn report_unexpected(&mut self, token: &Token) {
        let (message, help) = match &token.kind {
            TokenKind::Bad => return,
            TokenKind::End => (
                "the condition ends too early".into(),
                "something is missing at the end",
            ),
            TokenKind::Symbol("%") => (
                "`%` belongs right behind a number".into(),
                "write for example `30%`",
            ),
            TokenKind::Symbol(")" | "]") => (
                "this closes nothing".to_owned(),
                "remove it, or open it before",
            ),
            TokenKind::Symbol(symbol) => (
                format!("`{symbol}` cannot stand here"),
                "a value is missing",
            ),
            TokenKind::Name(name) => (
                format!("`{}` cannot stand here", name.dotted()),
                "combine conditions with `and` or `or`, and put text in quotes",
            ),
            TokenKind::Text(_) => (
                "a text cannot stand here".to_owned(),
                "compare with `==`, or combine conditions with `and` or `or`",
            ),
            TokenKind::Duration(_) => (
                "a duration cannot stand here".to_owned(),
                "to say how long a condition has held, write `CONDITION for 3d`",
            ),
            TokenKind::Number(_) | TokenKind::Instant(_) | TokenKind::Local(_) => (
                "a value cannot stand here".to_owned(),
                "compare with `==`, or combine conditions with `and` or `or`",
            ),
        };
        self.report("unexpected", token.span, message, help);
    }

    /// Enters a level of nesting; false (with a report) when that is one too many.
    fn enter(&mut self) -> bool {
        self.depth += 1;
        if self.depth <= MAX_CONDITION_DEPTH {
            return true;
        }
        self.report_depth();
        // Nothing behind this place is read: what is nested this deep is no condition of a person.
        self.at = self.tokens.len() - 1;
        false
    }

    fn report_depth(&mut self) {
        if self.findings.iter().all(|one| one.code != "too-deep") {
            let span = self.peek().span;
            self.report(
                "too-deep",
                span,
                format!("the condition is nested deeper than {MAX_CONDITION_DEPTH} levels"),
                "split it into segments and combine them with in(\"…\")",
            );
        }
    }

    /// A node above `children`; [`NodeKind::Bad`] when the tree would become too deep.
    fn above(&mut self, kind: NodeKind, span: Span, children: usize) -> Node {
        if children < MAX_CONDITION_DEPTH {
            return Node {
                kind,
                span,
                depth: children + 1,
            };
        }
        self.report_depth();
        leaf(NodeKind::Bad, span)
    }

    fn expression(&mut self, tightness: u8) -> Node {
        let mut left = self.prefix();
        loop {
            match self.infix(left, tightness) {
                Ok(more) => left = more,
                Err(done) => return done,
            }
        }
    }

    /// One operator behind `left`: `Ok` to go on, `Err` when none of this tightness follows.
    fn infix(&mut self, left: Node, tightness: u8) -> Result<Node, Node> {
        let token = self.peek().clone();
        let shouted = self.shouted(&token);
        let word = keyword_of(&token.kind).or(shouted);
        match (&token.kind, word) {
            (_, Some("or")) if tightness <= OR => Ok(self.connective(left, OR)),
            (_, Some("and")) if tightness <= AND => Ok(self.connective(left, AND)),
            (_, Some("for")) if tightness <= FOR => Ok(self.held(left)),
            (_, Some("in" | "not" | "between" | "is" | "contains" | "starts_with"))
                if tightness <= COMPARE =>
            {
                let node = self.worded(left);
                Ok(self.refuse_chain(node))
            }
            (TokenKind::Symbol(symbol), _) => self.symbolic(left, symbol, tightness),
            _ => Err(left),
        }
    }

    fn symbolic(&mut self, left: Node, symbol: &str, tightness: u8) -> Result<Node, Node> {
        if let Some(comparison) = comparison(symbol)
            && tightness <= COMPARE
        {
            self.take();
            let right = self.expression(COMPARE + 1);
            let node = self.comparison(comparison, left, right);
            return Ok(self.refuse_chain(node));
        }
        if let Some((operator, tight)) = operator(symbol)
            && tightness <= tight
        {
            self.take();
            let right = self.expression(tight + 1);
            let span = join(left.span, right.span);
            let depth = left.depth.max(right.depth);
            let kind = NodeKind::Arithmetic(operator, Box::new(left), Box::new(right));
            return Ok(self.above(kind, span, depth));
        }
        Err(left)
    }

    /// `AND`, `OR`: taken for the word, with a report.
    fn shouted(&mut self, token: &Token) -> Option<&'static str> {
        let TokenKind::Name(name) = &token.kind else {
            return None;
        };
        let word = ["and", "or"].into_iter().find(|word| {
            !name.quoted
                && name.parts.len() == 1
                && name.parts[0] != *word
                && name.parts[0].eq_ignore_ascii_case(word)
        })?;
        let seen = |one: &Finding| one.code == "keyword-case" && one.span == token.span;
        if !self.findings.iter().any(seen) {
            self.report(
                "keyword-case",
                token.span,
                format!("`{}` is written in small letters", name.parts[0]),
                format!("write `{word}`"),
            );
        }
        Some(word)
    }

    fn comparison(&mut self, comparison: Comparison, left: Node, right: Node) -> Node {
        let span = join(left.span, right.span);
        let depth = left.depth.max(right.depth);
        let kind = NodeKind::Compare(comparison, Box::new(left), Box::new(right));
        self.above(kind, span, depth)
    }

    /// `1 < x < 5` is a mistake everywhere but in mathematics.
    fn refuse_chain(&mut self, left: Node) -> Node {
        let TokenKind::Symbol(symbol) = self.peek().kind else {
            return left;
        };
        if comparison(symbol).is_none() {
            return left;
        }
        let span = self.peek().span;
        self.report(
            "chained-comparison",
            span,
            "comparisons do not chain",
            "write `x between 1 and 5`, or `x > 1 and x < 5`",
        );
        while matches!(self.peek().kind, TokenKind::Symbol(symbol) if comparison(symbol).is_some())
        {
            self.take();
            self.expression(COMPARE + 1);
        }
        left
    }

    fn connective(&mut self, left: Node, tightness: u8) -> Node {
        self.take();
        let right = self.expression(tightness + 1);
        let span = join(left.span, right.span);
        let deepest = |node: &Node| match node.kind {
            NodeKind::And(_) if tightness == AND => node.depth - 1,
            NodeKind::Or(_) if tightness == OR => node.depth - 1,
            _ => node.depth,
        };
        let depth = deepest(&left).max(deepest(&right));
        let flat = |node: Node| match node.kind {
            NodeKind::And(inner) if tightness == AND => inner,
            NodeKind::Or(inner) if tightness == OR => inner,
            _ => vec![node],
        };
        let mut parts = flat(left);
        parts.extend(flat(right));
        let kind = if tightness == AND {
            NodeKind::And(parts)
        } else {
            NodeKind::Or(parts)
        };
        self.above(kind, span, depth)
    }

    fn held(&mut self, left: Node) -> Node {
        let keyword = self.take();
        let length = self.peek().clone();
        if !matches!(length.kind, TokenKind::Duration(_)) {
            self.report(
                "for-without-duration",
                join(keyword.span, length.span),
                "`for` wants to know how long",
                "write for example `health < 50 for 3d`",
            );
            if matches!(length.kind, TokenKind::Number(_)) {
                self.take();
            }
            return left;
        }
        let length = self.expression(NEGATIVE);
        let span = join(left.span, length.span);
        let depth = left.depth;
        self.above(
            NodeKind::Held(Box::new(left), Box::new(length)),
            span,
            depth,
        )
    }

    /// `in`, `not in`, `between`, `is known`, `contains`, `starts_with` behind a value.
    fn worded(&mut self, left: Node) -> Node {
        let negated = self.take_keyword("not");
        let word = self.keyword().map(str::to_owned);
        let operator = self.peek().clone();
        let node = match word.as_deref() {
            Some("in") => self.in_list(left),
            Some("between") => self.between(left),
            Some("contains") => self.text_test(left, NodeKind::Contains),
            Some("starts_with") => self.text_test(left, NodeKind::StartsWith),
            Some("is") if !negated => return self.is_known(left),
            _ => {
                self.report_unexpected(&operator);
                return leaf(NodeKind::Bad, left.span);
            }
        };
        if negated { self.negate(node) } else { node }
    }

    fn negate(&mut self, node: Node) -> Node {
        let (span, depth) = (node.span, node.depth);
        self.above(NodeKind::Not(Box::new(node)), span, depth)
    }

    fn in_list(&mut self, left: Node) -> Node {
        self.take();
        let list = self.expression(COMPARE + 1);
        let span = join(left.span, list.span);
        let depth = left.depth.max(list.depth);
        self.above(NodeKind::In(Box::new(left), Box::new(list)), span, depth)
    }

    fn between(&mut self, left: Node) -> Node {
        self.take();
        let low = self.expression(COMPARE + 1);
        if !self.take_keyword("and") {
            let span = join(left.span, low.span);
            self.report(
                "between-without-and",
                span,
                "`between` wants two bounds",
                "write `x between 1 and 5`; both bounds are included",
            );
            return leaf(NodeKind::Bad, span);
        }
        let high = self.expression(COMPARE + 1);
        let span = join(left.span, high.span);
        let depth = left.depth.max(low.depth).max(high.depth) + 1;
        let kind = NodeKind::Between(Box::new(left), Box::new(low), Box::new(high));
        self.above(kind, span, depth)
    }

    fn text_test(&mut self, left: Node, kind: fn(Box<Node>, Box<Node>) -> NodeKind) -> Node {
        self.take();
        let right = self.expression(COMPARE + 1);
        let span = join(left.span, right.span);
        let depth = left.depth.max(right.depth);
        self.above(kind(Box::new(left), Box::new(right)), span, depth)
    }

    fn is_known(&mut self, left: Node) -> Node {
        self.take();
        let negated = self.take_keyword("not");
        let word = self.peek().clone();
        let known = match &word.kind {
            TokenKind::Name(name) if name.dotted() == "known" => true,
            TokenKind::Name(name) if name.dotted() == "unknown" => false,
            _ => {
                self.report(
                    "is-what",
                    word.span,
                    "`is` only asks whether a value is known",
                    "write `plan is known`, `plan is unknown`, or compare with `==`",
                );
                self.expression(COMPARE + 1);
                return leaf(NodeKind::Bad, left.span);
            }
        };
        self.take();
        let span = join(left.span, word.span);
        let depth = left.depth;
        let node = self.above(NodeKind::Known(Box::new(left)), span, depth);
        if known == negated {
            self.negate(node)
        } else {
            node
        }
    }

    fn prefix(&mut self) -> Node {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Number(number) => self.literal(NodeKind::Number(number)),
            TokenKind::Duration(ms) => self.literal(NodeKind::Duration(ms)),
            TokenKind::Instant(at) => self.literal(NodeKind::Instant(at)),
            TokenKind::Local(at) => self.literal(NodeKind::Local(at)),
            TokenKind::Text(text) => self.literal(NodeKind::Text(text)),
            TokenKind::Bad => self.literal(NodeKind::Bad),
            TokenKind::Name(name) => self.named(name, token.span),
            TokenKind::Symbol("(") => self.parenthesis(),
            TokenKind::Symbol("[") => self.list(),
            TokenKind::Symbol("-") => self.negative(),
            TokenKind::Symbol(_) | TokenKind::End => self.missing_value(&token),
        }
    }

    fn literal(&mut self, kind: NodeKind) -> Node {
        let token = self.take();
        leaf(kind, token.span)
    }

    fn missing_value(&mut self, token: &Token) -> Node {
        self.report_unexpected(token);
        // Brackets are closed by who opened them, and an operator goes on with what follows it.
        let taken_elsewhere = match token.kind {
            TokenKind::Symbol(")" | "]" | ",") | TokenKind::End => true,
            TokenKind::Symbol(symbol) => comparison(symbol).is_some() || operator(symbol).is_some(),
            _ => false,
        };
        if !taken_elsewhere {
            self.take();
        }
        leaf(NodeKind::Bad, token.span)
    }

    fn named(&mut self, name: Name, span: Span) -> Node {
        let single = !name.quoted && name.parts.len() == 1;
        let word = single.then(|| name.parts[0].clone());
        match word.as_deref() {
            Some("true") => return self.literal(NodeKind::Flag(true)),
            Some("false") => return self.literal(NodeKind::Flag(false)),
            Some("not") => return self.not(),
            Some(shouted) if shouted.eq_ignore_ascii_case("not") && shouted != "not" => {
                self.report(
                    "keyword-case",
                    span,
                    format!("`{shouted}` is written in small letters"),
                    "write `not`",
                );
                return self.not();
            }
            Some("null" | "none") => {
                self.report(
                    "null",
                    span,
                    "there is no null: a missing value is unknown",
                    "write `plan is unknown` or `plan is known`",
                );
                return self.literal(NodeKind::Bad);
            }
            _ => {}
        }
        self.take();
        if self.is_symbol("(") {
            return self.call(name, span);
        }
        let keyword = word.filter(|word| KEYWORDS.contains(&word.as_str()));
        if let Some(keyword) = keyword {
            if !matches!(keyword.as_str(), "where" | "ago") {
                // The operator goes on with what follows it.
                self.at -= 1;
            }
            self.report(
                "unexpected",
                span,
                format!("`{}` cannot stand here", name.dotted()),
                format!(
                    "a value is missing before it; a trait of this name is written `{0}{1}{0}`",
                    '`',
                    name.dotted()
                ),
            );
            return leaf(NodeKind::Bad, span);
        }
        leaf(NodeKind::Name(name), span)
    }

    fn not(&mut self) -> Node {
        let token = self.take();
        if !self.enter() {
            return leaf(NodeKind::Bad, token.span);
        }
        let inner = self.expression(NOT);
        self.depth -= 1;
        let span = join(token.span, inner.span);
        let depth = inner.depth;
        self.above(NodeKind::Not(Box::new(inner)), span, depth)
    }

    fn negative(&mut self) -> Node {
        let token = self.take();
        if !self.enter() {
            return leaf(NodeKind::Bad, token.span);
        }
        let inner = self.expression(NEGATIVE);
        self.depth -= 1;
        let span = join(token.span, inner.span);
        match inner.kind {
            NodeKind::Number(number) => leaf(NodeKind::Number(-number), span),
            NodeKind::Duration(ms) => leaf(NodeKind::Duration(-ms), span),
            _ => {
                let depth = inner.depth;
                self.above(NodeKind::Negative(Box::new(inner)), span, depth)
            }
        }
    }

    fn parenthesis(&mut self) -> Node {
        let open = self.take();
        if !self.enter() {
            return leaf(NodeKind::Bad, open.span);
        }
        let mut inner = self.expression(0);
        self.depth -= 1;
        let end = self.peek().span;
        self.close(")", open.span);
        inner.span = join(open.span, end);
        inner
    }

    /// The closing bracket of what was opened at `opened`; skips to it when something else is
    /// before it.
    fn close(&mut self, symbol: &'static str, opened: Span) {
        if self.take_symbol(symbol) {
            return;
        }
        if !self.is_end() {
            let token = self.peek().clone();
            self.report_unexpected(&token);
            let mut open = 0;
            while !self.is_end() {
                if open == 0 && self.take_symbol(symbol) {
                    return;
                }
                match self.take().kind {
                    TokenKind::Symbol("(" | "[") => open += 1,
                    TokenKind::Symbol(")" | "]") if open > 0 => open -= 1,
                    _ => {}
                }
            }
            return;
        }
        if self.findings.iter().all(|one| one.code != "too-deep") {
            self.report(
                "unclosed",
                opened,
                format!("this is never closed with `{symbol}`"),
                format!("add `{symbol}`"),
            );
        }
    }

    fn list(&mut self) -> Node {
        let open = self.take();
        if !self.enter() {
            return leaf(NodeKind::Bad, open.span);
        }
        let mut items = Vec::new();
        while !self.is_end() && !self.is_symbol("]") {
            items.push(self.expression(0));
            if !self.take_symbol(",") {
                break;
            }
        }
        self.depth -= 1;
        let end = self.peek().span;
        self.close("]", open.span);
        let depth = items.iter().map(|item| item.depth).max().unwrap_or(0);
        self.above(NodeKind::List(items), join(open.span, end), depth)
    }

    fn call(&mut self, name: Name, span: Span) -> Node {
        let open = self.take();
        if !self.enter() {
            return leaf(NodeKind::Bad, span);
        }
        let mut arguments = Arguments::default();
        while !self.is_end() && !self.is_symbol(")") {
            self.argument(&mut arguments);
            if !self.take_symbol(",") && self.keyword() != Some("where") {
                break;
            }
        }
        self.depth -= 1;
        let end = self.peek().span;
        self.close(")", open.span);
        let parts = arguments
            .plain
            .iter()
            .chain(arguments.filter.as_deref())
            .chain(arguments.ago.as_deref());
        let depth = parts.map(|part| part.depth).max().unwrap_or(0);
        self.above(NodeKind::Call(name, arguments), join(span, end), depth)
    }

    fn argument(&mut self, arguments: &mut Arguments) {
        let keyword = self.peek().span;
        let labelled = if self.take_keyword("where") {
            &mut arguments.filter
        } else if self.take_keyword("ago") {
            &mut arguments.ago
        } else {
            let plain = self.expression(0);
            arguments.plain.push(plain);
            return;
        };
        let twice = labelled.is_some();
        let value = self.expression(0);
        *labelled = Some(Box::new(value));
        if twice {
            self.report(
                "argument-twice",
                keyword,
                "this is given twice",
                "combine them with `and`",
            );
        }
    }
}

fn keyword_of(kind: &TokenKind) -> Option<&str> {
    match kind {
        TokenKind::Name(name) if !name.quoted && name.parts.len() == 1 => KEYWORDS
            .contains(&name.parts[0].as_str())
            .then_some(name.parts[0].as_str()),
        _ => None,
    }
}

fn comparison(symbol: &str) -> Option<Comparison> {
    Some(match symbol {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn operator(symbol: &str) -> Option<(Operator, u8)> {
    Some(match symbol {
        "+" => (Operator::Add, ADD),
        "-" => (Operator::Subtract, ADD),
        "*" => (Operator::Multiply, MULTIPLY),
        "/" => (Operator::Divide, MULTIPLY),
        _ => return None,
    })
}
