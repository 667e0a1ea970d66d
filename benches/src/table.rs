//! What was measured, as a table to read and curves to look at.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Instant;

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What it shall be; empty where there is no goal.
    pub goal: String,
    /// What it is.
    pub measured: String,
    /// Ratios of the same run, hashes, and what else belongs to it.
    pub beside: String,
}

/// A curve: its name, and for growing sizes what one more costs, nanoseconds.
pub type Curve = (String, Vec<(f64, f64)>);

/// Everything that one run measured.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    curves: Vec<Curve>,
}

/// What several runs of the same work took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Nanoseconds for each of what went in: the median.
    pub each_ns: f64,
    /// From the fastest run to the slowest, as a share of the median.
    pub spread: f64,
}

/// Does the work so often, on what `prepare` gives anew each time, and reckons what each of `count` took.
pub fn took<P, R>(runs: usize, count: usize, mut prepare: impl FnMut() -> P, mut work: impl FnMut(P) -> R) -> Took {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let prepared = prepare();
            let begun = Instant::now();
            let result = work(prepared);
            let each_ns = begun.elapsed().as_nanos() as f64 / count as f64;
            drop(std::hint::black_box(result));
            each_ns
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let each_ns = times[times.len() / 2];
    Took { each_ns, spread: (times[times.len() - 1] - times[0]) / each_ns }
}

impl Took {
    /// `12.3 M/s, 81 ns each (±4 %)`.
    #[must_use]
    pub fn shown(&self) -> String {
        let Self { each_ns, spread } = self;
        format!("{:.2} M/s, {each_ns:.0} ns each (spread {:.0} %)", 1_000.0 / each_ns, spread * 100.0)
    }
}

impl Report {
    /// Adds a line, and says it at once.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn row(&mut self, what: &str, goal: &str, measured: &str, beside: &str) -> io::Result<()> {
        io::Write::write_fmt(&mut io::stdout(), format_args!("{what}: {measured}; {beside}\n"))?;
        let [what, goal, measured, beside] = [what, goal, measured, beside].map(str::to_owned);
        self.rows.push(Row { what, goal, measured, beside });
        Ok(())
    }

    /// Adds a curve, and its points as a line.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn curve(&mut self, name: &str, goal: &str, points: Vec<(f64, f64)>) -> io::Result<()> {
        let shown: Vec<String> = points.iter().map(|(size, each_ns)| format!("{size:.0}: {each_ns:.0} ns")).collect();
        self.row(name, goal, &shown.join(", "), "growth.svg")?;
        self.curves.push((name.to_owned(), points));
        Ok(())
    }

    /// The table in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = "| what | goal | measured | beside |\n|---|---|---|---|\n".to_owned();
        for Row { what, goal, measured, beside } in &self.rows {
            writeln!(text, "| {what} | {goal} | {measured} | {beside} |").expect("a string takes everything");
        }
        text
    }

    /// The curves, each in a frame of its own with logarithmic axes.
    #[must_use]
    pub fn svg(&self) -> String {
        const WIDTH: f64 = 520.0;
        const HEIGHT: f64 = 220.0;
        let mut text = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{}" font-family="sans-serif" font-size="11">"#,
            HEIGHT * self.curves.len() as f64
        );
        for (number, (name, points)) in self.curves.iter().enumerate() {
            let top = HEIGHT * number as f64;
            let bounds = |of: fn(&(f64, f64)) -> f64| {
                let logs = points.iter().map(|point| of(point).max(1e-9).log10());
                logs.fold((f64::MAX, f64::MIN), |(low, high), log| (low.min(log), high.max(log)))
            };
            let ((left, right), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
            let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
            let x = |size: f64| 60.0 + (size.log10() - left) / (right - left).max(1e-9) * (WIDTH - 100.0);
            let y = |each: f64| top + HEIGHT - 30.0 - (each.max(1e-9).log10() - low) / (high - low) * (HEIGHT - 70.0);
            let path: Vec<String> =
                points.iter().map(|(size, each)| format!("{:.1},{:.1}", x(*size), y(*each))).collect();
            let path = path.join(" ");
            write!(
                text,
                r##"<text x="10" y="{}">{name} (ns)</text><polyline points="{path}" fill="none" stroke="#b22"/>"##,
                top + 18.0
            )
            .expect("a string takes everything");
            for (size, each) in points {
                let (x, y) = (x(*size), y(*each));
                write!(text, r##"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="#b22"/><text x="{x:.1}" y="{:.1}">{each:.0}</text><text x="{x:.1}" y="{:.1}">{size:.0}</text>"##, y - 6.0, top + HEIGHT - 12.0)
                    .expect("a string takes everything");
            }
        }
        text + "</svg>\n"
    }

    /// Writes `table.md` and `growth.svg` into a folder.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("table.md"), self.markdown())?;
        std::fs::write(folder.join("growth.svg"), self.svg())
    }
}
