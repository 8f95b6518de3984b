// SPDX-License-Identifier: GPL-2.0
//! Scenarios: which there are, which share a guest, and running them.

use std::cmp::Reverse;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use guest::Expected;
use guest::Listed;
use setup::Step;

use crate::boot::Boot;
use crate::content::Content;
use crate::expect;
use crate::ground::Bench;
use crate::ground::Ground;
use crate::ground::new_run;
use crate::ktap;
use crate::log::Event;
use crate::machine::Ended;
use crate::machine::RESULTS;
use crate::splat::Splat;
use crate::tally::Failure;
use crate::tally::Tally;
use setup::Kernel;

/// Scenarios that share a boot.
pub struct Group {
    pub kernel: Kernel,
    pub nodes: u8,
    pub guest: String,
    pub waits: bool,
    pub timeout: Duration,
    pub programs: bool,
    pub names: Vec<String>,
    /// The reports that each of its scenarios provokes. Such scenarios share a boot only
    /// with others of the kind.
    pub expects: Vec<(String, Vec<Expected>)>,
}

impl Group {
    /// What its guests run.
    pub fn command(&self) -> Vec<String> {
        let command = ["guest", "check"].into_iter().map(str::to_string);
        command.chain(self.names.iter().cloned()).collect()
    }

    /// What to call its guests.
    pub fn place(&self) -> String {
        match self.nodes {
            1 => self.kernel.to_string(),
            nodes => format!("{}, {nodes} guests", self.kernel),
        }
    }
}

/// How the scenarios of one group went.
pub struct Went {
    pub group: Group,
    pub tally: Tally,
    /// The guests, by number.
    pub ended: Vec<Ended>,
    /// Of each scenario that came to its end: its own verdict, and how long it took.
    pub verdicts: Vec<(String, bool, Duration)>,
}

/// Runs the groups, as many at a time as there are processors: much of a guest's
/// life is waiting, or the work of one of its processors; with one guest more they would
/// wait for each other's. Those that wait more than they work run beside. They come back in the order
/// in which they ended.
pub fn run(
    ground: &Ground,
    benches: &[(&Kernel, &Bench)],
    mut groups: Vec<Group>,
    step: &Step,
) -> Result<Vec<Went>> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    // Those of many scenarios first: none of them is left to run on alone at the end.
    groups.sort_by_key(|group| Reverse(group.names.len()));
    let (beside, groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.waits);
    let workers = workers.min(groups.len());
    let queue = Mutex::new(groups.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let one = |group: Group| {
        let bench = benches.iter().find(|(kernel, _)| **kernel == group.kernel);
        let (_, bench) = bench.context("a kernel was not built")?;
        boot(ground, bench, group, step)
    };
    let done = Mutex::new(Vec::new());
    let run = |group: Group| {
        let went = one(group);
        done.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(went);
    };
    thread::scope(|scope| {
        for group in beside {
            scope.spawn(|| run(group));
        }
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(group) = next() {
                    run(group);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_iter().collect()
}

/// The scenarios that the guest knows.
pub fn listed(ground: &Ground) -> Result<Vec<Listed>> {
    let guest = ground.programs.join("guest");
    let output = Command::new(&guest).args(["list", "--json"]).output();
    let output = output.with_context(|| format!("cannot run {}", guest.display()))?;
    serde_json::from_slice(&output.stdout).context("`guest list --json` gave no list of scenarios")
}

/// What the list of scenarios calls a kernel; what it does not know counts as fixed.
pub fn group_of(kernel: &Kernel) -> &'static str {
    match kernel {
        it if *it == Kernel::VULNERABLE => "vulnerable",
        it if *it == Kernel::PLAIN => "plain",
        it if *it == Kernel::PLAIN_VULNERABLE => "plain-vulnerable",
        _ => "fixed",
    }
}

/// Which scenarios share which boot; those in `names`, or all.
pub fn groups(listed: &[Listed], kernels: &[Kernel], names: &[String]) -> Result<Vec<Group>> {
    if let Some(name) = names
        .iter()
        .find(|name| !listed.iter().any(|it| it.name == **name))
    {
        let known: Vec<_> = listed.iter().map(|it| it.name.as_str()).collect();
        bail!(
            "there is no scenario {name}; there are {}",
            known.join(", ")
        );
    }
    let mut groups: Vec<Group> = Vec::new();
    for kernel in kernels {
        for one in listed {
            let named = names.contains(&one.name);
            let fits = one.kernels.iter().any(|it| it == group_of(kernel));
            // What is not for the check runs where it is asked for: without a kernel at any,
            // for the plain one also where more is noticed.
            let of_plain = one.kernels == ["plain"] && group_of(kernel) == "fixed";
            let on_demand = named && (one.kernels.is_empty() || of_plain);
            if !on_demand && !(fits && (named || names.is_empty())) {
                continue;
            }
            let same = |group: &&mut Group| {
                group.kernel == *kernel
                    && group.nodes == one.nodes
                    && group.expects.is_empty() == one.expects.is_empty()
                    && group.programs == one.programs
                    && group.guest == one.guest
            };
            let timeout = Duration::from_secs(60 * one.minutes);
            let provoked =
                (!one.expects.is_empty()).then(|| (one.name.clone(), one.expects.clone()));
            match groups.iter_mut().find(same) {
                Some(group) => {
                    group.timeout = group.timeout.max(timeout);
                    group.names.push(one.name.clone());
                    group.expects.extend(provoked);
                }
                None => groups.push(Group {
                    kernel: kernel.clone(),
                    nodes: one.nodes,
                    guest: one.guest.clone(),
                    waits: one.waits,
                    timeout,
                    programs: one.programs,
                    names: vec![one.name.clone()],
                    expects: provoked.into_iter().collect(),
                }),
            }
        }
    }
    Ok(groups)
}

/// Boots for one group and counts its results.
fn boot(ground: &Ground, bench: &Bench, group: Group, step: &Step) -> Result<Went> {
    let place = group.place();
    let boot = Boot {
        ground,
        bench,
        content: Content {
            ueid: true,
            rxe: group.nodes > 1,
            // What is used after its end may leak on the way.
            leaks: group.expects.is_empty(),
            nodes: group.nodes,
            command: group.command(),
            ..Content::default()
        },
        memory: if group.programs { 3072 } else { 2048 },
        cpus: 2,
        drive: group.programs.then(|| ground.real_programs()).transpose()?,
        counts: false,
        multi_shot: !group.expects.is_empty(),
        timeout: Some(group.timeout),
        interactive: false,
        dir: new_run(&format!("check-{}", bench.built.name))?,
    };
    step.note(&format!("{place}: booting"));
    let verdicts = Mutex::new(Vec::new());
    let ended = boot.run(
        |_| Box::new(|_| ()),
        |node, event| {
            let mut verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            tell(ground, step, &place, &boot.node_dir(node), event);
            if let Event::End(name, ok, time) = event {
                verdicts.push((name.clone(), *ok, *time));
            }
        },
    )?;
    let mut tally = Tally::default();
    for (node, one) in ended.iter().enumerate() {
        let place = if ended.len() > 1 {
            format!("{place}, guest {node}")
        } else {
            place.clone()
        };
        tally.add(judge(ground, &bench.built.source, one, &place, &group)?);
    }
    Ok(Went {
        group,
        tally,
        ended,
        verdicts: verdicts
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
    })
}

/// Says how far a guest has come; of a scenario that failed, at once why.
fn tell(ground: &Ground, step: &Step, place: &str, dir: &Path, event: &Event) {
    match event {
        Event::Up => step.note(&format!("{place}: up")),
        Event::Begin(name) => step.note(&format!("{place}: {name}")),
        Event::End(name, ok, time) => {
            let verdict = if *ok { "ok" } else { "not ok" };
            ground.progress.say(&format!(
                "{verdict:6}  {:6.1} s  {place}: {name}",
                time.as_secs_f32()
            ));
            if !ok {
                let results = fs::read_to_string(dir.join(RESULTS)).unwrap_or_default();
                for line in ktap::failed(&results, name) {
                    ground.progress.say(&format!("        {line}"));
                }
            }
        }
        Event::Restart => step.note(&format!("{place}: booting anew")),
        Event::Exit(_) => step.note(&format!("{place}: looking for leaks, switching off")),
    }
}

/// Counts what one guest reported, and what its kernel did.
pub fn judge(
    ground: &Ground,
    source: &Path,
    ended: &Ended,
    place: &str,
    group: &Group,
) -> Result<Tally> {
    let parsed = ktap::parse(&ground.root, source, &ended.dir.join(RESULTS), place)?;
    let mut tally = parsed.tally;
    tally.add(reports(&ended.splats, group, place));
    let unheard = |name: &&String| !parsed.scenarios.contains(name);
    for name in group.names.iter().filter(unheard) {
        tally.fail(Failure::new(place, name, vec!["there is no result".into()]));
    }
    let quiet = tally.failures.is_empty();
    match ended.exit {
        None => {
            let why = if ended.timed_out {
                "the guest took too long"
            } else {
                "the guest died"
            };
            tally.fail(Failure::new(place, why, ended.tail.clone()));
        }
        Some(status) if status != 0 && quiet => {
            let what = format!("guest check ended with status {status}");
            tally.fail(Failure::new(place, &what, Vec::new()));
        }
        Some(_) => {}
    }
    Ok(tally)
}

/// Holds each scenario's reports against those that it provokes. In a guest of one
/// scenario all are its own, whenever they come.
fn reports(splats: &[Splat], group: &Group, place: &str) -> Tally {
    if let [(_, expects)] = &group.expects[..] {
        return expect::judge(splats, expects, place);
    }
    let (mut tally, mut rest) = (Tally::default(), splats.to_vec());
    for (name, expects) in &group.expects {
        let own = |splat: &Splat| splat.scenario.as_ref() == Some(name);
        let (its, others) = rest.into_iter().partition::<Vec<_>, _>(own);
        tally.add(expect::judge(&its, expects, place));
        rest = others;
    }
    tally.add(expect::judge(&rest, &[], place));
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(name: &str, kernels: &[&str], nodes: u8) -> Listed {
        Listed {
            name: name.into(),
            kernels: kernels.iter().map(|it| it.to_string()).collect(),
            nodes,
            guest: name.strip_prefix("apart-").unwrap_or_default().into(),
            ..Listed::default()
        }
    }

    #[test]
    fn scenarios_share_a_boot_where_they_can() {
        let listed = [
            scenario("a", &["fixed", "vulnerable"], 1),
            scenario("b", &["fixed"], 2),
            scenario("apart-x", &["fixed"], 1),
            scenario("c", &["fixed"], 1),
        ];
        let both = [Kernel::FIXED, Kernel::VULNERABLE];
        let all = groups(&listed, &both, &[]).expect("all are known");
        let names: Vec<_> = all
            .iter()
            .map(|group| (group.place(), group.names.join(" ")))
            .collect();
        let expected = [
            ("fixed", "a c"),
            ("fixed, 2 guests", "b"),
            ("fixed", "apart-x"),
            ("vulnerable", "a"),
        ];
        assert_eq!(
            names,
            expected.map(|(place, names)| (place.to_string(), names.to_string()))
        );
        assert!(groups(&listed, &both, &["d".into()]).is_err());
        // What provokes reports is kept from the others.
        let provokes = |name| Listed {
            expects: vec![Expected::default()],
            ..scenario(name, &["fixed"], 1)
        };
        let listed = [scenario("a", &["fixed"], 1), provokes("b"), provokes("c")];
        let apart = groups(&listed, &both, &[]).expect("all are known");
        let names: Vec<_> = apart.iter().map(|group| group.names.join(" ")).collect();
        assert_eq!(names, ["a", "b c"]);
        assert_eq!(apart[1].expects.len(), 2);
        // For no kernel by itself, and for any that it is asked for.
        let named = groups(&[scenario("c", &[], 1)], &both, &["c".into()]).expect("known");
        assert_eq!(named.len(), 2);
        assert!(groups(&[scenario("c", &[], 1)], &both, &[]).is_ok_and(|it| it.is_empty()));
        // For the plain kernel by itself, for the fixed one when it is named.
        let plain = [scenario("c", &["plain"], 1)];
        let places = |kernels: &[Kernel], names: &[String]| {
            let groups = groups(&plain, kernels, names).expect("known");
            groups.iter().map(Group::place).collect::<Vec<_>>()
        };
        assert_eq!(places(&[Kernel::PLAIN], &[]), ["plain"]);
        assert_eq!(places(&both, &[]), [""; 0]);
        assert_eq!(places(&both, &["c".into()]), ["fixed"]);
    }
}
