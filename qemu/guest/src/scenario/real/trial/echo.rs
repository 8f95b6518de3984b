// SPDX-License-Identifier: GPL-2.0
//! Pairs of ours that give back what comes, in the languages whose way with sockets is their
//! own: the client compares every byte and says how many there were.

use super::Run;
use super::Server;
use super::Trial;
use anyhow::Result;

const PORT: u16 = 8080;

/// Go's net/http as it comes: since 1.24 its listeners ask for MPTCP.
pub const GO: Trial = Trial {
    name: "Go net/http",
    package: "golang-go",
    steady: true,
    server: |run| serve(run, &["http", "server", &anywhere()]),
    client: |run| ask(run, &["http", "client", &run.at(PORT)]),
};

/// The same without MPTCP.
pub const GO_NO_MPTCP: Trial = Trial {
    name: "Go net/http, GODEBUG=multipathtcp=0",
    server: |run| {
        let go = ["env", "GODEBUG=multipathtcp=0", "http"];
        serve(run, &[go.as_slice(), &["server", &anywhere()]].concat())
    },
    ..GO
};

/// Java's NIO: channels that do not block, and a selector.
pub const JAVA: Trial = Trial {
    name: "Java NIO",
    package: "openjdk-21-jre-headless",
    steady: true,
    server: |run| {
        serve(
            run,
            &[&JVM, ["server", "0.0.0.0", "8080"].as_slice()].concat(),
        )
    },
    client: |run| {
        ask(
            run,
            &[&JVM, ["client", &run.host(), "8080"].as_slice()].concat(),
        )
    },
};

/// An emulated processor has no time for the second compiler.
const JVM: [&str; 7] = [
    "java",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xmx128m",
    "-cp",
    "/opt/smcify",
    "Echo",
];

/// Node's http.
pub const NODE: Trial = Trial {
    name: "Node.js http",
    package: "nodejs",
    steady: true,
    server: |run| serve(run, &["node", SCRIPT, "server", "0.0.0.0", "8080"]),
    client: |run| ask(run, &["node", SCRIPT, "client", &run.host(), "8080"]),
};

const SCRIPT: &str = "/opt/smcify/http.js";

/// Rust's tokio, static.
pub const TOKIO: Trial = Trial {
    name: "Rust tokio",
    package: "",
    steady: true,
    server: |run| serve(run, &["tokio-echo", "server", &anywhere()]),
    client: |run| ask(run, &["tokio-echo", "client", &run.at(PORT)]),
};

fn anywhere() -> String {
    format!("0.0.0.0:{PORT}")
}

fn serve(run: &Run, words: &[&str]) -> Result<Vec<Server>> {
    Ok(vec![run.serve(words, PORT)?])
}

/// Connections, rounds, bytes.
fn ask(run: &Run, words: &[&str]) -> Result<String> {
    let said = run.ask(&[words, &["4", "5", "20000"]].concat())?;
    Ok(said.trim().to_owned())
}
