//! What was measured: tables as they come on the standard output, and a page of them with pictures.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

#[derive(Default)]
pub struct Report {
    page: String,
}

/// A curve of a picture: its name, and points from left to right.
pub type Curve = (String, Vec<(f64, f64)>);

impl Report {
    pub fn section(&mut self, title: &str) {
        self.write(&format!("# {title}\n"));
    }

    pub fn heading(&mut self, text: &str) {
        self.write(&format!("## {text}\n"));
    }

    pub fn text(&mut self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    pub fn table(&mut self, columns: &[&str], rows: &[Vec<String>]) {
        let mut text = line(columns);
        // All but the first are numbers.
        let ruler = columns.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" });
        text += &line(&Vec::from_iter(ruler));
        rows.iter().for_each(|row| text += &line(row));
        self.write(&text);
    }

    fn write(&mut self, text: &str) {
        println!("{text}");
        self.page += text;
        self.page += "\n";
    }

    /// A picture of bars that lie on each other, the first on top.
    pub fn bars(&mut self, title: &str, bars: &[(String, f64)]) {
        let mut picture = String::new();
        let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let size = (WIDTH, 70 + 26 * bars.len() as u32);
        let area = SVGBackend::with_string(&mut picture, size).into_drawing_area();
        area.fill(&WHITE).expect("it can be drawn");
        let style = ("sans-serif", 14).into_font();
        let titled = area.titled(title, ("sans-serif", 18)).expect("it can be drawn");
        let room = f64::from(WIDTH - LABELS - 90);
        for (at, (label, value)) in bars.iter().enumerate() {
            let (top, end) = (10 + 26 * at as i32, LABELS as i32 + (value / most * room) as i32);
            let bar = Rectangle::new([(LABELS as i32, top), (end, top + 18)], INK.filled());
            titled.draw(&bar).expect("it can be drawn");
            titled
                .draw(&Text::new(label.clone(), (8, top + 2), style.clone()))
                .expect("it can be drawn");
            let said = Text::new(short(*value), (end + 6, top + 2), style.clone());
            titled.draw(&said).expect("it can be drawn");
        }
        area.present().expect("it can be drawn");
        drop((titled, area));
        self.page += &format!("{picture}\n");
    }

    /// A picture of curves, with both scales logarithmic.
    pub fn curves(&mut self, title: &str, axes: (&str, &str), curves: &[Curve]) {
        let mut picture = String::new();
        let points = || curves.iter().flat_map(|(_, points)| points);
        let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min);
        let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MIN_POSITIVE, f64::max);
        // To the right there is room for the names of the curves.
        let (across, up) = (least(|at| at.0)..most(|at| at.0) * 8.0, 0.1..most(|at| at.1) * 2.0);
        let area = SVGBackend::with_string(&mut picture, (WIDTH, 480)).into_drawing_area();
        area.fill(&WHITE).expect("it can be drawn");
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(across.log_scale(), up.log_scale())
            .expect("it can be drawn");
        let mut mesh = chart.configure_mesh();
        mesh.x_label_formatter(&|at| short(*at)).y_label_formatter(&|at| short(*at));
        mesh.x_desc(axes.0).y_desc(axes.1).draw().expect("it can be drawn");
        for (at, (label, points)) in curves.iter().enumerate() {
            let color = Palette99::pick(at).to_rgba();
            let line = LineSeries::new(points.iter().copied(), color.stroke_width(2)).point_size(3);
            let key = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2));
            chart.draw_series(line).expect("it can be drawn").label(label).legend(key);
        }
        let mut keys = chart.configure_series_labels();
        keys.background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
            .expect("it can be drawn");
        area.present().expect("it can be drawn");
        drop((chart, area));
        self.page += &format!("{picture}\n");
    }

    /// The page, in which pictures stand as they are.
    pub fn save(&self, file: &Path) {
        fs::write(file, &self.page).expect("the page can be written");
    }
}

const WIDTH: u32 = 760;
/// Room for what stands before a bar.
const LABELS: u32 = 330;
const INK: RGBColor = RGBColor(54, 95, 145);

fn line(cells: &[impl Display]) -> String {
    let cells = Vec::from_iter(cells.iter().map(ToString::to_string));
    format!("| {} |\n", cells.join(" | "))
}

/// With three digits that count.
pub fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => grouped(value),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
