//! The one-time code with which the first user is made.

use std::path::Path;

use anyhow::{Context, Result};
use tenure_api::SetUp;
use tenure_app::access::Access;
use tenure_app::access::secret::{Seeded, id};

use super::private::write_private;
use crate::commands::users::seed;

/// Holds the code, in the data folder, until there is a user.
const FILE_NAME: &str = "setup-code";

/// The set-up, if nobody can sign in yet, and what to tell the operator of it.
pub(super) fn offer(access: &Access, data: &Path, url: &str) -> Result<Option<(SetUp, String)>> {
    let path = data.join(FILE_NAME);
    // One of an earlier start opens nothing any more.
    let forget = move |path: &Path| drop(std::fs::remove_file(path));
    forget(&path);
    if access.has_users() {
        return Ok(None);
    }
    let code = id("", &Seeded::new(&seed()?));
    write_private(&path, &code).with_context(|| format!("cannot write {}", path.display()))?;
    let told = format!(
        "\n\nNobody can sign in yet. Open {url} and set it up with this code, which works once:\n\n  {code}\n\n\
         It stands in {} too.",
        path.display()
    );
    Ok(Some((SetUp::new(&code, move || forget(&path)), told)))
}
