// SPDX-License-Identifier: GPL-2.0
//! `lab demo`: what smcify does to unmodified programs, measured now, as a table.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use comfy_table::Cell;
use comfy_table::CellAlignment;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use guest::Shown;

use crate::boot::Boot;
use crate::boot::DIED;
use crate::content::Content;
use crate::ground::Ground;
use crate::ground::new_run;
use crate::log::Event;
use crate::machine::RESULTS;
use setup::Kernel;

const STEP: &str = "demonstration";

/// The demonstration takes seconds; this is for machines that do not.
const TIMEOUT: Duration = Duration::from_secs(300);

/// `lab demo`; returns the status to end with.
pub fn demo() -> Result<u8> {
    let kernel = Kernel::FIXED;
    let ground = Ground::prepare(std::slice::from_ref(&kernel), &[STEP])?;
    let bench = ground.bench(&kernel)?;
    let step = ground.progress.step(STEP);
    step.note("booting");
    let boot = Boot {
        ground: &ground,
        bench: &bench,
        content: Content {
            ueid: true,
            nodes: 1,
            command: vec!["guest".into(), "demo".into()],
            ..Content::default()
        },
        memory: 2048,
        cpus: 2,
        drive: None,
        counts: false,
        multi_shot: false,
        timeout: Some(TIMEOUT),
        interactive: false,
        dir: new_run("demo")?,
    };
    let up = |event: &Event| {
        if *event == Event::Up {
            step.note("the same programs, without and with smcify");
        }
    };
    let ended = boot.run(|_| Box::new(|_| ()), |_, event| up(event))?;
    step.done();
    let ended = ended.first().context("no guest was started")?;
    let results = ended.dir.join(RESULTS);
    let said = fs::read_to_string(&results)
        .with_context(|| format!("cannot read {}", results.display()))?;
    let shown = shown(&said)?;
    println!(
        "\nLinux {}, {} reports of the kernel\n",
        bench.built.release,
        ended.splats.len()
    );
    println!("{}", table(&shown, ended.splats.len()));
    if let Some(trouble) = ended.trouble() {
        eprintln!("lab: {trouble}");
    }
    let status = ended.status();
    if status != 0 {
        for line in said.lines().filter(|line| !line.starts_with(MARK)) {
            eprintln!("guest: {line}");
        }
    }
    Ok(if status == 0 && shown.is_empty() {
        DIED
    } else {
        status
    })
}

/// What `guest demo` puts before each of its results.
const MARK: &str = "demo: ";

fn shown(said: &str) -> Result<Vec<Shown>> {
    let lines = said.lines().filter_map(|line| line.strip_prefix(MARK));
    let read =
        lines.map(|line| serde_json::from_str(line).context("the guest's results are cut off"));
    read.collect()
}

/// A row for each program; of both runs, what differs.
fn table(shown: &[Shown], splats: usize) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "program",
        "asked for",
        "got before",
        "got after",
        "bytes",
        "splats",
    ]);
    for before in shown.iter().filter(|one| !one.loaded) {
        let after = shown
            .iter()
            .find(|one| one.loaded && one.program == before.program);
        let got = after.map_or("nothing", |after| after.got.as_str());
        // Each way, in each run.
        let bytes = 2 * (before.bytes + after.map_or(0, |after| after.bytes));
        table.add_row([
            Cell::new(&before.program),
            Cell::new(&before.asked),
            Cell::new(&before.got),
            Cell::new(got),
            Cell::new(bytes).set_alignment(CellAlignment::Right),
            Cell::new(splats).set_alignment(CellAlignment::Right),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_and_after_share_a_row_of_a_narrow_table() {
        let line = |loaded, got| {
            format!(
                "demo: {{\"loaded\":{loaded},\"program\":\"transfer, blocking\",\"asked\":\"TCP\",\"got\":\"{got}\",\"bytes\":16777216}}\n"
            )
        };
        let said = format!("noise\n{}{}", line(false, "TCP"), line(true, "SMC-D"));
        let text = table(&shown(&said).expect("two results"), 0).to_string();
        assert!(
            text.contains("67108864") && text.contains("SMC-D"),
            "{text}"
        );
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{text}");
    }

    #[test]
    fn a_result_that_is_cut_off_is_an_error() {
        assert!(shown("demo: {\"loaded\":tr").is_err());
    }
}
