//! A session as a picture: SVG text on a ground of its own, which CSS makes appear as it was typed.
//!
//! What cannot move, or is asked not to (prefers-reduced-motion), shows one scene whole.

use std::fmt::Write;

/// A line that was typed, and what came back.
pub struct Line {
    pub command: String,
    /// What came at once, with the escapes that colour it; between two of them somebody thinks or types.
    pub moments: Vec<String>,
}

/// What the terminal shows, with the lines of one screen each.
pub struct Picture {
    pub title: &'static str,
    pub description: &'static str,
    pub columns: usize,
    pub scenes: Vec<Vec<Line>>,
    /// The scene that stands for all where nothing moves.
    pub still: usize,
}

/// The size of a character, and the space around all of them, in pixels.
const WIDE: f64 = 8.4;
const HIGH: f64 = 20.0;
const MARGIN: f64 = 16.0;

/// How long things take, in seconds.
const BEFORE_TYPING: f64 = 0.6;
const LETTER: f64 = 0.06;
const BEFORE_ENTER: f64 = 0.3;
const THINKING: f64 = 2.0;
const READING_A_ROW: f64 = 0.25;
const BEFORE_CLEARING: f64 = 3.0;

const STYLE: &str = "\
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}
.prompt{fill:#59636e}.heading{font-weight:bold}.error{fill:#cf222e;font-weight:bold}.hint{fill:#1b7c83}
.ground{fill:#f6f8fa;stroke:#d1d9e0}.cover{fill:#f6f8fa}.cursor{fill:#59636e}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.prompt{fill:#9198a1}.error{fill:#ff7b72}.hint{fill:#56d4dd}
.ground{fill:#151b23;stroke:#3d444d}.cover{fill:#151b23}.cursor{fill:#9198a1}}
";

/// What is shown from one second to another.
struct Part {
    from: f64,
    until: f64,
    /// Whether it is shown where nothing moves.
    still: bool,
    drawn: String,
}

/// A command that is typed: its letters are there, under a cover that moves off them, the cursor in front.
struct Typing {
    from: f64,
    letters: usize,
}

impl Picture {
    pub fn draw(&self) -> String {
        let (mut parts, mut typings) = (Vec::new(), Vec::new());
        let (mut now, mut rows) = (0.0, 0);
        for (number, lines) in self.scenes.iter().enumerate() {
            let mut place = Place { row: 0, column: 0, columns: self.columns };
            let first = parts.len();
            let mut show = |from, drawn| parts.push(Part { from, until: 0.0, still: number == self.still, drawn });
            for line in lines {
                let letters = line.command.chars().count();
                let row = place.row;
                let typed = written(0, row, "prompt", "$") + &written(2, row, "", &line.command);
                place.row += 1;
                let cover = if self.moves() { cover(typings.len(), row, letters) } else { String::new() };
                show(now, typed + &cover);
                typings.push(Typing { from: now + BEFORE_TYPING, letters });
                now += BEFORE_TYPING + LETTER * count(letters) + BEFORE_ENTER;
                for (at, moment) in line.moments.iter().enumerate() {
                    let row = place.row;
                    show(now, place.draw(moment));
                    now += READING_A_ROW * count(place.row - row);
                    now += if at + 1 < line.moments.len() { THINKING } else { 0.0 };
                }
            }
            show(now, written(0, place.row, "prompt", "$") + &block("cursor", 2, place.row, 1));
            now += BEFORE_CLEARING;
            rows = rows.max(place.row + 1);
            parts[first..].iter_mut().for_each(|part| part.until = now);
        }
        self.document(&parts, &typings, now, rows)
    }

    fn moves(&self) -> bool {
        self.scenes.len() > 1
    }

    fn document(&self, parts: &[Part], typings: &[Typing], length: f64, rows: usize) -> String {
        let (wide, high) = (WIDE * count(self.columns) + 2.0 * MARGIN, HIGH * count(rows) + 2.0 * MARGIN);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" \
             role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">{}</title>\n<desc id=\"d\">{}</desc>\n<style>\n{STYLE}",
            escaped(self.title),
            escaped(self.description)
        );
        if self.moves() {
            out += &format!(
                ".later,.still,.typing{{animation:{length:.1}s step-end infinite}}.later,.typing{{opacity:0}}\n"
            );
            let at = |time: f64| format!("{:.2}%", time / length * 100.0);
            for (number, part) in parts.iter().enumerate() {
                let before = if part.from > 0.0 { "0%{opacity:0}" } else { "" };
                let (from, until) = (at(part.from), at(part.until));
                let frames = format!("{before}{from}{{opacity:1}}{until}{{opacity:0}}");
                writeln!(out, "@keyframes p{number}{{{frames}}}.p{number}{{animation-name:p{number}}}").unwrap();
            }
            for (number, Typing { from, letters }) in typings.iter().enumerate() {
                let typed = from + LETTER * count(*letters);
                let (from, end, enter) = (at(*from), at(typed), at(typed + BEFORE_ENTER));
                let (there, off) =
                    ("transform:none;opacity:1", format!("transform:translateX({:.1}px)", WIDE * count(*letters)));
                let frames = format!(
                    "0%{{{there}}}{from}{{{there};animation-timing-function:steps({letters})}}{end}{{{off};opacity:1}}\
                     {enter},100%{{{off};opacity:0}}"
                );
                writeln!(out, "@keyframes t{number}{{{frames}}}.t{number}{{animation-name:t{number}}}").unwrap();
            }
            out += "@media(prefers-reduced-motion:reduce){.later,.still,.typing{animation:none}}\n";
        }
        let (inner_wide, inner_high) = (wide - 1.0, high - 1.0);
        out += &format!(
            "</style>\n<clipPath id=\"c\"><rect width=\"{wide}\" height=\"{high}\" rx=\"8\"/></clipPath>\n\
             <rect class=\"ground\" x=\".5\" y=\".5\" width=\"{inner_wide}\" height=\"{inner_high}\" rx=\"8\"/>\n\
             <g clip-path=\"url(#c)\">\n"
        );
        for (number, part) in parts.iter().enumerate() {
            let class = if part.still { "still" } else { "later" };
            writeln!(out, "<g class=\"{class} p{number}\">{}</g>", part.drawn).unwrap();
        }
        out + "</g>\n</svg>\n"
    }
}

/// Where the next character goes.
struct Place {
    row: usize,
    column: usize,
    columns: usize,
}

impl Place {
    /// What a terminal makes of the text: lines end at its edge, and escapes colour what follows.
    fn draw(&mut self, text: &str) -> String {
        let (mut out, mut run, mut style) = (String::new(), String::new(), "");
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let full = self.column + run.chars().count() == self.columns;
            if full || matches!(character, '\x1b' | '\n') {
                out += &written(self.column, self.row, style, &run);
                self.column += run.chars().count();
                run.clear();
            }
            if character == '\n' || full {
                (self.row, self.column) = (self.row + 1, 0);
            }
            match character {
                '\n' => {}
                '\x1b' => {
                    let escape: String = characters.by_ref().take_while(|character| *character != 'm').collect();
                    style = match escape.as_str() {
                        "[1;31" => "error",
                        "[36" => "hint",
                        "[1" => "heading",
                        "[0" => "",
                        other => panic!("an escape that withkey does not use: {other:?}"),
                    };
                }
                character => run.push(character),
            }
        }
        out += &written(self.column, self.row, style, &run);
        self.column += run.chars().count();
        out
    }
}

/// Text from a place on, in one style. Each stretch between wide gaps stands at its own column, whatever the font's width.
fn written(column: usize, row: usize, style: &str, text: &str) -> String {
    let class = if style.is_empty() { String::new() } else { format!(" class=\"{style}\"") };
    let mut out = String::new();
    let mut column = column;
    for piece in text.split("  ") {
        let start = column + piece.chars().count() - piece.trim_start().chars().count();
        let letters = piece.trim().chars().count();
        if letters > 0 {
            let (x, y, long) = (x(start), MARGIN + HIGH * count(row) + 14.5, WIDE * count(letters));
            let text = escaped(piece.trim());
            out += &format!("<text x=\"{x:.1}\" y=\"{y}\" textLength=\"{long:.1}\"{class}>{text}</text>");
        }
        column += piece.chars().count() + 2;
    }
    out
}

/// What lies over a command until it is typed, with the cursor in front.
fn cover(number: usize, row: usize, letters: usize) -> String {
    let (cursor, rest) = (block("cursor", 2, row, 1), block("cover", 3, row, letters));
    format!("<g class=\"typing t{number}\">{cursor}{rest}</g>")
}

fn block(class: &str, column: usize, row: usize, letters: usize) -> String {
    let (x, y, wide) = (x(column), MARGIN + HIGH * count(row) + 1.0, WIDE * count(letters));
    format!("<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"{wide:.1}\" height=\"18\"/>")
}

fn x(column: usize) -> f64 {
    MARGIN + WIDE * count(column)
}

#[allow(clippy::cast_precision_loss, reason = "rows and letters of a terminal")]
fn count(number: usize) -> f64 {
    number as f64
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
