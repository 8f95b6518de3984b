// SPDX-License-Identifier: GPL-2.0
//! A page in HTML that needs nothing but itself.

use maud::DOCTYPE;
use maud::Markup;
use maud::PreEscaped;
use maud::html;

/// Of all pages.
const STYLE: &str = include_str!("page.css");

/// What has this title and `body`; `style` is the page's own.
pub fn page(title: &str, style: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body { (body) }
        }
    }
    .into_string()
}
