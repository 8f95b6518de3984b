// SPDX-License-Identifier: GPL-2.0
//! The page: what was found, in HTML that needs nothing but itself.

use std::time::Duration;

use guest::Listed;
use maud::Markup;
use maud::PreEscaped;
use maud::html;

use crate::ktap::Line;
use crate::ktap::Mark;
use crate::page;
use crate::splat::Splat;
use crate::splat::message;

use super::disassembly::Disassembly;
use super::disassembly::Instruction;
use super::disassembly::Role;
use super::lifetimes;
use super::report;
use super::text::Course;
use super::text::Explained;
use super::text::Text;

/// More lines than this are folded.
const SHORT: usize = 12;

/// All that the page shows.
pub struct Page {
    /// What it was made with: a name and a value each.
    pub facts: Vec<(&'static str, String)>,
    /// The kernel's configuration, by file.
    pub config: Vec<(&'static str, String)>,
    pub rows: Vec<Row>,
    /// Whether all of it is as expected.
    pub good: bool,
}

/// A bug, without and with smcify.
pub struct Row {
    pub name: String,
    pub text: Text,
    pub without: Option<Run>,
    pub with: Option<Run>,
    pub disassembly: Option<Disassembly>,
    /// What is not as expected, apart from what the runs themselves lack.
    pub faults: Vec<String>,
}

/// One scenario as it went.
pub struct Run {
    pub scenario: Listed,
    pub lines: Vec<Line>,
    /// How long it took, if it came to its end.
    pub time: Option<Duration>,
    pub splats: Vec<Splat>,
    /// What is not as expected.
    pub faults: Vec<String>,
}

impl Row {
    fn good(&self) -> bool {
        let fine = |run: &Option<Run>| run.as_ref().is_some_and(|run| run.faults.is_empty());
        self.faults.is_empty() && fine(&self.without) && fine(&self.with)
    }
}

impl Run {
    /// What came of it, in few words, and how to colour them.
    fn verdict(&self) -> (&'static str, String) {
        let reports = count(self.splats.len(), "report");
        match (self.faults.is_empty(), self.splats.is_empty()) {
            (false, _) => ("bad", "not as expected".to_string()),
            (true, true) => ("quiet", "no report".to_string()),
            (true, false) => ("caught", reports),
        }
    }
}

impl Page {
    pub fn html(&self) -> String {
        let good = self.rows.iter().filter(|row| row.good()).count();
        let fact = |name| self.facts.iter().find(|(it, _)| *it == name);
        let value = |name| fact(name).map_or("", |(_, value)| value.as_str());
        let body = html! {
            header {
                h1 { "smcify: before and after" }
                p.lead {
                    "The networking code of " (value("Kernel")) " has mistakes that let one part of the kernel \
                    use memory that another part has already given back. Below, each is run in a virtual \
                    machine, twice, by the same program on the same kernel: once as the kernel is, and once with "
                    code { "smcify.ko" } " loaded. Nothing here is simulated: the reports are the kernel's own. Two \
                    rows are different, and say so: a mistake that this build of the kernel happens not to have, and \
                    a reader made to show what it would do."
                }
                p.verdict.good[self.good].bad[!self.good] {
                    (good) " of " (self.rows.len()) " as expected"
                    @if good == self.rows.len() && !self.good {
                        ", but something else went wrong in a guest; "
                        code { "make proof" } " said what"
                    }
                }
                p.facts { (value("Date")) }
            }
            main {
                (self.summary())
                (words())
                @for (number, row) in self.rows.iter().enumerate() {
                    (row.section(number + 1))
                }
                (self.made_with())
            }
        };
        page::page("smcify: before and after", include_str!("page.css"), &body)
    }

    fn summary(&self) -> Markup {
        html! {
            section {
                h2 { "In short" }
                table.summary {
                    thead { tr { th { "What is provoked" } th { "without" } th { "with smcify" } } }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                td { a href=(format!("#{}", row.name)) { (row.text.title) } }
                                td { (badge(&row.without)) }
                                td { (badge(&row.with)) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn made_with(&self) -> Markup {
        html! {
            section {
                h2 { "How this page was made" }
                p { "To repeat all of it, from nothing but the source, on a Debian-like machine:" }
                pre { code { "make proof" } }
                table.facts {
                    @for (name, value) in &self.facts {
                        tr { th scope="row" { (name) } td { (value) } }
                    }
                }
                p { "The kernel is configured by these fragments over " code { "allnoconfig" } ":" }
                @for (name, text) in &self.config {
                    details { summary { code { (name) } } pre { (text) } }
                }
            }
        }
    }
}

/// The words that a reader needs.
fn words() -> Markup {
    let swatch = |what: Markup| {
        html! { svg.swatch viewBox="0 0 44 18" aria-hidden="true" { (what) } }
    };
    html! {
        section {
            h2 { "Words you need" }
            dl.words {
                dt { "Object" }
                dd { "A piece of the kernel's memory with a purpose: an open file, a network card. It is "
                    em { "allocated" } " when it is needed and " em { "freed" } " afterwards; the same memory then serves \
                    something else." }
                dt { "Use after free" }
                dd { "Somebody kept the address of an object that was freed, and reads or writes there. What is there \
                    now belongs to someone else: data is damaged, the machine crashes, or an attacker gets in." }
                dt { "KASAN" }
                dd { "A checker built into these kernels. It watches each access to memory and prints a "
                    em { "report" } " when one goes to freed memory. It only sees what really happens." }
                dt { "TCP, SMC" }
                dd { "TCP is how programs talk over a network. SMC moves the same data through shared memory. A "
                    em { "socket" } " is a program's end of such a connection." }
                dt { "Reference, RCU" }
                dd { "The two ways to say “I am still using this object”: a counted reference keeps it for as long as one \
                    likes, an RCU section for a short time in which one must not wait. The bugs below lack both where they need one." }
                dt { "The drawings" }
                dd { "A bar is an object's life; the numbers are moments, explained below the drawing."
                    ul.legend {
                        li { (swatch(html! { rect.alive x="2" y="3" width="40" height="12" {} })) " alive" }
                        li { (swatch(html! { rect.held x="2" y="3" width="40" height="12" {} })) " kept alive by a reference" }
                        li { (swatch(html! { line.end x1="8" x2="8" y1="0" y2="18" {} line.gone x1="8" x2="42" y1="9" y2="9" {} })) " ended, but someone has its address" }
                        li { (swatch(html! { g.use transform="translate(22 9)" { circle r="8" {} path d="M-4-4L4 4M4-4L-4 4" {} } })) " used after its end; drawn only where the kernel reported it" }
                    }
                }
            }
        }
    }
}

impl Row {
    fn section(&self, number: usize) -> Markup {
        let seen = |run: &Option<Run>, function: &str| {
            let mut splats = run.iter().flat_map(|run| &run.splats);
            splats.any(|splat| splat.parts().function == function)
        };
        html! {
            section.row id=(self.name) {
                h2 { span.number { (number) } " " (self.text.title) }
                p.subject { (PreEscaped(&self.text.subject)) }
                (PreEscaped(&self.text.story))
                @for fault in &self.faults {
                    p.fault { (fault) }
                }
                div.runs {
                    (side("Without smcify", &self.text.without, &self.without, |it| seen(&self.without, it)))
                    (side("With smcify", &self.text.with, &self.with, |it| seen(&self.with, it)))
                }
                @if let Some(run) = &self.without {
                    (reports(run, self.text.report.as_ref()))
                }
                @if let (Some(text), Some(code)) = (&self.text.disassembly, &self.disassembly) {
                    (disassembly(text, code))
                }
                p.repeat {
                    "This row alone: "
                    code { "scripts/cargo lab check --kernel vulnerable " (self.name) "-without " (self.name) "-with" }
                }
            }
        }
    }
}

/// One of the two runs.
fn side(title: &str, course: &Course, run: &Option<Run>, seen: impl Fn(&str) -> bool) -> Markup {
    html! {
        article.run {
            h3 { (title) " " (badge(run)) }
            p { (PreEscaped(&course.says)) }
            (lifetimes::draw(course, seen))
            ol.moments {
                @for moment in &course.moments { li { (PreEscaped(moment)) } }
            }
            div {
                @if let Some(run) = run {
                    @for fault in &run.faults {
                        p.fault { (fault) }
                    }
                    (checks(run))
                }
            }
        }
    }
}

fn badge(run: &Option<Run>) -> Markup {
    let (class, text) = match run {
        Some(run) => run.verdict(),
        None => ("bad", "not run".to_string()),
    };
    html! { span class={ "badge " (class) } { (text) } }
}

/// What the program checked and said.
fn checks(run: &Run) -> Markup {
    let passed = run
        .lines
        .iter()
        .filter(|it| it.mark == Mark::Passed)
        .count();
    let tests = run.lines.iter().filter(|it| it.mark != Mark::Note).count();
    let time = run
        .time
        .map(|time| format!(", {:.1} s", time.as_secs_f32()));
    html! {
        details.checks open[run.lines.len() <= SHORT] {
            summary {
                "What the program checked: " (passed) " of " (tests) " hold" (time.unwrap_or_default())
            }
            p.small { code { (run.scenario.name) } ": " (run.scenario.shows) }
            ul {
                @for line in &run.lines {
                    li class=(class(line.mark)) style=(format!("--depth: {}", line.depth)) { (line.text) }
                }
            }
        }
    }
}

fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::Passed => "passed",
        Mark::Failed => "failed",
        Mark::Skipped => "skipped",
        Mark::Note => "note",
    }
}

/// The reports of a run: one line by line, and one of each kind in full.
fn reports(run: &Run, explained: Option<&Explained>) -> Markup {
    let found = explained.and_then(|it| Some((it, report::find(&run.splats, it)?)));
    let lines = found.and_then(|(it, splat)| Some((splat, report::lines(splat, it).ok()?)));
    let marked = |splat: &Splat, at: usize| {
        let own = lines.as_ref().filter(|(it, _)| std::ptr::eq(*it, splat));
        own.is_some_and(|(_, lines)| lines.iter().any(|line| line.at == at))
    };
    html! {
        @if let Some((_, lines)) = &lines {
            h3 { "The kernel's report, in five lines" }
            ol.five {
                @for line in lines {
                    li {
                        span.topic { (line.topic) }
                        code { (line.text) }
                        p { (PreEscaped(line.says)) }
                    }
                }
            }
        }
        @if !run.splats.is_empty() {
            h3 { "All that the kernel reported" }
            @for (kind, splat, times) in kinds(&run.splats) {
                details {
                    summary { code { (kind) } @if times > 1 { ", " (times) " times" } }
                    pre.report {
                        @for (at, line) in splat.excerpt.iter().enumerate() {
                            @if marked(splat, at) { mark { (message(line)) } } @else { (message(line)) }
                            "\n"
                        }
                    }
                }
            }
        }
    }
}

/// The kinds of reports in the order in which they came: the first of each, and how many.
fn kinds(splats: &[Splat]) -> Vec<(String, &Splat, usize)> {
    let mut kinds: Vec<(String, &Splat, usize)> = Vec::new();
    for splat in splats {
        let parts = splat.parts();
        let mut kind = format!("{} in {}", parts.kind, parts.function);
        if !parts.access.is_empty() {
            kind += &format!(", a {}", parts.access.to_lowercase());
        }
        match kinds.iter_mut().find(|(it, _, _)| *it == kind) {
            Some((_, _, times)) => *times += 1,
            None => kinds.push((kind, splat, 1)),
        }
    }
    kinds
}

fn disassembly(text: &str, code: &Disassembly) -> Markup {
    let note = |one: &Instruction| match (one.role, one.calls.as_deref()) {
        (Role::FirstLoad, _) => "first load of dst->dev: is there a device?".to_string(),
        (Role::SecondLoad, _) => "second load of dst->dev: this one is used".to_string(),
        (Role::Lock, _) => "the RCU section begins".to_string(),
        (Role::Other, Some(function)) if function.starts_with("__asan_") => {
            "KASAN's own: only if the address is not good".to_string()
        }
        (Role::Other, Some(function)) => format!("calls {function}"),
        (Role::Other, None) => String::new(),
    };
    let class = |role| match role {
        Role::Other => None,
        Role::Lock => Some("lock"),
        Role::FirstLoad | Role::SecondLoad => Some("load"),
    };
    html! {
        h3 { "What the compiler made of it" }
        (PreEscaped(text))
        div.wide {
            table.code {
                thead { tr { th { "address" } th { "instruction" } th { "what it does here" } } }
                tbody {
                    @for one in &code.instructions {
                        tr class=[class(one.role)] {
                            td { code { (one.address) } }
                            td { code { (one.text.replace('\t', " ")) } }
                            td { (note(one)) }
                        }
                    }
                }
            }
        }
        p.small { code { "dev" } " is " (code.offset) " bytes into " code { "struct dst_entry" } ", says pahole." }
    }
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;
    use crate::splat::Watcher;

    const KTAP: &str = "KTAP version 1\n1..1\n  # Subtest: ulp-opath-without\n  ok 1 fdinfo names an inode\n\
        \x20 # fdinfo 17, fstat 19\n  ok 2 fdinfo & fstat <disagree>\nok 1 ulp-opath-without\n";

    fn run(name: &str, log: &str) -> Run {
        let mut watcher = Watcher::default();
        log.lines().for_each(|line| watcher.line(line, None));
        Run {
            scenario: Listed {
                name: format!("ulp-opath-{name}"),
                shows: "what it shows".into(),
                kernels: vec!["vulnerable".into()],
                guest: "row".into(),
                ..Listed::default()
            },
            lines: crate::ktap::lines(KTAP, "ulp-opath-without"),
            time: Some(Duration::from_millis(3210)),
            splats: watcher.finish(),
            faults: Vec::new(),
        }
    }

    fn page() -> Page {
        let log = include_str!("../splat/reports/multi_shot.log");
        let row = Row {
            name: "ulp-opath".into(),
            text: text::text("ulp-opath").expect("it has a text"),
            without: Some(run("without", log)),
            with: Some(run("with", "")),
            disassembly: None,
            faults: Vec::new(),
        };
        Page {
            facts: vec![("Date", "today".into()), ("Kernel", "Linux 6.16.12".into())],
            config: vec![("kernel.config", "CONFIG_SMC=m\n".into())],
            rows: vec![row],
            good: true,
        }
    }

    #[test]
    fn what_was_seen_is_on_the_page() {
        let html = page().html();
        for text in [
            "1 of 1 as expected",
            "2 reports",
            "no report",
            "BUG: KASAN: slab-use-after-free in seq_show",
            "fdinfo &amp; fstat &lt;disagree&gt;",
            "2 of 2 hold",
        ] {
            assert!(html.contains(text), "{text}");
        }
    }

    #[test]
    fn the_page_needs_nothing_but_itself() {
        let html = page().html();
        for text in [
            "http:", "https:", "src=", "url(", "@import", "<script", "<link",
        ] {
            assert!(!html.contains(text), "{text}");
        }
    }

    #[test]
    fn a_row_that_went_wrong_is_not_counted() {
        let mut page = page();
        page.rows[0].faults.push("why".into());
        page.good = false;
        let html = page.html();
        assert!(html.contains("0 of 1 as expected") && html.contains("why"));
        page.rows[0].faults.clear();
        page.rows[0].with = None;
        assert!(page.html().contains("not run"));
    }
}
