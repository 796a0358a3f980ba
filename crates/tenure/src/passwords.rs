//! Passwords that somebody chooses, and other secrets: typed without being shown, or read from a file or standard input.

use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A new password: of a file, typed twice at a terminal without being shown, or from standard input.
pub(crate) fn choose(file: Option<&Path>) -> Result<String> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        return line(&text);
    }
    if std::io::stdin().is_terminal() {
        return typed();
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    line(&text)
}

/// A secret that stands elsewhere: of a file, typed without being shown, or from standard input.
pub(crate) fn secret(file: Option<&Path>) -> Result<String> {
    if file.is_none() && std::io::stdin().is_terminal() {
        let secret = rpassword::prompt_password("Secret (it is not shown): ")?;
        return line(&secret);
    }
    choose(file)
}

fn typed() -> Result<String> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).context("the terminal gives no password; name a file")
    };
    let password = line(&ask("Password (it is not shown): ")?)?;
    ensure!(
        password == line(&ask("The same again: ")?)?,
        "the two passwords differ; call it again"
    );
    Ok(password)
}

fn line(text: &str) -> Result<String> {
    let password = text.trim_end_matches(['\n', '\r']);
    ensure!(
        !password.is_empty(),
        "nothing was given: type it, write it to standard input, or name a file that holds it"
    );
    Ok(password.to_owned())
}
