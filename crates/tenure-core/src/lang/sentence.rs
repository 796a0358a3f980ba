//! An expression as an English sentence.

/// The expression in words.
pub fn sentence(e: &crate::expr::Expr) -> String {
    crate::lang::canonical::canonical(e)
}
