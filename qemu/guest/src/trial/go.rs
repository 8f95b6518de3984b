// SPDX-License-Identifier: GPL-2.0
//! A static Go program, client and server: our own few lines over net/http.

use super::Run;
use super::Server;
use super::Trial;
use anyhow::Result;

const PORT: u16 = 8080;

/// As it comes: since 1.24, Go's listeners ask for MPTCP.
pub const GO: Trial = Trial {
    name: "Go net/http",
    package: "golang-go",
    server: |run| server(run, &[]),
    client,
};

/// The same without MPTCP.
pub const GO_NO_MPTCP: Trial = Trial {
    name: "Go net/http, GODEBUG=multipathtcp=0",
    package: "golang-go",
    server: |run| server(run, &["env", "GODEBUG=multipathtcp=0"]),
    client,
};

fn server(run: &Run, before: &[&str]) -> Result<Vec<Server>> {
    let at = format!("0.0.0.0:{PORT}");
    let words = [before, &["http", "server", &at]].concat();
    Ok(vec![run.serve(&words, PORT)?])
}

fn client(run: &Run) -> Result<String> {
    let said = run.ask(&["http", "client", &run.at(PORT), "4", "10", "20000"])?;
    Ok(said.trim().to_owned())
}
