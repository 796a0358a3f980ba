//! Keeping people's addresses out of reasons, logs and errors.

/// Longest reason kept from a server's words, in bytes.
const REASON_MAX_BYTES: usize = 500;

/// Replaces everything in `text` that looks like an e-mail address by `[address]`, turns control characters into
/// spaces and cuts the result to 500 bytes.
///
/// A word counts as an address when it has an `@` with something on both sides, however it is quoted or bracketed.
/// Domains alone and reply codes stay, because an operator needs them.
pub fn redact_addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(REASON_MAX_BYTES));
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    for word in clean.split(' ').filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        push_redacted(word, &mut out);
        if out.len() > REASON_MAX_BYTES {
            break;
        }
    }
    let cut = (0..=REASON_MAX_BYTES.min(out.len()))
        .rev()
        .find(|at| out.is_char_boundary(*at))
        .unwrap_or(0);
    out.truncate(cut);
    out
}

fn push_redacted(word: &str, out: &mut String) {
    let mut rest = word;
    while let Some(at) = rest.find('@') {
        let start = rest[..at]
            .char_indices()
            .rev()
            .find(|(_, c)| !is_local_part(*c))
            .map_or(0, |(index, c)| index + c.len_utf8());
        let end = rest[at + 1..]
            .find(|c: char| !is_domain_part(c))
            .map_or(rest.len(), |offset| at + 1 + offset);
        if start == at && end == at + 1 {
            out.push_str(&rest[..=at]);
        } else {
            out.push_str(&rest[..start]);
            out.push_str("[address]");
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
}

fn is_local_part(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.\\".contains(c)
}

fn is_domain_part(c: char) -> bool {
    c.is_alphanumeric() || "-.@[]:_".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_in_any_dress_disappear_and_the_rest_stays() {
        for (raw, clean) in [
            (
                "550 5.1.1 <anna@example.com>: Recipient unknown",
                "550 5.1.1 <[address]>: Recipient unknown",
            ),
            ("rfc822;anna+x@mail.example.com", "rfc822;[address]"),
            ("\"anna@example.com\" full", "\"[address]\" full"),
            ("a@b c@d", "[address] [address]"),
            ("queue at mx1.example.com", "queue at mx1.example.com"),
            ("lonely @ sign", "lonely @ sign"),
            ("line\r\nbreak", "line break"),
        ] {
            assert_eq!(redact_addresses(raw), clean);
        }
    }

    proptest! {
        #[test]
        fn no_address_survives_and_nothing_panics(before in ".{0,40}", local in "[a-z0-9.+]{1,12}", after in ".{0,40}") {
            let address = format!("{local}@example.com");
            let clean = redact_addresses(&format!("{before} {address} {after}"));
            prop_assert!(!clean.contains(&address));
            prop_assert!(clean.len() <= REASON_MAX_BYTES);
        }
    }
}
