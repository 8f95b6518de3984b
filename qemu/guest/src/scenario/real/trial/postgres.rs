// SPDX-License-Identifier: GPL-2.0
//! PostgreSQL with pgbench, in the cluster that Debian's package makes.

use super::Run;
use super::Server;
use super::Trial;
use crate::kernel::until::until;
use crate::scenario::real::place;
use crate::scenario::real::place::within;
use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use std::fs::write;

const PORT: u16 = 5432;
const DATA: &str = "/var/lib/postgresql/17/main";
const CONFIG: &str = "/tmp/postgresql.conf";
const HBA: &str = "/tmp/pg_hba.conf";

/// The accounts have to agree with what was done to them.
const SUMS: &str = "SELECT count(*), (SELECT sum(abalance) FROM pgbench_accounts) = sum(delta), \
    (SELECT sum(bbalance) FROM pgbench_branches) = sum(delta) FROM pgbench_history";

/// The trial.
pub const POSTGRESQL: Trial = Trial {
    name: "PostgreSQL",
    package: "postgresql-17",
    steady: true,
    server,
    client,
};

fn server(run: &Run) -> Result<Vec<Server>> {
    place::output(&["chown", "-R", "postgres:", DATA])?;
    let config = format!(
        "data_directory = '{DATA}'\nhba_file = '{HBA}'\nlisten_addresses = '*'\n\
         unix_socket_directories = '/tmp'\nfsync = off\njit = off\n"
    );
    write(within(CONFIG), config).context(CONFIG)?;
    write(within(HBA), "host all all 0.0.0.0/0 trust\n").context(HBA)?;
    let config = format!("config_file={CONFIG}");
    let words = [
        "setpriv",
        "--reuid=postgres",
        "--regid=postgres",
        "--clear-groups",
        "postgres",
        "-D",
        DATA,
        "-c",
        &config,
    ];
    let server = run.serve(&words, PORT)?;
    // It listens some time before it serves; the socket that is asked here is not one of TCP.
    until("PostgreSQL", || {
        Ok(place::output(&["pg_isready", "-q", "-h", "/tmp"]).is_ok())
    })?;
    Ok(vec![server])
}

fn client(run: &Run) -> Result<String> {
    let host = run.host();
    let to = ["-h", &host, "-U", "postgres"];
    let bench = |how: &[&str]| run.ask(&[&["pgbench"], to.as_slice(), how, &["postgres"]].concat());
    bench(&["-i", "-q"])?;
    let said = bench(&["-c", "4", "-j", "2", "-t", "25"])?;
    ensure!(said.contains("actually processed: 100/100"), "{said}");
    // A connection for each transaction.
    let said = bench(&["-n", "-C", "-S", "-c", "2", "-t", "10"])?;
    ensure!(said.contains("actually processed: 20/20"), "{said}");
    let ask = ["-A", "-t", "-c", SUMS, "postgres"];
    let sums = run.ask(&[&["psql"], to.as_slice(), &ask].concat())?;
    ensure!(
        sums.trim() == "100|t|t",
        "the accounts do not agree: {sums}"
    );
    Ok("120 transactions, and the accounts agree".into())
}
