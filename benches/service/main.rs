//! How fast and how small the service is, as ratios to bare pieces measured in the same run.
//!
//! `cargo bench --profile dist --bench service -- [SECTION…] [--seconds N] [--json FILE] [--binary FILE] [--pandas PYTHON]`
//!
//! `--seconds` is how long a load lasts, `--binary` measures another build of the service, `--pandas` names a Python that
//! has pandas, for the script of the backfill.
//!
//! Everything runs on loopback and ends by itself. What is measured is a process of its own (the built binary, or this
//! program again in the part of a bare candidate), so that CPU time and memory are its own too; the load comes from
//! this process. Rounds interleave the candidates, because what else the machine does changes from second to second.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench fails by panicking, prints, spawns as it likes, and reckons with durations as floats"
)]

mod accept;
mod backfill;
mod bare;
mod callbacks;
mod check;
mod cost;
mod event_to_row;
mod listen;
mod load;
mod mapping;
mod process;
mod reads;
mod report;
mod sample;
mod scale;
mod size;
mod standin;
mod sustained;

use std::path::PathBuf;

use report::Report;

/// What a run measures, and how long.
struct Plan {
    sections: Vec<String>,
    seconds: Option<u64>,
    json: Option<PathBuf>,
}

/// A section, how it is run, and whether it is part of a plain run.
struct Section {
    name: &'static str,
    run: fn(&mut Report, Option<u64>),
    always: bool,
}

const fn section(name: &'static str, run: fn(&mut Report, Option<u64>)) -> Section {
    Section {
        name,
        run,
        always: true,
    }
}

const fn on_request(name: &'static str, run: fn(&mut Report, Option<u64>)) -> Section {
    Section {
        name,
        run,
        always: false,
    }
}

const SECTIONS: [Section; 10] = [
    section("accept", accept::run),
    section("event-to-row", event_to_row::run),
    section("mapping", mapping::run),
    section("backfill", backfill::run),
    section("reads", reads::run),
    section("scale", scale::run),
    section("cost", cost::run),
    section("size", size::run),
    on_request("sustained", sustained::run),
    on_request("check", check::run),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [part, rest @ ..] = arguments.as_slice()
        && part == process::PART
    {
        return play(rest);
    }
    let plan = plan(arguments);
    let mut report = Report::default();
    for section in SECTIONS {
        let named = plan.sections.iter().any(|name| name == section.name);
        if named || (plan.sections.is_empty() && section.always) {
            (section.run)(&mut report, plan.seconds);
        }
    }
    print!("{report}");
    if let Some(path) = plan.json {
        std::fs::write(path, report.to_json()).unwrap();
    }
    if !report.holds() {
        std::process::exit(1);
    }
}

/// This process is one of those that are measured, or measured against.
fn play(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["stand-in", reads] => standin::play(reads, None),
        ["stand-in", reads, archive] => standin::play(reads, Some(archive)),
        ["hana"] => standin::play_hana(),
        ["bare", "backfill", database, qualtrics] => backfill::play(database, qualtrics),
        ["bare", "reads", database, statements] => reads::play(database, statements),
        ["bare", what, rest @ ..] => bare::play(what, rest),
        other => panic!("there is no part {other:?}"),
    }
}

fn plan(arguments: Vec<String>) -> Plan {
    let mut plan = Plan {
        sections: Vec::new(),
        seconds: None,
        json: None,
    };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => plan.seconds = Some(arguments.next().unwrap().parse().unwrap()),
            "--json" => plan.json = Some(arguments.next().unwrap().into()),
            "--pandas" => backfill::use_python(arguments.next().unwrap().into()),
            "--binary" => process::use_binary(arguments.next().unwrap().into()),
            // Cargo says so to every bench.
            "--bench" => {}
            name if SECTIONS.iter().any(|section| section.name == name) => {
                plan.sections.push(name.to_owned());
            }
            other => {
                let names: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
                eprintln!("error: {other} is no section: {}", names.join(", "));
                std::process::exit(2);
            }
        }
    }
    plan
}
