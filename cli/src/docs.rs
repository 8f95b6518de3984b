// SPDX-License-Identifier: GPL-2.0
//! Completions and man pages, made of the command line itself.

use crate::args::Smcify;
use crate::failure::Failure;
use crate::failure::Kind;
use crate::failure::OrFail;
use crate::failure::Result;
use crate::output::write;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Smcify::command(), "smcify", &mut text);
    write(&String::from_utf8_lossy(&text))
}

/// Writes `smcify.1` and one page for each command.
pub fn man(dir: &Path) -> Result<()> {
    let tried = format!("write the man pages to {}", dir.display());
    let next = format!("mkdir -p {}", dir.display());
    if !dir.is_dir() {
        let found = "there is no such directory";
        return Err(Failure::new(Kind::NotFound, tried, found, next));
    }
    clap_mangen::generate_to(Smcify::command(), dir).or_fail(tried, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_man_page_has_the_exit_status() {
        let dir = tempfile::tempdir().expect("a directory");
        man(dir.path()).expect("written");
        let page = std::fs::read_to_string(dir.path().join("smcify.1")).expect("a page");
        assert!(page.contains("Exit status"), "{page}");
        let run = std::fs::read_to_string(dir.path().join("smcify-run.1")).expect("a page");
        assert!(run.contains("SIGINT"), "{run}");
        assert!(dir.path().join("smcify-rule-add.1").exists());
        assert!(!dir.path().join("smcify-enter.1").exists());
    }

    #[test]
    fn completions_know_the_commands() {
        let mut text = Vec::new();
        clap_complete::generate(Shell::Bash, &mut Smcify::command(), "smcify", &mut text);
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("--cgroup") && text.contains("audit"));
    }
}
