// SPDX-License-Identifier: GPL-2.0
//! nginx with a static file, in clear text and over TLS; wrk and curl ask for it.

use super::Run;
use super::Server;
use super::Trial;
use crate::scenario::real::place::within;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::fs::create_dir_all;
use std::fs::write;

/// Where it serves in clear text.
pub const PORT: u16 = 8081;
const TLS_PORT: u16 = 8443;
const DIR: &str = "/tmp/nginx";
/// A certificate and its key: the image has them.
const TLS: &str = "/opt/smcify/tls";

/// Many requests over few connections.
pub const NGINX: Trial = Trial {
    name: "nginx",
    package: "nginx",
    steady: true,
    server,
    client: wrk,
};

/// Few requests, whose content is compared.
pub const CURL: Trial = Trial {
    name: "curl",
    package: "curl",
    steady: true,
    server,
    client: curl,
};

/// What nginx serves: 512 KiB that does not repeat itself.
fn file() -> String {
    (0..65_536).map(|i| format!("{i:07}\n")).collect()
}

/// Starts it.
pub fn server(run: &Run) -> Result<Vec<Server>> {
    create_dir_all(within(DIR)).context(DIR)?;
    write(within(DIR).join("file"), file()).context("nginx's file")?;
    write(within(DIR).join("small"), "small\n").context("nginx's file")?;
    let config = format!(
        "worker_processes 2; user root; pid {DIR}/pid; error_log stderr;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; server {{ root {DIR}; keepalive_requests 1000000;\n\
         listen {PORT} backlog=64; listen {TLS_PORT} ssl backlog=64;\n\
         ssl_certificate {TLS}.pem; ssl_certificate_key {TLS}.key; }} }}\n"
    );
    write(within(DIR).join("nginx.conf"), config).context("nginx.conf")?;
    let config = format!("{DIR}/nginx.conf");
    let words = ["nginx", "-c", &config, "-g", "daemon off;"];
    Ok(vec![run.serve(&words, TLS_PORT)?])
}

/// Where the file is, by each of the two ways.
fn urls(run: &Run) -> [String; 2] {
    [
        format!("http://{}", run.at(PORT)),
        format!("https://{}", run.at(TLS_PORT)),
    ]
}

fn wrk(run: &Run) -> Result<String> {
    for url in urls(run) {
        let url = format!("{url}/small");
        let said = run.ask(&["wrk", "-t", "1", "-c", "8", "-d", "1s", &url])?;
        let trouble = ["Socket errors", "Non-2xx"]
            .iter()
            .any(|it| said.contains(it));
        ensure!(!trouble && said.contains(" requests in "), "{said}");
    }
    Ok("no error".into())
}

fn curl(run: &Run) -> Result<String> {
    for url in urls(run) {
        fetch(run, &url)?;
    }
    Ok("all bytes as they are there".into())
}

/// Has curl get the file, twice over one connection.
pub fn fetch(run: &Run, url: &str) -> Result<String> {
    let (file, url) = (file(), format!("{url}/file"));
    let said = run.ask(&["curl", "-sSfk", &url, &url])?;
    ensure!(
        said == file.repeat(2),
        "{url}: not the bytes that are there"
    );
    Ok("all bytes as they are there".into())
}
