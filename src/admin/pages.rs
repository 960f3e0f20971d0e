//! `/livez`, `/readyz` and `/metrics`.

use crate::store::Store;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What a page is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// HTTP status code.
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

/// One server's health and numbers.
pub struct Admin {
    ready: AtomicBool,
    store: Arc<Store>,
    metrics: PrometheusHandle,
}

const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Admin {
    /// Not ready until [`Admin::set_ready`] says so.
    pub fn new(store: Arc<Store>) -> Admin {
        let (ready, metrics) = (AtomicBool::new(false), recorder());
        Admin {
            ready,
            store,
            metrics,
        }
    }

    /// Whether new work is welcome: after the start, until the stop.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// The page at `path`, if it is one of ours.
    pub fn page(&self, path: &str) -> Option<Page> {
        match path {
            "/livez" => Some(text(200, "ok\n")),
            "/readyz" if self.ready.load(Ordering::Relaxed) => Some(text(200, "ready\n")),
            "/readyz" => Some(text(503, "not ready\n")),
            "/metrics" => Some(self.metrics()),
            _ => None,
        }
    }

    fn metrics(&self) -> Page {
        let mut body = self.metrics.render();
        let (mut streams, mut partitions) = (0, 0);
        for stream in self.store.view().all_streams() {
            streams += 1;
            partitions += stream.partitions.len();
        }
        gauge(&mut body, "braid_streams", "Streams that exist.", streams);
        gauge(
            &mut body,
            "braid_partitions",
            "Partitions of all streams.",
            partitions,
        );
        Page {
            status: 200,
            content_type: PROMETHEUS,
            body,
        }
    }
}

fn text(status: u16, body: &str) -> Page {
    Page {
        status,
        content_type: TEXT,
        body: body.into(),
    }
}

fn gauge(body: &mut String, name: &str, help: &str, value: usize) {
    writeln!(
        body,
        "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
    )
    .expect("a String takes everything");
}

/// The process's counters. The `metrics` macros write to one recorder per process, so servers in
/// one process share theirs.
fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Whoever embeds the server may have a recorder of its own; ours then stays empty.
        let _ = metrics::set_global_recorder(recorder);
        handle
    };
    RECORDER.get_or_init(install).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::Memory;

    fn admin() -> Admin {
        let clock = Clock::system();
        Admin::new(Store::new(
            Arc::new(Memory::new(clock.clone(), 1024)),
            clock,
        ))
    }

    #[test]
    fn the_server_is_alive_before_it_is_ready() {
        let admin = admin();

        assert_eq!(admin.page("/livez"), Some(text(200, "ok\n")));
        assert_eq!(admin.page("/readyz"), Some(text(503, "not ready\n")));

        admin.set_ready(true);
        assert_eq!(admin.page("/readyz"), Some(text(200, "ready\n")));
    }

    #[test]
    fn metrics_tell_how_many_streams_there_are() {
        let page = admin().page("/metrics").expect("a page");

        assert_eq!(page.content_type, PROMETHEUS);
        assert!(page.body.contains("\nbraid_streams 0\n"), "{}", page.body);
    }

    #[test]
    fn other_paths_are_not_ours() {
        assert_eq!(admin().page("/"), None);
    }
}
