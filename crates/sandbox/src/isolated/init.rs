//! The first process of a jail: a program of some sixty bytes that waits for the second and tells how it ended.
//!
//! The first process of a pid namespace is special: signals without a handler do not reach it, and it inherits orphans.
//! A function must be neither, so this stands in its place. It is machine code in an ELF file without a disk, since it
//! must be there without a file beside the binary, and cost no memory to speak of.

use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

/// Where the status goes: the four bytes of `wait4`.
pub(super) const STATUS_DESCRIPTOR: i32 = 3;

// wait4(-1, stack, 0, 0) until it says 2, or that there is nobody; write(3, stack, 4); exit_group(0)
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".pushsection .rodata.aloft_init, \"a\"",
    ".globl aloft_init_begin",
    ".globl aloft_init_end",
    "aloft_init_begin:",
    "sub rsp, 16",
    "2: mov eax, 61",
    "mov rdi, -1",
    "mov rsi, rsp",
    "xor edx, edx",
    "xor r10d, r10d",
    "syscall",
    "cmp rax, -4",
    "je 2b",
    "test rax, rax",
    "js 3f",
    "cmp rax, 2",
    "jne 2b",
    "mov eax, 1",
    "mov edi, 3",
    "mov rsi, rsp",
    "mov edx, 4",
    "syscall",
    "3: mov eax, 231",
    "xor edi, edi",
    "syscall",
    "aloft_init_end:",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".pushsection .rodata.aloft_init, \"a\"",
    ".globl aloft_init_begin",
    ".globl aloft_init_end",
    "aloft_init_begin:",
    "sub sp, sp, #16",
    "2: mov x0, #-1",
    "mov x1, sp",
    "mov x2, #0",
    "mov x3, #0",
    "mov x8, #260",
    "svc #0",
    "cmn x0, #4",
    "b.eq 2b",
    "tbnz x0, #63, 3f",
    "cmp x0, #2",
    "b.ne 2b",
    "mov x0, #3",
    "mov x1, sp",
    "mov x2, #4",
    "mov x8, #64",
    "svc #0",
    "3: mov x0, #0",
    "mov x8, #94",
    "svc #0",
    "aloft_init_end:",
    ".popsection",
);

unsafe extern "C" {
    static aloft_init_begin: u8;
    static aloft_init_end: u8;
}

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// The program as a file that may be executed and not be read: what cannot be read cannot be traced either.
pub(super) fn program() -> io::Result<OwnedFd> {
    let begin = &raw const aloft_init_begin;
    let length = (&raw const aloft_init_end) as usize - begin as usize;
    // SAFETY: the two symbols stand at the ends of one piece of read-only data, defined above.
    let code = unsafe { std::slice::from_raw_parts(begin, length) };
    let descriptor = memfd_create(c"aloft-init", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(descriptor);
    file.write_all(&elf(code))?;
    let descriptor = OwnedFd::from(file);
    fchmod(&descriptor, Mode::from_raw_mode(0o111))?;
    // Executed through another descriptor: one that is open for writing cannot be.
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&descriptor));
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// An executable of one segment: the two headers, and the code behind them.
fn elf(code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x10000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut file = Vec::new();
    file.extend_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for half in [2u16, MACHINE] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    file.extend_from_slice(&1u32.to_le_bytes());
    // Entry, program headers, section headers.
    for word in [BASE + HEADERS, 64, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    // One segment to load, readable and executable.
    for word in [1u32, 5] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for word in [0, BASE, BASE, size, size, 0x1000] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(code);
    file
}
