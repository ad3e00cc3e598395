//! `session doctor`: the settings of the store, one line for each.

use anstyle::AnsiColor;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::opened::Opened;
use super::output::{Cell, Column, Output, coloured};
use crate::store::{Finding, Limits, Store as _, Verdict};

const COLUMNS: [Column; 3] = [Column::text("", 7), Column::text("", 18), Column::text("", 0)];

/// Findings as JSON.
#[derive(Serialize)]
struct Report<'f> {
    findings: Vec<Line<'f>>,
}

#[derive(Serialize)]
struct Line<'f> {
    verdict: &'static str,
    property: &'static str,
    detail: &'f str,
}

impl<'f> From<&'f Finding> for Line<'f> {
    fn from(finding: &'f Finding) -> Self {
        Self { verdict: finding.verdict.as_str(), property: finding.property, detail: &finding.detail }
    }
}

pub(super) async fn run(opened: Result<Opened, Failure>, limits: Limits, output: &mut Output) -> Result<Exit, Failure> {
    let opened = match opened {
        Ok(opened) => opened,
        Err(failure) if failure.exit() == Exit::Store => {
            print(output, &[Verdict::Wrong.on("connection", failure.message())])?;
            return Ok(Exit::Store);
        }
        Err(failure) => return Err(failure),
    };
    let mut findings = vec![
        Verdict::Ok.on("program", concat!("session-runtime ", env!("CARGO_PKG_VERSION"))),
        Verdict::Ok.on("connection", opened.store.describe()),
    ];
    findings.extend(opened.store.findings(limits).await);
    print(output, &findings)?;
    let is_wrong = findings.iter().any(|finding| finding.verdict == Verdict::Wrong);
    Ok(if is_wrong { Exit::Nothing } else { Exit::Done })
}

fn print(output: &mut Output, findings: &[Finding]) -> Result<(), Failure> {
    if output.is_json() {
        return output.json(&Report { findings: findings.iter().map(Line::from).collect() });
    }
    for Finding { verdict, property, detail } in findings {
        let colour = match verdict {
            Verdict::Ok => AnsiColor::Green,
            Verdict::Unknown => AnsiColor::Cyan,
            Verdict::Warning => AnsiColor::Yellow,
            Verdict::Wrong => AnsiColor::Red,
        };
        let verdict = Cell::Styled(coloured(colour), verdict.as_str().to_owned());
        output.row(&COLUMNS, &[verdict, (*property).to_owned().into(), detail.clone().into()])?;
    }
    Ok(())
}
