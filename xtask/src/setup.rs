//! Installs what the end-to-end tests need, and only what is missing: Debian packages for a headless browser and
//! Python environments, the pinned Python packages in `target/e2e-venv`, the locked Node packages in `e2e/` and `web/`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Brings the machine and the working tree to the state that `make test` expects.
pub(crate) fn run(root: &Path) -> Result<()> {
    for (program, source) in [
        ("node", "Node.js 20 or newer"),
        ("npm", "npm"),
        ("python3", "Python 3.10 or newer"),
    ] {
        if !succeeds(program, &["--version"]) {
            bail!("`{program}` is missing: install {source} and run the command again");
        }
    }
    install_debian_packages()?;
    install_python_packages(root)?;
    install_node_packages(&root.join("e2e"))?;
    install_console_packages(root)
}

/// The locked packages that the console is built and tested with.
pub(crate) fn install_console_packages(root: &Path) -> Result<()> {
    install_node_packages(&root.join("web"))
}

/// A Debian package, with the command that tells whether it is already there.
struct Package {
    name: &'static str,
    probe: &'static [&'static str],
}

const PACKAGES: [Package; 2] = [
    Package {
        name: "chromium",
        probe: &["chromium", "--version"],
    },
    Package {
        name: "python3-venv",
        probe: &["python3", "-c", "import ensurepip, venv"],
    },
];

fn install_debian_packages() -> Result<()> {
    let is_there = |package: &&Package| succeeds(package.probe[0], &package.probe[1..]);
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|package| !is_there(package))
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !succeeds("apt-get", &["--version"]) {
        bail!(
            "install {} with this system's package manager and run the command again",
            missing.join(" and ")
        );
    }
    apt_get(&["update", "-qq"])?;
    let options = ["install", "-y", "-qq", "--no-install-recommends"];
    apt_get(&[&options[..], missing.as_slice()].concat())
}

/// As root directly, else through sudo without a prompt: nobody answers one in CI.
fn apt_get(args: &[&str]) -> Result<()> {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let mut command = if is_root {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "apt-get"]);
        sudo
    };
    execute(command.env("DEBIAN_FRONTEND", "noninteractive").args(args))
}

fn install_python_packages(root: &Path) -> Result<()> {
    let requirements = root.join("e2e/requirements.txt");
    let venv = crate::tree::target_folder(root).join("e2e-venv");
    refresh(
        &requirements,
        &venv.join("installed-requirements.txt"),
        || {
            execute(
                Command::new("python3")
                    .args(["-m", "venv", "--clear"])
                    .arg(&venv),
            )?;
            let mut pip = Command::new(venv.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--requirement"])
                .arg(&requirements);
            execute(&mut pip)
        },
    )
}

fn install_node_packages(folder: &Path) -> Result<()> {
    refresh(
        &folder.join("package-lock.json"),
        &folder.join("node_modules/.installed-lock.json"),
        || {
            execute(
                Command::new("npm")
                    .args(["ci", "--no-audit", "--no-fund"])
                    .current_dir(folder),
            )
        },
    )
}

/// Runs `install` unless `stamp` is a copy of `source`, and leaves that copy behind.
fn refresh(source: &Path, stamp: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted =
        std::fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    if std::fs::read(stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    std::fs::write(stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn execute(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_runs_again_only_when_its_list_changed() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (source, stamp) = (folder.path().join("list"), folder.path().join("stamp"));
        let mut run_count = 0;
        for list in ["a==1", "a==1", "a==2"] {
            std::fs::write(&source, list)?;
            refresh(&source, &stamp, || {
                run_count += 1;
                Ok(())
            })?;
        }
        assert_eq!(run_count, 2);
        Ok(())
    }

    #[test]
    fn a_failed_installation_is_tried_again() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (source, stamp) = (folder.path().join("list"), folder.path().join("stamp"));
        std::fs::write(&source, "a==1")?;
        assert!(refresh(&source, &stamp, || bail!("no network")).is_err());
        assert!(!stamp.exists());
        Ok(())
    }

    #[test]
    fn a_program_that_does_not_exist_does_not_succeed() {
        assert!(!succeeds("no-such-program-here", &[]));
    }
}
