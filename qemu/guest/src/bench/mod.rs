// SPDX-License-Identifier: GPL-2.0
//! `guest bench`: what smcify costs, beside what else there is to choose from.
//!
//! A line for each number. What a kernel does not have is left out, with a line that says so.

mod column;
mod handshake;
mod life;
mod memory;
mod program;
mod rules;
mod sockets;

use anyhow::Result;
use anyhow::bail;
use guest::measure::MEASURED;
use guest::measure::Measured;
use std::process::ExitCode;

/// `guest bench PART…`.
pub fn run(parts: &[String]) -> Result<ExitCode> {
    for part in parts {
        match part.as_str() {
            "sockets" => sockets::sockets()?,
            "others" => sockets::others()?,
            "connections" => sockets::connections()?,
            "depth" => rules::depth()?,
            "handshake" => handshake::handshake()?,
            "life" => life::life()?,
            part => match part.strip_prefix("rules-") {
                Some(kind) => rules::rules(kind)?,
                None => bail!("no part {part}"),
            },
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Passes a number on to the lab.
fn tell(row: &str, column: &str, value: f64) -> Result<()> {
    let measured = Measured {
        row: row.into(),
        column: column.into(),
        value,
    };
    println!("{MEASURED}{}", serde_json::to_string(&measured)?);
    Ok(())
}

/// The mean of the middle half: what happens now and then, such as the tick of the clock, does
/// not move it.
fn typical(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let quarter = values.len() / 4;
    let middle = values
        .get(quarter..values.len() - quarter)
        .unwrap_or_default();
    middle.iter().sum::<f64>() / middle.len().max(1) as f64
}
