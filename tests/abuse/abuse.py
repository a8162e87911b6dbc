"""A function that tries to do harm. `event["attack"]` names how; the answer tells what came of it.

Run by the tests of the crate `worker`, in an environment with isolation.
"""

import ctypes
import errno
import os
import signal
import socket

libc = ctypes.CDLL(None, use_errno=True)

# Numbers of system calls: x86_64, aarch64.
CALLS = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "setns": (308, 268),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
CLONE = (56, 220)
CLONE3 = (435, 435)
CLONE_NEWUSER = 0x10000000
X32 = 0x40000000


def outcome(action, *arguments):
    """The name of the error that an action ends with, or `done`."""
    try:
        action(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return "done"


def call(numbers, *arguments):
    number = numbers[os.uname().machine == "aarch64"]
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(it) for it in arguments))
    return errno.errorcode.get(ctypes.get_errno(), "done") if result == -1 else "done"


def calls(event):
    seen = {name: call(numbers, *(0 for _ in range(5))) for name, numbers in CALLS.items()}
    seen["clone"] = call(CLONE, CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    seen["clone3"] = call(CLONE3, 0, 0)
    if os.uname().machine == "x86_64":
        seen["x32"] = call((X32 | 272, 0), CLONE_NEWUSER)
    return seen


def sockets(event):
    return {
        "raw": outcome(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        "raw6": outcome(socket.socket, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
        "packet": outcome(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0),
        "crypto": outcome(socket.socket, 38, socket.SOCK_SEQPACKET, 0),
        "stream": outcome(socket.socket, socket.AF_INET, socket.SOCK_STREAM),
    }


def connections(event):
    """What answers at the addresses that the test knows, and how the others are refused."""
    seen = {}
    for host, port in event["addresses"]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as it:
            it.settimeout(10)
            try:
                it.connect((host, port))
                it.sendall(b"hello")
                seen[f"{host}:{port}"] = it.recv(100).decode()
            except OSError as error:
                seen[f"{host}:{port}"] = errno.errorcode.get(error.errno, str(error))
    return seen


def files(event):
    """What can be read of the paths that the test knows on the host."""
    seen = {}
    for path in event["paths"]:
        seen[path] = outcome(lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1))
    return seen


def processes(event):
    """All that are seen, and what can be done to them."""
    numbers = sorted(int(it) for it in os.listdir("/proc") if it.isdigit())
    return {
        "seen": numbers,
        "init": [outcome(lambda: open(f"/proc/1/{it}", "rb").read(1)) for it in ("environ", "mem")],
        "host": outcome(os.kill, event["pid"], signal.SIGKILL),
        "all": outcome(os.kill, -1, 0),
    }


def environment(event):
    return {"names": sorted(os.environ), "descriptors": sorted(os.listdir("/proc/self/fd"), key=int)}


def writes(event):
    """Where something can be written."""
    places = ["/", "/etc", "/opt", "/usr", "/usr/bin", "/var", "/var/runtime", "/var/task", "/proc", "/dev", "/tmp"]
    return [it for it in places if outcome(lambda: open(it + "/planted", "w").close()) == "done"]


def forks(event):
    """A bounded fork bomb: how many children there were when it ended."""
    children = []
    try:
        while len(children) < 5000:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
        return {"bounded": False}
    except OSError as error:
        return {"bounded": len(children) < 1100, "error": errno.errorcode[error.errno]}
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def memory(event):
    kept = []
    while True:
        kept.append(bytearray(b"x" * (1 << 20)))


def fill(event):
    """Fills the temporary directory: how much fitted, and how it ended."""
    written = 0
    try:
        with open("/tmp/full", "wb", buffering=0) as file:
            while True:
                written += file.write(b"x" * 65536)
    except OSError as error:
        os.remove("/tmp/full")
        return [written, errno.errorcode[error.errno]]


def names(event):
    """Makes empty files without end."""
    count = 0
    os.mkdir("/tmp/names")
    try:
        while count < 200000:
            open(f"/tmp/names/{count}", "w").close()
            count += 1
    except OSError as error:
        return [count, errno.errorcode[error.errno]]
    return [count, "done"]


def descriptors(event):
    kept = []
    try:
        while len(kept) < 5000:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        return [len(kept) <= 1024, errno.errorcode[error.errno]]
    finally:
        for descriptor in kept:
            os.close(descriptor)
    return [False, "done"]


def leave(event):
    with open("/tmp/mine", "w") as file:
        file.write("mine")
    return os.listdir("/tmp")


def handler(event, context):
    return globals()[event["attack"]](event)
