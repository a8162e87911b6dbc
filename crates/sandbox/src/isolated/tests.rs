//! What programs see and may do in a jail with namespaces. On a machine without them there is nothing to see.

use super::View;
use crate::{Exit, Isolation, Launch, Limits, Output, Sandbox};
use aloft_base::ByteSize;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A port of loopback that leads out.
const LED_OUT: u16 = 4566;

/// Directories to look at, and a sandbox, if this machine isolates.
struct Bench {
    sandbox: Sandbox,
    directory: PathBuf,
}

impl Bench {
    fn new() -> Option<Self> {
        let sandbox = Sandbox::open(Isolation::BestEffort, &[LED_OUT]);
        if !sandbox.isolates() {
            return None;
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("aloft-isolated-{}-{count}", std::process::id()));
        for (path, text) in [
            ("code/index.txt", "code"),
            ("one/both.txt", "one"),
            ("one/only.txt", "one"),
            ("two/both.txt", "two"),
            ("runtime/bootstrap.txt", "runtime"),
            ("secret/secret.txt", "secret"),
        ] {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        Some(Self { sandbox, directory })
    }

    fn launch(&self, program: &str, arguments: &[&str]) -> Launch {
        let name = format!("isolated-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let at = |name: &str| self.directory.join(name);
        Launch {
            mark: format!("MARK={name}"),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            name,
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            directory: "/var/task".into(),
            view: Some(View {
                code: at("code"),
                layers: vec![at("one"), at("two")],
                runtime: at("runtime"),
                interpreter: None,
                temporary_mb: 2,
                hosts: Vec::new(),
            }),
            limits: Limits {
                memory: ByteSize::mebibytes(64),
                processes: 32,
                open_files: 64,
                file_size: ByteSize::mebibytes(64),
            },
            output: Output::Piped,
        }
    }

    async fn run(&self, script: &str) -> (String, Exit) {
        let jailed = self.sandbox.spawn(self.launch("/bin/sh", &["-c", script])).expect("it starts");
        let mut pipe = jailed.take_output().expect("a pipe");
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).map(|_| text)
        });
        let exit = jailed.wait().await;
        (reading.await.expect("the reader ends").expect("text"), exit)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.sandbox.close();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[tokio::test]
async fn what_is_seen() {
    let Some(bench) = Bench::new() else { return };
    let check = async |script: &str, expected: &str| {
        let (text, _) = bench.run(script).await;
        assert_eq!(text.trim(), expected, "{script}");
    };
    check("id -u; id -g; id -un; hostname; pwd", "993\n990\nsbx_user1051\naloft\n/var/task").await;
    check("cat index.txt /var/runtime/bootstrap.txt /opt/both.txt /opt/only.txt", "coderuntimetwoone").await;
    check(
        &format!("ls {} 2>&1", bench.directory.display()),
        &format!("ls: cannot access '{}': No such file or directory", bench.directory.display()),
    )
    .await;
    check("for p in /proc/[0-9]*; do echo ${p#/proc/}; done | sort -n | head -2", "1\n2").await;
    check("ls /home /root /var/lib /run /sys /boot 2>&1 | grep -vc 'No such file'", "0").await;
    // Its scheduling policy: `SCHED_BATCH`, with which it stands back.
    check("cut -d' ' -f41 /proc/self/stat /proc/1/stat", "3\n3").await;
    check("ls /dev", "fd\nfull\nnull\nrandom\nstderr\nstdin\nstdout\ntty\nurandom\nzero").await;
    check("for f in / /usr /etc /etc/passwd /var/task /opt /var/runtime /dev /proc/sys/kernel/hostname; do test -w $f && echo $f; done; echo x > /tmp/x; cat /tmp/x; ls /tmp", "x\nx").await;
    check("grep -e ^Cap -e ^NoNew -e ^Seccomp: /proc/self/status | tr -d ' \t'", "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2").await;
    check("ls /proc/self/fd | tr '\n' ' '; readlink /proc/self/fd/0; ls -l /proc/1/fd /proc/1/environ /proc/1/mem 2>&1 | grep -c -i denied; echo out > /dev/stdout", "0 1 2 3 /dev/null\n1\nout").await;
    check("dd if=/dev/zero of=/tmp/full bs=64k count=64 2>&1 | grep -o 'No space left on device'; stat -c %s /tmp/full", "No space left on device\n2097152").await;
    check("head -c 4 /dev/zero | wc -c; head -c 8 /dev/urandom | wc -c; echo lost > /dev/null", "4\n8").await;
    check("(true & true & true &); sleep 0.05; ps -e -o stat= | grep -c Z", "0").await;
}

/// Ends are told as they were, though another process stands between.
#[tokio::test]
async fn endings() {
    use std::os::unix::process::ExitStatusExt;
    let Some(bench) = Bench::new() else { return };
    let check = async |script: &str, code: Option<i32>, signal: Option<i32>| {
        let (_, exit) = bench.run(script).await;
        let status = exit.status.expect("a status");
        assert_eq!((status.code(), status.signal()), (code, signal), "{script}");
    };
    check("exit 0", Some(0), None).await;
    check("exit 137", Some(137), None).await;
    check("kill -SEGV $$", None, Some(11)).await;
    check("kill -TERM $$", None, Some(15)).await;
    check("kill -KILL 1; kill -TERM 1; exit 3", Some(3), None).await;
    check("setsid sleep 60 & exit 4", Some(4), None).await;
    let (_, exit) =
        bench.run("exec python3 -c 'a = [bytearray(b\"x\" * 1048576) for _ in range(400)]'").await;
    assert!(exit.out_of_memory, "{exit:?}");

    let jailed = bench.sandbox.spawn(bench.launch("/bin/sh", &["-c", "setsid sleep 60 & sleep 60"]));
    let jailed = jailed.expect("it starts");
    assert_eq!(jailed.kill().await.status.and_then(|it| it.signal()), Some(9));
    let absent = bench.sandbox.spawn(bench.launch("/no/such/program", &[])).expect_err("it is not there");
    let source = std::error::Error::source(&absent).expect("a source");
    assert_eq!(crate::chain(source), "cannot run the program: No such file or directory (os error 2)");
}

/// Starting and ending leaves nothing, and is quick.
#[tokio::test]
async fn nothing_is_left() {
    let Some(bench) = Bench::new() else { return };
    bench.run("exit 0").await;
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default().lines().count();
    let mut took = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let jailed = bench.sandbox.spawn(bench.launch("/bin/true", &[])).expect("it starts");
        took.push(began.elapsed());
        jailed.wait().await;
    }
    let before = mounts();
    bench.run("exit 0").await;
    assert_eq!(mounts(), before);
    took.sort();
    // Two milliseconds on a quiet machine; a busy one may take longer, but not by orders of magnitude.
    assert!(took[0] < Duration::from_millis(50), "{took:?}");
    for directory in bench.sandbox.group_directories() {
        let children = std::fs::read_dir(directory).expect("it is there").flatten();
        assert_eq!(children.filter(|it| it.path().is_dir()).count(), 0);
    }
}

/// What the function's side of its network is: what connects, what is refused, and who seems to answer.
const CONNECTIONS: &str = r#"
import errno, socket, sys
def tried(kind, address, family=socket.AF_INET):
    with socket.socket(family, kind) as it:
        it.settimeout(10)
        try:
            it.connect(address)
            it.send(b"hello")
            return "%s from %s:%s" % ((it.recv(100).decode(),) + it.getpeername()[:2])
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))
tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
print(tried(tcp, ("203.0.113.7", 443)))
print(tried(tcp, ("127.0.0.1", 4566)))
print(tried(tcp, ("127.0.0.1", 9001)))
print(tried(udp, ("203.0.113.53", 53)))
print(tried(udp, ("127.0.0.53", 53)))
print(tried(tcp, ("127.0.0.1", int(sys.argv[1]))))
print(tried(tcp, ("169.254.169.254", 80)))
print(tried(udp, ("203.0.113.7", 123)))
print(tried(tcp, ("2001:db8::7", 443), socket.AF_INET6))
print(tried(tcp, "\0" + sys.argv[2], socket.AF_UNIX))
"#;

#[tokio::test]
async fn ways_out() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    let Some(bench) = Bench::new().filter(|it| it.sandbox.has_networks()) else { return };
    let hosts = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = hosts.local_addr().expect("an address").port().to_string();
    let name = format!("aloft-test-{port}");
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _hosts_too = UnixListener::bind_addr(&address).expect("a socket");
    let launch = bench.launch("/usr/bin/env", &["python3", "-c", CONNECTIONS, &port, &name]);
    let jailed = bench.sandbox.spawn(launch).expect("it starts");
    let (doors, mut output) = (jailed.take_doors().expect("doors"), jailed.take_output().expect("a pipe"));
    let held = std::thread::spawn(move || {
        let answer = |listener: &TcpListener, text: &str| {
            listener.set_nonblocking(false).expect("it may wait");
            let (mut stream, _) = listener.accept().expect("a connection");
            let wanted = rustix::net::sockopt::ip_original_dst(&stream);
            assert_eq!(stream.read(&mut [0; 5]).expect("a greeting"), 5);
            write!(stream, "{text}").expect("it is there");
            wanted.map(|it| it.to_string()).unwrap_or_default()
        };
        let seen =
            [answer(&doors.outward, "one"), answer(&doors.outward, "two"), answer(&doors.api, "three")];
        doors.names.set_nonblocking(false).expect("it may wait");
        for text in ["four", "five"] {
            let (_, from) = doors.names.recv_from(&mut [0; 5]).expect("a question");
            doors.names.send_to(text.as_bytes(), from).expect("it is there");
        }
        seen
    });
    let mut text = String::new();
    output.read_to_string(&mut text).expect("text");
    assert_eq!(
        text,
        "one from 203.0.113.7:443\ntwo from 127.0.0.1:4566\nthree from 127.0.0.1:9001\n\
         four from 203.0.113.53:53\nfive from 127.0.0.53:53\n\
         ECONNREFUSED\nECONNREFUSED\nECONNREFUSED\nENETUNREACH\nECONNREFUSED\n"
    );
    let seen = held.join().expect("no panic");
    assert_eq!(seen[..2], ["203.0.113.7:443", "127.0.0.1:4566"]);
    jailed.wait().await;
}

/// A jail that waits shows nothing of what it is furnished with later, and afterwards that alone.
#[tokio::test]
async fn furnished_later() {
    let Some(bench) = Bench::new() else { return };
    let script = "cat index.txt; read -r _ < /tmp/go; cd /var/task; cat index.txt /opt/both.txt /opt/only.txt; ls /.host/*; \
        for f in /var/task /opt /.host /.host/0; do test -w $f && echo $f; done; \
        dd if=/dev/zero of=/tmp/full bs=64k count=128 2>/dev/null; stat -c %s /tmp/full";
    let mut launch = bench.launch("/bin/sh", &["-c", &format!("mkfifo /tmp/go; echo ready; {script}")]);
    let at = |name: &str| bench.directory.join(name);
    if let Some(view) = &mut launch.view {
        (view.code, view.layers, view.hosts) = (at("runtime"), Vec::new(), vec![bench.directory.clone()]);
    }
    let limits = Limits { memory: ByteSize::mebibytes(128), ..launch.limits.clone() };
    let jailed = bench.sandbox.spawn(launch).expect("it starts");
    let mut output = jailed.take_output().expect("a pipe");
    output.read_exact(&mut [0; 6]).expect("it is ready");
    let furniture =
        super::Furniture { code: at("code"), layers: vec![at("one"), at("two")], temporary_mb: 4 };
    bench.sandbox.furnish(&jailed, &furniture, &limits).expect("it is furnished");
    let root = ["/proc", &jailed.pid().to_string(), "root", "tmp", "go"].join("/");
    std::fs::write(root, "\n").expect("it reads");
    let mut text = String::new();
    output.read_to_string(&mut text).expect("text");
    assert_eq!(text, "cat: index.txt: No such file or directory\ncodetwoone4194304\n");
    jailed.wait().await;
    let elsewhere = super::Furniture { code: "/usr".into(), ..furniture };
    assert!(bench.sandbox.furnish(&jailed, &elsewhere, &limits).is_err());
}
