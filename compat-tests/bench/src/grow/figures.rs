//! Which curves are drawn beside each other.

/// One picture.
pub struct Figure {
    /// Its curve and its file.
    pub name: &'static str,
    pub x: &'static str,
    pub panels: &'static [Panel],
}

pub struct Panel {
    pub title: &'static str,
    pub scale: Scale,
    /// Names of values.
    pub lines: &'static [&'static str],
}

/// Of the upright axis; the other one is logarithmic.
#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    /// From 0.
    Linear,
    Log,
}

use Scale::{Linear, Log};

const fn panel(title: &'static str, scale: Scale, lines: &'static [&'static str]) -> Panel {
    Panel {
        title,
        scale,
        lines,
    }
}

pub const FIGURES: [Figure; 8] = [
    Figure {
        name: "partitions",
        x: "partitions",
        panels: &[
            panel(
                "Produce, MB/s",
                Linear,
                &["16 records MB/s", "1 record MB/s"],
            ),
            panel(
                "Server CPU, µs per batch",
                Linear,
                &["16 records CPU µs per batch", "1 record CPU µs per batch"],
            ),
            panel(
                "Memory, MiB",
                Log,
                &[
                    "memory made MiB",
                    "memory loaded MiB",
                    "memory restarted MiB",
                ],
            ),
            panel("Time, ms", Log, &["create ms", "metadata ms", "restart ms"]),
        ],
    },
    Figure {
        name: "connections-idle",
        x: "idle connections",
        panels: &[
            panel("Memory, MiB", Log, &["memory MiB"]),
            panel("Server CPU, % of a core", Linear, &["CPU % while idle"]),
            panel(
                "Another one's produce, ms",
                Linear,
                &["produce p50 ms", "produce p99 ms"],
            ),
        ],
    },
    Figure {
        name: "connections-active",
        x: "producing connections",
        panels: &[
            panel("Records/s", Linear, &["records/s"]),
            panel("Server CPU, µs per record", Linear, &["CPU µs per record"]),
            panel("Acknowledged after, ms", Log, &["p50 ms", "p99 ms"]),
            panel("Memory, MiB", Log, &["memory MiB"]),
        ],
    },
    Figure {
        name: "consumers",
        x: "consumers of one partition",
        panels: &[
            panel("Delivered after, ms", Log, &["p50 ms", "p99 ms"]),
            panel(
                "Server CPU, µs per delivery",
                Linear,
                &["CPU µs per delivery"],
            ),
            panel("Memory, MiB", Log, &["memory MiB"]),
        ],
    },
    Figure {
        name: "groups",
        x: "groups of one member",
        panels: &[
            panel("All have joined, ms", Log, &["all joined ms"]),
            panel("Requests/s", Linear, &["heartbeats/s", "commits/s"]),
            panel(
                "Server CPU, µs per request",
                Linear,
                &["CPU µs per heartbeat", "CPU µs per commit"],
            ),
            panel("Memory, MiB", Log, &["memory MiB"]),
        ],
    },
    Figure {
        name: "kept",
        x: "GB kept",
        panels: &[
            panel("Ready after SIGKILL, ms", Linear, &["restart ms"]),
            panel(
                "Memory, MiB",
                Linear,
                &[
                    "memory written MiB",
                    "memory restarted MiB",
                    "memory read MiB",
                ],
            ),
            panel("MB/s", Linear, &["produce MB/s", "catch-up MB/s"]),
        ],
    },
    Figure {
        name: "record-size",
        x: "bytes of a record",
        panels: &[
            panel("Produce, MB/s", Linear, &["MB/s"]),
            panel("Records/s", Log, &["records/s"]),
            panel("Server CPU, s per GB", Log, &["CPU s/GB"]),
        ],
    },
    Figure {
        name: "codec",
        x: "codec",
        panels: &[
            panel("Produce, MB/s of plain data", Linear, &["MB/s"]),
            panel("MB/s on the wire", Linear, &["MB/s on the wire"]),
            panel("Server CPU, s per GB of plain data", Linear, &["CPU s/GB"]),
        ],
    },
];
