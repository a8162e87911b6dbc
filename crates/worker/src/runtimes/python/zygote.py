"""Python that forks environments: what was imported once is there in each of them, and most of its memory is one.

It takes commands on descriptor 3, as `aloft-sandbox` describes in `isolated/fork.rs`: makes namespaces below its own, and in
them the two first processes of a jail, without privileges, without descriptors that others have, with random numbers
of their own. No code of a function runs here, but for what has left for good.
"""

import _socket
import array
import ctypes
import json
import os

COMMANDS = 3
MOST_DESCRIPTORS = 16
MOST_OPEN = os.sysconf("SC_OPEN_MAX")
PAGE = os.sysconf("SC_PAGE_SIZE")
# What lies between two pieces of memory that are taken as one.
GAP = 2 * PAGE

# Of linux/capability.h, linux/fcntl.h, linux/mount.h, linux/prctl.h.
AT_EMPTY_PATH = 0x1000
MADV_POPULATE_WRITE = 23
CAPABILITIES_VERSION = 0x20080522
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

# Which keeps the interpreter for this thread.
libc = ctypes.PyDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    """`struct sock_fprog`"""

    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_char_p)]


def call(name, *arguments):
    result = getattr(libc, name)(*(ctypes.c_long(it) if isinstance(it, int) else it for it in arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, "%s: %s" % (name, os.strerror(error)))
    return result


def leave_number_two():
    """Goes on as the third process of its namespace.

    A function is the second one of its own. Libraries (OpenSSL's random numbers, names of temporary files) see by their
    process number that they were forked, so it must be another one here.
    """
    third = os.fork()
    if third:
        # What is forked later is a child of this one too.
        while os.wait()[0] != third:
            pass
        os._exit(1)


def written_by(use):
    """The pieces of memory that `use` writes to, as a function will that does the same. A child does it and tells."""
    mapped = []
    for line in open("/proc/self/maps"):
        addresses, mode, _ = line.split(" ", 2)
        if mode == "rw-p":
            mapped.append([int(it, 16) for it in addresses.split("-")])
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            use()
            os.write(writer, json.dumps(own(mapped)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    told = b""
    while data := os.read(reader, 65536):
        told += data
    os.close(reader)
    os.waitpid(child, 0)
    return json.loads(told or b"[]")


def own(mapped):
    """What this process does not share with the one that it was forked from, any more: addresses and lengths."""
    pieces, end = [], 0
    with open("/proc/self/pagemap", "rb", buffering=0) as pages:
        for first, last in mapped:
            pages.seek(first // PAGE * 8)
            entries = array.array("Q", pages.read((last - first) // PAGE * 8))
            for address, entry in zip(range(first, last, PAGE), entries):
                # Present, and mapped by nobody else.
                if entry >> 63 and entry >> 56 & 1:
                    if not pieces or address - end > GAP:
                        pieces.append([address, 0])
                    end = address + PAGE
                    pieces[-1][1] = end - pieces[-1][0]
    return pieces


def serve(written):
    """Forks when it is told to. Returns in what was forked only, with the connection that it is for."""
    commands = _socket.socket(fileno=COMMANDS)
    commands.send(b"ready")
    space = _socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)
    while True:
        text, beside, _, _ = commands.recvmsg(65536, space, _socket.MSG_CMSG_CLOEXEC)
        if not text:
            os._exit(0)
        command, descriptors, error = json.loads(text), array.array("i"), 0
        for _, _, data in beside:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        try:
            if call("syscall", *command["clone"], 0, 0, 0, 0) == 0:
                commands.detach()
                connection = become(command, descriptors)
                # All at once it takes less than piece by piece, but now only while nobody waits.
                for address, length in written if command["ahead"] else ():
                    libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), MADV_POPULATE_WRITE)
                return connection
        except OSError as refused:
            error = refused.errno
        for descriptor in descriptors:
            os.close(descriptor)
        commands.send(b"%d" % error)


def become(command, descriptors):
    """Makes this process, which is new and has namespaces of its own, a jail."""
    connection, output, nothing, status, first, *groups = descriptors
    try:
        for name, text in ("setgroups", "deny"), ("uid_map", command["users"]), ("gid_map", command["groups"]):
            write("/proc/self/" + name, text)
        os.write(connection, b"1")
        call("mount", b"proc", b"/proc", b"proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
        give_up_privileges([bytes.fromhex(it) for it in command["filters"]])
        if os.fork():
            become_first(command["execveat"], first, status)
        for group in groups:
            os.write(group, b"0")
        os.setsid()
        for resource, most in command["limits"]:
            call("setrlimit", resource, (ctypes.c_uint64 * 2)(most, most))
        for descriptor, number in (nothing, 0), (output, 1), (output, 2), (connection, COMMANDS):
            os.dup2(descriptor, number, number < COMMANDS)
        os.closerange(COMMANDS + 1, MOST_OPEN)
        os.write(COMMANDS, b"2")
        return _socket.socket(fileno=COMMANDS)
    except BaseException as error:
        try:
            os.write(connection, repr(error).encode())
        finally:
            os._exit(1)


def write(path, text):
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def give_up_privileges(filters):
    capability = 0
    while libc.prctl(PR_CAPBSET_DROP, ctypes.c_long(capability), 0, 0, 0) == 0:
        capability += 1
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    call("capset", (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0), (ctypes.c_uint32 * 6)())
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for lines in filters:
        call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Filter(len(lines) // 8, lines)), 0, 0)


def become_first(execveat, program, status):
    """The first process of the jail, which waits for the second and tells how it ended."""
    os.dup2(status, 3)
    os.closerange(0, 3)
    names, nothing = (ctypes.c_char_p * 2)(b"init", None), (ctypes.c_char_p * 1)(None)
    call("syscall", execveat, program, b"", names, nothing, AT_EMPTY_PATH)
