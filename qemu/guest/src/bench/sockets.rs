// SPDX-License-Identifier: GPL-2.0
//! A program's sockets in each column: from creation to close, and connected.

use super::column::Column;
use super::program;
use super::program::Expected;
use super::program::TCP;
use super::tell;
use crate::kernel::cgroup::Cgroup;
use anyhow::Context;
use anyhow::Result;
use guest::measure::Operation;
use guest::measure::Order;

/// `socket()` and `close()` of what asks for TCP.
pub fn sockets() -> Result<()> {
    each("socket", &Column::ALL, |column| {
        column.measure(Operation::Socket)
    })
}

/// Connections.
pub fn connections() -> Result<()> {
    let columns = [
        Column::Nothing,
        Column::Unmatched,
        Column::Selected,
        Column::Unfixed,
        Column::Explicit,
        Column::BpfSelected,
        Column::Preload,
        Column::Ulp,
    ];
    for (row, operation) in [
        ("connect", Operation::Connect),
        ("stream", Operation::Stream),
        ("ping", Operation::Ping),
    ] {
        each(row, &columns, |column| column.measure(operation))?;
    }
    Ok(())
}

/// `socket()` and `close()` of what never becomes SMC.
pub fn others() -> Result<()> {
    let columns = [
        Column::Nothing,
        Column::Idle,
        Column::Unmatched,
        Column::Selected,
        Column::BpfUnmatched,
    ];
    for (row, domain, kind, protocol) in [
        ("unix", libc::AF_UNIX, libc::SOCK_STREAM, 0),
        ("udp", libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDP),
        ("udp6", libc::AF_INET6, libc::SOCK_DGRAM, libc::IPPROTO_UDP),
        ("netlink", libc::AF_NETLINK, libc::SOCK_RAW, 0),
        (
            "mptcp",
            libc::AF_INET,
            libc::SOCK_STREAM,
            libc::IPPROTO_MPTCP,
        ),
    ] {
        let order = Order {
            domain,
            kind,
            protocol,
            ..TCP
        };
        let expected = Expected {
            preload: false,
            domain,
            protocol,
            carrier: "",
        };
        each(row, &columns, |_| program::measure(&order, &expected))?;
    }
    Ok(())
}

/// A row: what `measure` says in each of `columns`.
fn each(row: &str, columns: &[Column], measure: impl Fn(Column) -> Result<f64>) -> Result<()> {
    let (own, other) = (Cgroup::new("own")?, Cgroup::new("other")?);
    for column in columns {
        let name = column.name();
        let measured = column.with(&own, &other, || measure(*column));
        match measured.with_context(|| format!("{row}, {name}"))? {
            Ok(value) => tell(row, name, value)?,
            Err(why) => println!("{row}, {name}: not here: {why:#}"),
        }
    }
    Ok(())
}
