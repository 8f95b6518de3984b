// SPDX-License-Identifier: GPL-2.0
//! The rule of `src/net/`, tested where it holds: programs that break it must not compile,
//! each for the reason that it names, and must compile once that one thing is put right.
//!
//! A case is a crate that uses the module's files as one would use a library. Its first
//! comment begins with the code of the error that it gives with `--cfg wrong`; without, it
//! gives none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde::Deserialize;
use setup::Root;

use crate::ground::Bench;
use crate::tally::Failure;
use crate::tally::Tally;

/// Where the cases are.
const CASES: &str = "kunit/compile_fail";
/// How kbuild compiled the module's files for KUnit, below the directory of the build. In
/// `smcify.ko` itself nothing is public.
const RECORD: &str = "kunit/.smcify_kunit.o.cmd";
/// The bindings that they include, below the same.
const BINDINGS: &str = "src/bindings/generated.rs";
/// What the cases call it.
const LIBRARY: &str = "smcify";
/// What is compiled only in a case that must fail.
const WRONG: &str = "wrong";

/// A program that breaks the rule, or not.
#[derive(Debug)]
struct Case {
    path: PathBuf,
    /// The code of the error.
    expected: String,
}

/// How kbuild calls the compiler.
#[derive(Debug, PartialEq)]
struct Compiler {
    env: Vec<(String, String)>,
    program: String,
    /// All but what is compiled and what comes of it.
    arguments: Vec<String>,
    source: String,
}

/// What rustc says with `--error-format=json`, a line each.
#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    code: Option<Code>,
    level: String,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// The errors of one compilation: their codes, and how rustc tells them.
#[derive(Debug, Default)]
struct Errors {
    codes: BTreeSet<String>,
    said: Vec<String>,
}

/// Compiles every case for every kernel in `benches`; what rustc leaves goes to `dir`.
pub fn test(root: &Root, benches: &[Bench], dir: &Path) -> Result<Tally> {
    let cases = cases(&setup::checkout().join(CASES))?;
    thread::scope(|scope| {
        let on = |bench| on(bench, root, &cases, dir);
        let running: Vec<_> = benches
            .iter()
            .map(|bench| scope.spawn(move || on(bench)))
            .collect();
        let mut tally = Tally::default();
        for one in running {
            let counted = one.join();
            tally.add(counted.unwrap_or_else(|_| bail!("a thread that ran rustc panicked"))?);
        }
        Ok(tally)
    })
}

/// The cases in `dir`, in the order of their names.
fn cases(dir: &Path) -> Result<Vec<Case>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut paths: Vec<_> = entries
        .map(|entry| entry.map(|it| it.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    if paths.is_empty() {
        bail!("no case in {}", dir.display());
    }
    let case = |path: PathBuf| {
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        let expected = expected(&text);
        let expected = expected.with_context(|| {
            format!(
                "{} names no error code in its first comment",
                path.display()
            )
        })?;
        Ok(Case { path, expected })
    };
    paths.into_iter().map(case).collect()
}

/// The code that the first comment of a case begins with.
fn expected(text: &str) -> Option<String> {
    let comment = text.lines().find_map(|line| line.strip_prefix("//! "))?;
    let code = comment.split_once(": ")?.0;
    let digits = code.strip_prefix('E')?;
    let sound = digits.len() == 4 && digits.bytes().all(|it| it.is_ascii_digit());
    sound.then(|| code.to_string())
}

/// Compiles every case for one kernel.
fn on(bench: &Bench, root: &Root, cases: &[Case], dir: &Path) -> Result<Tally> {
    let module = bench.modules.first().and_then(|it| it.parent());
    let build = module.context("the build made no module")?;
    let record = build.join(RECORD);
    let text = fs::read_to_string(&record)
        .with_context(|| format!("the build left no {}", record.display()))?;
    let compiler = Compiler::recorded(&text)
        .with_context(|| format!("no call of rustc in {}", record.display()))?;
    let out = dir.join(&bench.built.name);
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let compile = |name: &str, source: &Path, more: &[&str]| {
        let mut rustc = compiler.command(root, build);
        rustc
            .arg("--out-dir")
            .arg(&out)
            .args(["--crate-name", name]);
        errors(rustc.args(more).arg(source))
    };
    let mut tally = Tally::default();
    let library = compile(LIBRARY, Path::new(&compiler.source), &[])?;
    let place = bench.built.name.as_str();
    if !library.codes.is_empty() {
        let what = "the module does not compile as a library";
        tally.fail(Failure::new(place, what, library.said));
        return Ok(tally);
    }
    let library = out.display().to_string();
    let library = ["-L", &library, "--extern", LIBRARY];
    for case in cases {
        let name = case.path.file_stem().unwrap_or_default().to_string_lossy();
        let with = |more: &[&str]| compile(&name, &case.path, &[&library, more].concat());
        judge(&mut tally, place, &name, None, with(&[])?);
        let wrong = with(&["--cfg", WRONG])?;
        judge(&mut tally, place, &name, Some(&case.expected), wrong);
    }
    Ok(tally)
}

/// Counts a compilation that must give the error `expected` and no other, or none at all.
fn judge(tally: &mut Tally, place: &str, name: &str, expected: Option<&str>, found: Errors) {
    if found.codes.iter().map(String::as_str).eq(expected) {
        tally.passed += 1;
        return;
    }
    let what = match expected {
        Some(code) if found.codes.is_empty() => format!("{name} compiles, without {code}"),
        Some(code) => format!("{name} does not fail with {code} alone"),
        None => format!("{name}, put right, does not compile"),
    };
    let said = found.said.iter().flat_map(|it| it.lines());
    let said = said.map(str::to_string).collect();
    tally.fail(Failure::new(place, &what, said));
}

impl Compiler {
    /// The first command of kbuild's record `text`, if that is one of rustc on a file.
    fn recorded(text: &str) -> Option<Compiler> {
        let line = text.lines().find(|line| line.starts_with("savedcmd_"))?;
        let mut words = shlex::split(line.split_once(" := ")?.1)?.into_iter();
        let mut env = Vec::new();
        let program = loop {
            let word = words.next()?;
            match word.split_once('=') {
                Some((name, value)) => env.push((name.to_string(), value.to_string())),
                None => break word,
            }
        };
        let mut arguments = Vec::new();
        let mut source = None;
        // On some kernels objtool follows.
        let mut words = words.take_while(|word| word != ";");
        while let Some(word) = words.next() {
            match word.as_str() {
                "--out-dir" | "--crate-name" => drop(words.next()?),
                _ if word.starts_with("--emit=") => {}
                _ if word.ends_with(".rs") => source = Some(word),
                _ => arguments.push(word),
            }
        }
        Some(Compiler {
            env,
            program,
            arguments,
            source: source?,
        })
    }

    /// The compiler as kbuild calls it in the directory `build`, to check and not to
    /// generate code.
    fn command(&self, root: &Root, build: &Path) -> Command {
        let mut rustc = root.command(&self.program);
        rustc.current_dir(build).args(&self.arguments);
        rustc.args(["--emit=metadata", "--error-format=json"]);
        rustc.envs(self.env.iter().map(|(name, value)| (name, value)));
        // As the kernel's Makefile and ours say: unstable features, and the bindings.
        rustc.env("RUSTC_BOOTSTRAP", "1");
        rustc.env("SMCIFY_BINDINGS", build.join(BINDINGS));
        rustc
    }
}

/// Runs `rustc` and collects its errors.
fn errors(rustc: &mut Command) -> Result<Errors> {
    let output = rustc.output().context("cannot run rustc")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let errors = Errors::told(&said)?;
    if output.status.success() != errors.codes.is_empty() {
        bail!("rustc ended with {} and said: {said}", output.status);
    }
    Ok(errors)
}

impl Errors {
    /// The errors in rustc's JSON. One without a code counts by its message.
    fn told(said: &str) -> Result<Errors> {
        let mut errors = Errors::default();
        for line in said.lines() {
            let told: Diagnostic = serde_json::from_str(line)
                .with_context(|| format!("rustc says, where JSON must be: {line}"))?;
            // The last one only counts the others.
            let total = told.code.is_none() && told.message.starts_with("aborting due to");
            if told.level == "error" && !total {
                let code = told.code.map(|it| it.code);
                errors.codes.insert(code.unwrap_or(told.message));
                errors.said.extend(told.rendered);
            }
        }
        Ok(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_begins_with_its_code() {
        let code = |text| expected(text);
        assert_eq!(code("// x\n\n//! E0597: why.\n"), Some("E0597".into()));
        assert_eq!(code("//! Why.\n//! E0597: why.\n"), None);
        assert_eq!(code("//! E597: why.\n"), None);
        assert_eq!(code("fn f() {}\n"), None);
    }

    #[test]
    fn the_record_is_a_call_and_perhaps_another() {
        let text = "savedcmd_src/smcify.o := A=/b C=./d rustc --edition=2021 -Zcrate-attr='feature(x,y)' \
            @/k/rustc_cfg -L /k/rust/ --crate-name smcify --crate-type rlib --out-dir src/ \
            --emit=dep-info=src/.smcify.o.d --emit=obj=src/smcify.o /c/src/smcify.rs  ; /k/objtool src/smcify.o\n\n\
            source_src/smcify.o := /c/src/smcify.rs\n";
        let words = |all: &[&str]| all.iter().map(|it| it.to_string()).collect();
        let expected = Compiler {
            env: vec![("A".into(), "/b".into()), ("C".into(), "./d".into())],
            program: "rustc".into(),
            arguments: words(&[
                "--edition=2021",
                "-Zcrate-attr=feature(x,y)",
                "@/k/rustc_cfg",
                "-L",
                "/k/rust/",
                "--crate-type",
                "rlib",
            ]),
            source: "/c/src/smcify.rs".into(),
        };
        assert_eq!(Compiler::recorded(text), Some(expected));
        assert_eq!(Compiler::recorded("savedcmd_x := rustc --help\n"), None);
    }

    const SAID: &str = "\
        {\"message\":\"unused\",\"code\":{\"code\":\"dead_code\"},\"level\":\"warning\",\"rendered\":\"w\"}\n\
        {\"message\":\"it moved\",\"code\":{\"code\":\"E0382\"},\"level\":\"error\",\"rendered\":\"a\\nb\"}\n\
        {\"message\":\"aborting due to 1 previous error\",\"code\":null,\"level\":\"error\",\"rendered\":\"x\"}\n\
        {\"message\":\"For more\",\"code\":null,\"level\":\"failure-note\",\"rendered\":\"y\"}\n";

    fn told(said: &str) -> Errors {
        Errors::told(said).expect("JSON")
    }

    #[test]
    fn errors_are_told_apart_from_warnings_and_totals() {
        let errors = told(SAID);
        assert_eq!(errors.codes, BTreeSet::from(["E0382".to_string()]));
        assert_eq!(errors.said, ["a\nb"]);
        let bare = told("{\"message\":\"expected `;`\",\"code\":null,\"level\":\"error\"}\n");
        assert_eq!(bare.codes.len(), 1);
        assert!(Errors::told("thread 'rustc' panicked\n").is_err());
    }

    #[test]
    fn only_the_expected_error_will_do() {
        let verdict = |expected, said| {
            let mut tally = Tally::default();
            judge(&mut tally, "fixed", "case", expected, told(said));
            (tally.passed, tally.failures)
        };
        assert_eq!(verdict(Some("E0382"), SAID).0, 1);
        assert_eq!(verdict(None, "").0, 1);
        for (expected, said) in [(Some("E0505"), SAID), (Some("E0382"), ""), (None, SAID)] {
            let (passed, failures) = verdict(expected, said);
            assert_eq!((passed, failures.len()), (0, 1));
        }
        let both = SAID
            .replace("dead_code", "E0505")
            .replace("warning", "error");
        assert_eq!(verdict(Some("E0382"), &both).0, 0);
        assert_eq!(verdict(Some("E0505"), SAID).1[0].excerpt, ["a", "b"]);
    }
}
