//! Measures what a jail costs, and what starting and ending many of them leaves behind.
//!
//! `cargo run --release -p aloft-sandbox --example cycles [-- 10000]`. It prints times and counts; nothing is compared.

use aloft_base::ByteSize;
use aloft_sandbox::{Isolation, Launch, Limits, Output, Sandbox, View};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cycles: u32 = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(1000);
    let sandbox = Sandbox::open(Isolation::BestEffort, &[4566]);
    let mut out = std::io::stdout().lock();
    let own_network = sandbox.has_networks();
    writeln!(out, "isolated: {}, networks of their own: {own_network}", sandbox.isolates())?;
    writeln!(out, "missing: {:?}", [sandbox.lacking(), &sandbox.missing()].concat())?;
    once(&sandbox, 0).await?;
    let before = Left::now(&sandbox);
    let (mut started, mut ended) = (Vec::new(), Vec::new());
    for number in 1..=cycles {
        let (start, end) = once(&sandbox, number).await?;
        started.push(start);
        ended.push(end);
    }
    let after_last = Left::now(&sandbox);
    // The kernel takes networks down in the background.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = Left::now(&sandbox);
    for (what, times) in [("set up", &mut started), ("run and end", &mut ended)] {
        times.sort();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        writeln!(out, "{what}: best {:?}, median {:?}, 99 % {:?}", at(0), at(50), at(99))?;
    }
    writeln!(out, "before:         {before:?}\nafter the last: {after_last:?}\nafter:          {after:?}")?;
    sandbox.close();
    Ok(())
}

async fn once(sandbox: &Sandbox, number: u32) -> Result<(Duration, Duration), Box<dyn Error>> {
    let began = Instant::now();
    let jailed = sandbox.spawn(Launch {
        name: format!("cycle-{number}"),
        program: "/bin/true".into(),
        arguments: Vec::new(),
        environment: BTreeMap::new(),
        mark: format!("CYCLE={number}"),
        directory: "/".into(),
        view: Some(View {
            code: "/usr/share".into(),
            layers: Vec::new(),
            runtime: "/usr/share".into(),
            interpreter: None,
            temporary_mb: 512,
            hosts: Vec::new(),
        }),
        limits: Limits {
            memory: ByteSize::mebibytes(128),
            processes: 1024,
            open_files: 1024,
            file_size: ByteSize::mebibytes(512),
        },
        output: Output::Piped,
    })?;
    let started = began.elapsed();
    jailed.wait().await;
    Ok((started, began.elapsed() - started))
}

/// What a process and its machine have of things that jails are made of.
#[derive(Debug)]
#[allow(dead_code)] // It is printed.
struct Left {
    children: usize,
    descriptors: usize,
    mounts: usize,
    groups: usize,
    networks: u64,
    resident_kb: u64,
}

impl Left {
    fn now(sandbox: &Sandbox) -> Self {
        let count = |path: &str| std::fs::read_dir(path).map_or(0, Iterator::count);
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let children = |task: std::fs::DirEntry| {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            children.split_whitespace().count()
        };
        let of_group = |it: std::path::PathBuf| {
            std::fs::read_dir(it).map_or(0, |them| them.flatten().filter(|it| it.path().is_dir()).count())
        };
        let resident = text("/proc/self/status");
        let resident = resident.lines().find_map(|it| it.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        // The kernel's own count, of which it tells only root.
        let networks = text("/proc/slabinfo");
        let networks =
            networks.lines().find_map(|it| it.strip_prefix("net_namespace")?.split_whitespace().next());
        Self {
            children: std::fs::read_dir("/proc/self/task")
                .map_or(0, |tasks| tasks.flatten().map(children).sum()),
            descriptors: count("/proc/self/fd"),
            mounts: text("/proc/self/mountinfo").lines().count(),
            groups: sandbox.group_directories().into_iter().map(of_group).sum(),
            networks: networks.and_then(|it| it.parse().ok()).unwrap_or(0),
            resident_kb: resident.and_then(|it| it.parse().ok()).unwrap_or(0),
        }
    }
}
