// SPDX-License-Identifier: GPL-2.0
//! HAProxy before nginx: what curl gets is what nginx has.

use super::Run;
use super::Server;
use super::Trial;
use super::nginx;
use crate::scenario::real::place::within;
use anyhow::Context;
use anyhow::Result;
use std::fs::write;

const PORT: u16 = 8090;
const CONFIG: &str = "/tmp/haproxy.cfg";

/// The trial. The proxy's connections to nginx, within its machine, count as well.
pub const HAPROXY: Trial = Trial {
    name: "HAProxy",
    package: "haproxy",
    steady: true,
    server,
    client,
};

fn server(run: &Run) -> Result<Vec<Server>> {
    let mut servers = nginx::server(run)?;
    let config = format!(
        "defaults\n mode http\n timeout connect 30s\n timeout client 60s\n timeout server 60s\n\
         listen proxy\n bind 0.0.0.0:{PORT}\n server nginx 127.0.0.1:{}\n",
        nginx::PORT
    );
    write(within(CONFIG), config).context(CONFIG)?;
    servers.push(run.serve(&["haproxy", "-db", "-f", CONFIG], PORT)?);
    Ok(servers)
}

fn client(run: &Run) -> Result<String> {
    nginx::fetch(run, &format!("http://{}", run.at(PORT)))
}
