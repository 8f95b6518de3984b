// SPDX-License-Identifier: GPL-2.0
//! `lab matrix`: the module on the kernels that people have, and the README's table of that.

use std::fs;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use regex::Regex;
use setup::Kernel;
use setup::Recipe;

use crate::args::Matrix;
use crate::facts;
use crate::ground::Bench;
use crate::ground::Ground;
use crate::scenarios;
use crate::scenarios::groups;
use crate::scenarios::listed;
use crate::tally::Failure;
use crate::tally::Tally;

/// Below the checkout.
const PAGE: &str = "README.md";
/// What stands before and after the table there.
const BEGIN: &str = "<!-- by lab matrix -->\n";
const END: &str = "<!-- end -->\n";
const HEAD: &str = "\
| `--kernel` | Linux | built by | what it is | date | result |
|---|---|---|---|---|---|
";

/// One row's way.
struct Row {
    name: &'static str,
    line: String,
    tally: Tally,
}

/// `lab matrix`; returns the status to end with.
pub fn matrix(args: &Matrix) -> Result<u8> {
    let rows = asked(&args.names)?;
    let kernels: Vec<Kernel> = rows.iter().map(|recipe| Kernel::Lab(recipe)).collect();
    let steps: Vec<String> = rows.iter().map(|recipe| step(recipe)).collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let ground = Ground::prepare(&kernels, &steps)?;
    let date = facts::day(&ground.root)?;
    let mut tally = Tally::default();
    for recipe in rows {
        let row = row(&ground, recipe, &date)?;
        println!("{}", row.line);
        put(&row)?;
        tally.add(row.tally);
    }
    println!("{}", tally.report());
    Ok(if tally.good() { 0 } else { 1 })
}

fn asked(names: &[String]) -> Result<Vec<&'static Recipe>> {
    let known = || Kernel::matrix().map(|recipe| recipe.name);
    if let Some(name) = names.iter().find(|name| !known().any(|it| it == **name)) {
        let known: Vec<_> = known().collect();
        bail!("there is no row {name}; there are {}", known.join(", "));
    }
    let all = Kernel::matrix();
    Ok(all
        .filter(|recipe| names.is_empty() || names.iter().any(|it| it == recipe.name))
        .collect())
}

fn step(recipe: &Recipe) -> String {
    format!("scenarios {}", recipe.name)
}

/// Builds and runs one row; what does not build is a row as well.
fn row(ground: &Ground, recipe: &'static Recipe, date: &str) -> Result<Row> {
    let mut tally = Tally::default();
    let (built_by, result) = match ground.bench(&Kernel::Lab(recipe)) {
        Err(error) => {
            let why = format!("{error:#}");
            tally.fail(Failure::new(recipe.name, "does not build", vec![why]));
            (String::new(), "does not build".to_string())
        }
        Ok(bench) => {
            let result = match recipe.not_booted {
                Some(why) => {
                    tally.passed += 1;
                    tally.skip(recipe.name, "boot", why.into());
                    format!("builds; not booted: {why}")
                }
                None => {
                    tally.add(run(ground, recipe, &bench)?);
                    match tally.failures.len() {
                        0 => format!("{} passed", tally.passed),
                        failed => format!("{} passed, **{failed} failed**", tally.passed),
                    }
                }
            };
            (short(&bench.built.compiler_text)?, result)
        }
    };
    let line = format!(
        "| `{}` | {} | {built_by} | {} | {date} | {result} |",
        recipe.name,
        recipe.version(),
        recipe.what
    );
    Ok(Row {
        name: recipe.name,
        line,
        tally,
    })
}

fn run(ground: &Ground, recipe: &'static Recipe, bench: &Bench) -> Result<Tally> {
    let kernel = Kernel::Lab(recipe);
    let mut listed = listed(ground)?;
    listed.retain(|scenario| scenario.core);
    // However they share guests in the check: a row is to be short.
    for scenario in &mut listed {
        scenario.kernels = vec![scenarios::group_of(&kernel).to_string()];
    }
    let groups = groups(&listed, std::slice::from_ref(&kernel), &[])?;
    let step = ground.progress.step(&step(recipe));
    let mut tally = Tally::default();
    for went in scenarios::run(ground, &[(&kernel, bench)], groups, &step)? {
        tally.add(went.tally);
    }
    step.done();
    Ok(tally)
}

/// `gcc 14.2.0` of what a compiler calls itself.
fn short(text: &str) -> Result<String> {
    let pattern = Regex::new(r"(gcc|clang).*?(\d+\.\d+\.\d+)")?;
    let found = pattern.captures(text);
    Ok(found.map_or(text.to_string(), |it| format!("{} {}", &it[1], &it[2])))
}

/// Puts the row into the table, in the place of the one of its name.
fn put(row: &Row) -> Result<()> {
    let path = setup::checkout().join(PAGE);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let text = replaced(&text, row.name, &row.line)?;
    fs::write(&path, text).with_context(|| format!("cannot write {PAGE}"))
}

fn replaced(text: &str, name: &str, line: &str) -> Result<String> {
    let parts = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let (before, (table, after)) = parts.with_context(|| format!("{PAGE} has lost its table"))?;
    let line_of = |name: &str| {
        let start = format!("| `{name}` |");
        table.lines().find(|line| line.starts_with(&start))
    };
    let names = Kernel::matrix().map(|recipe| recipe.name);
    let lines = names.filter_map(|it| match it == name {
        true => Some(line),
        false => line_of(it),
    });
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    Ok(format!("{before}{BEGIN}{HEAD}{lines}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_the_place_of_the_one_before_it() {
        let text = format!("a\n{BEGIN}{HEAD}| `distro` | old |\n| `6.18` | kept |\n{END}b\n");
        let new = replaced(&text, "distro", "| `distro` | new |").expect("there is a table");
        let table = "| `distro` | new |\n| `6.18` | kept |\n";
        assert_eq!(new, format!("a\n{BEGIN}{HEAD}{table}{END}b\n"));
        let new = replaced(&new, "rt", "| `rt` | first |").expect("there is a table");
        assert!(new.contains("new |\n| `rt` | first |\n| `6.18`"), "{new}");
        assert!(replaced("no table", "rt", "").is_err());
    }

    #[test]
    fn compilers_are_called_by_name_and_number() {
        let said = |text| short(text).expect("a pattern");
        assert_eq!(said("gcc-14 (Debian 14.2.0-19) 14.2.0"), "gcc 14.2.0");
        assert_eq!(said("Debian clang version 19.1.7 (3+b1)"), "clang 19.1.7");
    }

    #[test]
    fn rows_are_asked_for_by_name() {
        assert_eq!(
            asked(&[]).map_or(0, |rows| rows.len()),
            Kernel::matrix().count()
        );
        let one = asked(&["rt".into()]).expect("known");
        assert_eq!(one.len(), 1);
        assert!(asked(&["plain".into()]).is_err());
    }
}
