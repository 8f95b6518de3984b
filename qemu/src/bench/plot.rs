// SPDX-License-Identifier: GPL-2.0
//! Drawings of numbers, as SVG.

use anyhow::Result;
use plotters::prelude::*;

const WIDTH: u32 = 760;
const FONT: (&str, i32) = ("sans-serif", 14);
const COLOURS: [RGBColor; 5] = [
    RGBColor(0x3b, 0x78, 0xb8),
    RGBColor(0xd9, 0x82, 0x1b),
    RGBColor(0x2b, 0x8a, 0x4b),
    RGBColor(0x8e, 0x5b, 0xb0),
    RGBColor(0xc4, 0x26, 0x26),
];

/// A bar for each name, with its number behind it.
pub fn bars(unit: &str, bars: &[(&str, f64)]) -> Result<String> {
    let mut svg = String::new();
    let most = bars.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let least = bars.iter().map(|(_, value)| *value).fold(0.0, f64::min);
    let size = (WIDTH, 60 + 30 * bars.len() as u32);
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(28)
            .x_label_area_size(40)
            .y_label_area_size(230)
            .build_cartesian_2d(least..most * 1.15, (0..bars.len()).into_segmented())?;
        let name = |at: &SegmentValue<usize>| match at {
            SegmentValue::CenterOf(at) => bars.get(*at).map_or("", |(name, _)| name).to_string(),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(unit)
            .x_label_formatter(&|value| grouped(*value))
            .y_labels(bars.len() + 1)
            .y_label_formatter(&name)
            .label_style(FONT)
            .draw()?;
        chart.draw_series(bars.iter().enumerate().map(|(at, (_, value))| {
            let (from, to) = (SegmentValue::Exact(at), SegmentValue::Exact(at + 1));
            let colour = COLOURS[0].filled();
            let mut bar = Rectangle::new([(0.0, from), (*value, to)], colour);
            bar.set_margin(5, 5, 0, 0);
            bar
        }))?;
        chart.draw_series(bars.iter().enumerate().map(|(at, (_, value))| {
            let place = (value.max(0.0) + most * 0.01, SegmentValue::CenterOf(at));
            Text::new(grouped(*value), place, FONT)
        }))?;
        area.present()?;
    }
    Ok(svg)
}

/// A line for each name through its points, both axes from the least; `log` is for the one
/// that is drawn from left to right.
pub fn lines(
    across: &str,
    up: &str,
    log: bool,
    lines: &[(&str, Vec<(f64, f64)>)],
) -> Result<String> {
    let mut svg = String::new();
    let points = || lines.iter().flat_map(|(_, points)| points);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(1.0, f64::max);
    let (right, top) = (most(|point| point.0), most(|point| point.1) * 1.15);
    let left = points().map(|point| point.0).fold(right, f64::min);
    // What is drawn by the logarithm is put there by hand: one kind of axis is enough.
    let place = |x: f64| if log { x.log10() } else { x };
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 340)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d(place(left)..place(right), 0.0..top)?;
        let said = |x: &f64| grouped(if log { 10_f64.powf(*x) } else { *x });
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(across)
            .y_desc(up)
            .x_labels(if log { 5 } else { 9 })
            .x_label_formatter(&said)
            .y_label_formatter(&|y| grouped(*y))
            .label_style(FONT)
            .draw()?;
        for ((name, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let points = || points.iter().map(|(x, y)| (place(*x), *y));
            chart
                .draw_series(LineSeries::new(points(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
            chart.draw_series(points().map(|at| Circle::new(at, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(TRANSPARENT)
            .label_font(FONT)
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}

/// `12,345`.
pub fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    match value <= -0.5 {
        true => format!("-{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        let all = [0.0, 999.6, 12_345.0, -1_234_567.0].map(grouped);
        assert_eq!(all, ["0", "1,000", "12,345", "-1,234,567"]);
    }

    #[test]
    fn what_is_drawn_is_named() {
        let svg = bars("instructions", &[("idle", -2.0), ("BPF", 370.0)]).expect("drawn");
        assert!(svg.starts_with("<svg") && svg.contains("BPF") && svg.contains("370"));
        let points = vec![(10.0, 90.0), (10_000.0, 92.0)];
        let svg = lines("rules", "instructions", true, &[("uid", points)]).expect("drawn");
        assert!(svg.contains("uid") && svg.contains("10,000"), "{svg}");
    }
}
