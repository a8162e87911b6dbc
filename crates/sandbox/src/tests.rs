//! Jails around real shells: limits, endings, and what is left.

use crate::{Isolation, Launch, Limits, Output, Sandbox, processes};
use aloft_base::ByteSize;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicU32, Ordering};

fn launch(script: &str) -> Launch {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Launch {
        mark: format!("MARK={name}"),
        environment: BTreeMap::from([
            ("MARK".to_owned(), name.clone()),
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ]),
        name,
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        directory: "/".into(),
        view: None,
        limits: Limits {
            memory: ByteSize::mebibytes(64),
            processes: 32,
            open_files: 64,
            file_size: ByteSize(4096),
        },
        output: Output::Piped,
    }
}

/// Both kinds of machine: with control groups, where this one has them, and without.
fn sandboxes() -> [Sandbox; 2] {
    [Sandbox::open(Isolation::None, &[]), Sandbox::plain()]
}

/// Runs a script to its end and gives what it wrote, its exit code and whether memory was the cause.
async fn run(sandbox: &Sandbox, script: &str) -> (String, Option<i32>, bool) {
    let jailed = sandbox.spawn(launch(script)).expect("it starts");
    let mut pipe = jailed.take_output().expect("a pipe");
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text)
    });
    let exit = jailed.wait().await;
    let text = reading.await.expect("the reader ends").expect("text");
    (text, exit.status.and_then(|status| status.code()), exit.out_of_memory)
}

#[tokio::test]
async fn what_a_jailed_process_sees() {
    for sandbox in sandboxes() {
        let check = async |script: &str, expected: &str, code: i32| {
            let (text, seen, _) = run(&sandbox, script).await;
            assert_eq!((text.trim(), seen), (expected, Some(code)), "{script}");
        };
        check("ulimit -n; ulimit -c", "64\n0", 0).await;
        // Its scheduling policy: `SCHED_BATCH`, with which it stands back.
        check("cut -d' ' -f41 /proc/self/stat", "3", 0).await;
        check("cat; echo end of input", "end of input", 0).await;
        check("ls /proc/self/fd | tr '\n' ' '", "0 1 2 3", 0).await;
        check("env | grep -v -e ^MARK= -e ^PATH= -e ^PWD= -e ^SHLVL= -e ^_=", "", 1).await;
        check("echo first; echo second >&2; echo third", "first\nsecond\nthird", 0).await;
        check("head -c 9000 /dev/zero > /tmp/aloft-limit-$$ 2>/dev/null; stat -c %s /tmp/aloft-limit-$$; rm /tmp/aloft-limit-$$", "4096", 0)
            .await;
        check("exit 7", "", 7).await;
        sandbox.close();
    }
}

#[tokio::test]
async fn memory_is_limited() {
    for sandbox in sandboxes() {
        let script = "exec python3 -c 'a = [bytearray(b\"x\" * 1048576) for _ in range(400)]; import time; time.sleep(30)'";
        let mut launch = launch(script);
        launch.environment.insert("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
        launch.output = Output::Inherited;
        let jailed = sandbox.spawn(launch).expect("it starts");
        let exit = jailed.wait().await;
        assert!(exit.out_of_memory, "{exit:?}");
        assert!(jailed.peak_memory() > ByteSize::mebibytes(48), "{:?}", jailed.peak_memory());
        sandbox.close();
    }
}

/// Children, grandchildren in sessions of their own, and orphans all end, and the group is removed.
#[tokio::test]
async fn the_whole_tree_ends() {
    for sandbox in sandboxes() {
        for script in [
            "sleep 60 & setsid sleep 60 & (setsid sh -c 'sleep 60 & sleep 60' &); echo ready; wait",
            "setsid sleep 60 & (sleep 60 &); echo ready; exit 0",
        ] {
            let launch = launch(script);
            let mark = launch.mark.clone();
            let jailed = sandbox.spawn(launch).expect("it starts");
            let mut ready = [0; 6];
            jailed.take_output().expect("a pipe").read_exact(&mut ready).expect("it says that it is ready");
            jailed.kill().await;
            assert_eq!(processes::tree(jailed.pid(), &mark), Vec::<u32>::new(), "{script}");
        }
        let groups = sandbox.group_directories();
        for directory in &groups {
            let left = std::fs::read_dir(directory).expect("it is there").flatten();
            assert_eq!(left.filter(|it| it.path().is_dir()).count(), 0);
        }
        sandbox.close();
        assert!(groups.iter().all(|it| !it.exists()));
    }
}

/// The state of a process (`R`, `S`, `T`), and the processor time that it had, in ticks.
fn seen(pid: u32) -> Option<(String, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?.to_owned();
    Some((state, fields.skip(10).take(2).filter_map(|it| it.parse::<u64>().ok()).sum()))
}

/// Who is frozen uses no processor, goes on when thawed, and can be ended at any time.
#[tokio::test]
async fn frozen_trees_stand_still() {
    for sandbox in sandboxes() {
        let launch = launch("(setsid sh -c 'while :; do :; done' &); echo ready; while :; do :; done");
        let mark = launch.mark.clone();
        let jailed = sandbox.spawn(launch).expect("it starts");
        let mut ready = [0; 6];
        jailed.take_output().expect("a pipe").read_exact(&mut ready).expect("it says that it is ready");
        let members = || processes::tree(jailed.pid(), &mark);
        let all = |state: &str| members().iter().all(|pid| seen(*pid).is_none_or(|it| it.0 == state));
        while members().len() < 2 {
            tokio::task::yield_now().await;
        }
        jailed.freeze();
        while !all("T") {
            tokio::task::yield_now().await;
        }
        let ticks = || -> u64 { members().iter().filter_map(|pid| seen(*pid)).map(|it| it.1).sum() };
        let before = ticks();
        jailed.thaw();
        while ticks() < before + 2 {
            tokio::task::yield_now().await;
        }
        jailed.freeze();
        jailed.kill().await;
        assert_eq!(members(), Vec::<u32>::new());
        sandbox.close();
    }
}

/// Who has four times the memory gets four times the processor, where there is not enough for all.
#[tokio::test]
async fn processors_are_shared_by_memory() {
    let sandbox = Sandbox::open(Isolation::None, &[]);
    if sandbox.missing().contains(&"cpu") {
        return;
    }
    let count = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let busy = |megabytes, first: &str| {
        let mut launch =
            launch(&format!("{first} for i in $(seq {count}); do while :; do :; done & done; wait"));
        launch.limits.memory = ByteSize::mebibytes(megabytes);
        launch.limits.processes = 1024;
        let mark = launch.mark.clone();
        (sandbox.spawn(launch).expect("it starts"), mark)
    };
    // The large one ends when each of its processes has had a second.
    let ((small, mark), (large, _)) = (busy(512, ""), busy(2048, "ulimit -t 1;"));
    large.wait().await;
    let processes = processes::tree(small.pid(), &mark);
    let of_small: u64 = processes.iter().filter_map(|pid| seen(*pid)).map(|it| it.1).sum();
    small.kill().await;
    sandbox.close();
    assert!(of_small < 50 * count as u64, "{of_small}");
}

/// A quarter of the memory of one processor is a quarter of one, also where nobody else wants it, but only when asked for.
#[tokio::test]
async fn processors_can_be_limited_by_memory() {
    let sandbox = Sandbox::open(Isolation::None, &[]);
    if !sandbox.can_limit_processor() {
        return;
    }
    // How many times as long as it computes it takes; what it may compute at once is the quota of a period or two.
    let script = "exec python3 -c '
from time import monotonic, process_time, sleep
def once():
    begun, computed = monotonic(), process_time()
    while process_time() - computed < 0.04: pass
    return (monotonic() - begun) / (process_time() - computed)
print(min(once() for _ in range(4)), flush=True)
sleep(60)'";
    let times = async |limited: bool| {
        let mut launch = launch(script);
        launch.environment.insert("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
        launch.limits.memory = ByteSize::mebibytes(1769 / 4);
        let name = launch.name.clone();
        let jailed = sandbox.spawn(launch).expect("it starts");
        assert!(!limited || jailed.limit_processor().expect("it is limited"));
        let mut text = String::new();
        let mut pipe = BufReader::new(jailed.take_output().expect("a pipe"));
        pipe.read_line(&mut text).expect("a line");
        let files = sandbox.group_directories().into_iter().map(|it| it.join(&name).join("cpu.stat"));
        let stat: String = files.filter_map(|it| std::fs::read_to_string(it).ok()).collect();
        jailed.kill().await;
        let throttled = stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok());
        (text.trim().parse::<f64>().expect("a number"), throttled.unwrap_or(0u64))
    };
    let (limited, free) = (times(true).await, times(false).await);
    sandbox.close();
    // Others may compute meanwhile, so that it takes longer, but not because it was held back.
    assert!(limited.0 > 2.5 && limited.1 > 0 && free.1 == 0, "{limited:?} and {free:?}");
}

#[tokio::test]
async fn forks_are_limited() {
    let sandbox = Sandbox::open(Isolation::None, &[]);
    if sandbox.missing().contains(&"processes") {
        return;
    }
    let (text, _, _) = run(&sandbox, "for i in $(seq 60); do sleep 60 & done 2>&1; echo done").await;
    assert!(text.contains("annot fork") || text.contains("unavailable"), "{text}");
    sandbox.close();
}

#[tokio::test]
async fn what_cannot_start_leaves_nothing() {
    let sandbox = Sandbox::open(Isolation::None, &[]);
    let mut absent = launch("true");
    absent.directory = "/no/such/directory".into();
    let error = sandbox.spawn(absent).expect_err("it cannot start");
    assert_eq!(error.to_string(), "failed to start /bin/sh");
    for directory in sandbox.group_directories() {
        let left = std::fs::read_dir(&directory).expect("it is there").flatten();
        assert_eq!(left.filter(|it| it.path().is_dir()).count(), 0);
    }
    sandbox.close();
}

/// What a predecessor left that was killed together with its name's process: groups, and processes in them.
#[tokio::test]
async fn leftovers_of_a_killed_predecessor_are_removed() {
    let dead =
        std::process::Command::new("true").spawn().and_then(|mut child| child.wait().map(|_| child.id()));
    let dead = dead.expect("a process number").to_string();
    let sandbox = Sandbox::open(Isolation::None, &[]);
    let own = format!("-{}-", std::process::id());
    let mut left = Vec::new();
    for directory in sandbox.group_directories() {
        let name = directory.file_name().and_then(|it| it.to_str()).expect("a name");
        let group = directory.with_file_name(name.replace(&own, &format!("-{dead}-")));
        std::fs::create_dir_all(group.join("child")).expect("a group");
        left.push(group);
    }
    let mut process = std::process::Command::new("sleep").arg("60").spawn().expect("a process");
    for group in &left {
        std::fs::write(group.join("child/cgroup.procs"), process.id().to_string()).expect("it is moved");
    }
    let successor = Sandbox::open(Isolation::None, &[]);
    assert!(left.iter().all(|it| !it.exists()), "{left:?}");
    if left.is_empty() {
        process.kill().expect("it is there");
    }
    assert!(!process.wait().expect("it ends").success());
    successor.close();
    sandbox.close();
}
