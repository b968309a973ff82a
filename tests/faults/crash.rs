//! A crash at each boundary of an event's way, in a build that has the points (`--features faults`).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::Scale;
use crate::ground::{Ground, Invariants};
use crate::process::BUILT;

/// The points, as the sources name them.
fn points() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let named = text.split("crash_point(\"").skip(1);
            found.extend(named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
    let mut found = BTreeSet::new();
    walk(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut found,
    );
    found
}

pub(crate) async fn f02_a_crash_at_each_point(scale: Scale) -> String {
    let points = points();
    assert!(points.len() >= 8, "{points:?}");
    let mut figures = Vec::new();
    for mut ground in [Ground::sqlite().await, Ground::hana().await] {
        drop(ground.serve().await);
        let mut crashes = 0;
        for point in &points {
            for hit in 1..=scale.pick(2, 40) {
                crash(&mut ground, point, hit).await;
                crashes += 1;
            }
        }
        ground.site.set("INGESTER_CRASH_AT", "");
        let running = ground.serve().await;
        let held = Invariants {
            patience: Duration::from_secs(90),
            ..Invariants::default()
        };
        let held = held.hold(&ground, &running).await;
        figures.push(format!(
            "{crashes} crashes at {} points; {held}",
            points.len()
        ));
    }
    figures.join("; on HANA ")
}

/// Serves until the point is hit so often, telling of responses meanwhile.
async fn crash(ground: &mut Ground, point: &str, hit: u32) {
    ground
        .site
        .set("INGESTER_CRASH_AT", &format!("{point}:{hit}"));
    // Some points are met before anybody can be told anything.
    let Ok(mut running) = ground.site.try_serve(BUILT).await else {
        return;
    };
    for _ in 0..20 {
        // More than there are workers, so that some wait to be claimed.
        ground.people.tell_many(&running.url(""), 70).await;
        let ended = tokio::time::timeout(Duration::from_millis(300), running.child.wait()).await;
        if let Ok(status) = ended {
            assert_eq!(
                status.unwrap().code(),
                None,
                "{point}:{hit}: {}",
                running.log()
            );
            return;
        }
    }
    panic!("{point} was not met {hit} times: {}", running.log());
}
