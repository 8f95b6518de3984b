// SPDX-License-Identifier: GPL-2.0
//! Draws the lives of a run's objects: a bar for each, over numbered moments.

use maud::Markup;
use maud::html;

use super::text::Course;
use super::text::Object;

// All in the drawing's own units; the page scales it to the width there is.
const WIDTH: usize = 400;
const MARGIN: usize = 16;
/// From the top to the moments' middle, and to the first object.
const AXIS: usize = 16;
const TOP: usize = 36;
/// For each object: its name above, its bar below.
const ROW: usize = 44;
const BAR: usize = 14;
const NAME: usize = 15;
/// At least what two letters of a name take.
const TWO_LETTERS: usize = 15;

/// Draws `course`; `seen` says whether the kernel reported a use by a function.
pub fn draw(course: &Course, seen: impl Fn(&str) -> bool) -> Markup {
    let moments = course.moments.len();
    let x = |moment: usize| place(moment, moments);
    let height = TOP + ROW * course.objects.len();
    html! {
        svg.lifetimes viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(spoken(course, &seen)) {
            @for moment in 1..=moments {
                line.moment x1=(x(moment)) x2=(x(moment)) y1=(AXIS) y2=(height) {}
                circle.moment cx=(x(moment)) cy=(AXIS) r="10" {}
                text.moment x=(x(moment)) y=(AXIS + 4) { (moment) }
            }
            @for (number, object) in course.objects.iter().enumerate() {
                (life(object, TOP + ROW * number, &x, &seen))
            }
        }
    }
}

/// Moments are spread evenly, with half a step before the first and after the last.
fn place(moment: usize, moments: usize) -> usize {
    MARGIN + (WIDTH - 2 * MARGIN) * (2 * moment - 1) / (2 * moments.max(1))
}

fn life(
    object: &Object,
    top: usize,
    x: &impl Fn(usize) -> usize,
    seen: &impl Fn(&str) -> bool,
) -> Markup {
    let (bar, middle) = (top + NAME + 4, top + NAME + 4 + BAR / 2);
    let begin = x(object.from);
    let end = object.to.map(x);
    let held = object.held.map(x);
    let uses = object.uses.iter().filter(|it| seen(&it.by));
    let last_use = uses.clone().map(|it| x(it.at)).max();
    html! {
        text.name x=(begin.min(furthest(&object.name))) y=(top + NAME - 2) { (object.name) }
        rect.alive x=(begin) y=(bar) width=(end.unwrap_or(WIDTH) - begin) height=(BAR) {}
        @if let (Some(end), Some(held)) = (end, held) {
            rect.held x=(end) y=(bar) width=(held - end) height=(BAR) {}
        }
        @if let (Some(end), Some(last)) = (end, last_use) {
            line.gone x1=(end) x2=(last) y1=(middle) y2=(middle) {}
        }
        @if let Some(end) = held.or(end) {
            line.end x1=(end) x2=(end) y1=(bar - 4) y2=(bar + BAR + 4) {}
        }
        @for one in uses {
            g.use transform=(format!("translate({} {middle})", x(one.at))) {
                circle r="8" {}
                path d="M-4-4L4 4M4-4L-4 4" {}
            }
        }
    }
}

/// Where a name must begin to be in the drawing as a whole.
fn furthest(name: &str) -> usize {
    WIDTH.saturating_sub(TWO_LETTERS * name.chars().count() / 2)
}

/// The drawing in words, for who does not see it.
fn spoken(course: &Course, seen: &impl Fn(&str) -> bool) -> String {
    let life = |object: &Object| {
        let end = |to| format!("ends at {to}");
        let end = object.held.or(object.to).map_or("stays".into(), end);
        let uses = object.uses.iter().filter(|it| seen(&it.by));
        let uses: Vec<_> = uses.map(|it| it.at.to_string()).collect();
        let used = match uses.is_empty() {
            true => String::new(),
            false => format!(", used at {} after that", uses.join(" and ")),
        };
        format!("{} begins at {}, {end}{used}", object.name, object.from)
    };
    let lives: Vec<_> = course.objects.iter().map(life).collect();
    format!(
        "Lives over {} moments: {}.",
        course.moments.len(),
        lives.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    const COURSE: &str = r#"
        says = "x"
        moments = ["a", "b", "c", "d"]
        [[objects]]
        name = "inode"
        from = 1
        to = 2
        uses = [{ at = 3, by = "seq_show" }, { at = 4, by = "__fput" }]
        [[objects]]
        name = "device"
        from = 1
        to = 2
        held = 4
    "#;

    #[test]
    fn only_what_was_reported_is_drawn_as_a_use() {
        let course: Course = toml::from_str(COURSE).expect("a course");
        let count = |svg: &str, what: &str| svg.matches(what).count();
        let all = draw(&course, |_| true).into_string();
        assert_eq!(count(&all, "class=\"use\""), 2);
        assert_eq!(count(&all, "class=\"held\""), 1);
        let one = draw(&course, |by| by == "seq_show").into_string();
        assert_eq!(count(&one, "class=\"use\""), 1);
        let none = draw(&course, |_| false).into_string();
        assert_eq!(count(&none, "class=\"gone\""), 0);
    }

    #[test]
    fn moments_are_within_the_drawing() {
        let places: Vec<_> = (1..=4).map(|moment| place(moment, 4)).collect();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(places[0] >= MARGIN && places[3] <= WIDTH - MARGIN);
        for name in text::names() {
            let text = text::text(name).expect("it is in the list");
            for object in text.without.objects.iter().chain(&text.with.objects) {
                assert!(furthest(&object.name) > 0, "too long: {}", object.name);
            }
        }
    }
}
