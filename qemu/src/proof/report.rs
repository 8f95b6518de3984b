// SPDX-License-Identifier: GPL-2.0
//! The lines of a report that say what happened.

use crate::splat::Splat;
use crate::splat::message;

use super::text;
use super::text::Explained;
use super::text::Place;

/// A line of a report, and what it means.
pub struct Line<'a> {
    /// Its number in the report.
    pub at: usize,
    /// Itself, without its time.
    pub text: &'a str,
    /// What it says, in a word or two.
    pub topic: &'static str,
    pub says: &'a str,
}

/// The report that `explained` is about, of all that came.
pub fn find<'a>(splats: &'a [Splat], explained: &Explained) -> Option<&'a Splat> {
    splats
        .iter()
        .find(|splat| splat.parts().function == explained.function)
}

/// The lines of `splat` that are explained; an error names what it lacks.
pub fn lines<'a>(splat: &'a Splat, explained: &'a Explained) -> Result<Vec<Line<'a>>, String> {
    let said = |what: &str| {
        let mut lines = splat.excerpt.iter();
        lines.position(|line| message(line).contains(what))
    };
    let frame = |frames: Vec<(usize, &str)>, function: &str| {
        let found = frames.iter().find(|(_, name)| *name == function);
        found.map(|(at, _)| *at)
    };
    let line = |wanted: &'a text::Line| {
        let function = wanted.function.as_str();
        let (topic, at) = match wanted.place {
            Place::Title => ("what and where", said(&splat.title)),
            Place::Access => ("which access", said(" at addr ")),
            Place::Trace => ("who did it", frame(splat.trace(), function)),
            Place::Allocated => (
                "who had made the object",
                frame(splat.allocated(), function),
            ),
            Place::Freed => ("who had ended it", frame(splat.freed(), function)),
            Place::Range => ("which address", said("KASAN: null-ptr-deref in range")),
            Place::Task => ("for whom", said(" Comm: ")),
            Place::Rip => ("at which place", said("RIP: 0010:")),
        };
        let at = at.ok_or(format!(
            "the report on {} has no line of {:?} {function}",
            explained.function, wanted.place
        ))?;
        Ok(Line {
            at,
            text: message(&splat.excerpt[at]).trim(),
            topic,
            says: &wanted.says,
        })
    };
    explained.lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splat::Watcher;

    fn splats() -> Vec<Splat> {
        let mut watcher = Watcher::default();
        for line in include_str!("../splat/reports/multi_shot.log").lines() {
            watcher.line(line, None);
        }
        watcher.finish()
    }

    fn explained(function: &str, freed: &str) -> Explained {
        let line = |place, function: &str| text::Line {
            place,
            function: function.into(),
            says: String::new(),
        };
        Explained {
            function: function.into(),
            lines: vec![
                line(Place::Title, ""),
                line(Place::Access, ""),
                line(Place::Task, ""),
                line(Place::Trace, function),
                line(Place::Allocated, "sock_alloc_inode"),
                line(Place::Freed, freed),
            ],
        }
    }

    #[test]
    fn the_lines_are_found_in_their_order() {
        let splats = splats();
        let explained = explained("dentry_unlink_inode", "smc_clcsock_release");
        let splat = find(&splats, &explained).expect("the second of the two");
        let lines = lines(splat, &explained).unwrap_or_else(|why| panic!("{why}"));
        let text: Vec<_> = lines.iter().map(|line| line.text).collect();
        assert!(text[0].starts_with("BUG: KASAN: slab-use-after-free in dentry_unlink_inode"));
        assert!(text[1].starts_with("Write of size 8 at addr"));
        assert!(text[2].contains("Comm: guest"));
        assert!(text[3].starts_with("dentry_unlink_inode+0x"));
        assert!(text[4].starts_with("sock_alloc_inode+0x"));
        assert!(text[5].starts_with("smc_clcsock_release+0x"));
        assert!(lines.windows(2).all(|pair| pair[0].at < pair[1].at));
    }

    #[test]
    fn what_a_report_lacks_is_named() {
        let splats = splats();
        assert!(find(&splats, &explained("__fput", "")).is_none());
        let explained = explained("seq_show", "netdev_run_todo");
        let why = lines(&splats[0], &explained).err();
        assert_eq!(
            why.as_deref(),
            Some("the report on seq_show has no line of Freed netdev_run_todo")
        );
    }
}
