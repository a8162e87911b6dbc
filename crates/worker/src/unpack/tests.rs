//! Packages that are fine, and packages that attack. The latter are made byte by byte, since no library would.

use super::*;
use std::fmt::Write as _;

/// One entry of a hand-made archive, stored without compression.
struct Made {
    name: &'static [u8],
    mode: u32,
    data: Vec<u8>,
    /// The size that the headers tell, if not the real one.
    told: Option<u32>,
    encrypted: bool,
}

fn made(name: &'static str, mode: u32, data: &[u8]) -> Made {
    Made { name: name.as_bytes(), mode, data: data.to_owned(), told: None, encrypted: false }
}

fn archive(entries: &[Made]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = bytes.len() as u32;
        let size = entry.data.len() as u32;
        let mut shared = Vec::new();
        shared.extend(20u16.to_le_bytes()); // version needed
        shared.extend(u16::from(entry.encrypted).to_le_bytes());
        shared.extend([0; 6]); // stored, no time, no date
        shared.extend(crc32(&entry.data).to_le_bytes());
        shared.extend(size.to_le_bytes());
        shared.extend(entry.told.unwrap_or(size).to_le_bytes());
        shared.extend((entry.name.len() as u16).to_le_bytes());
        shared.extend([0; 2]); // no extra field
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&shared);
        bytes.extend(entry.name);
        bytes.extend(&entry.data);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, 3]); // made on Unix
        directory.extend(&shared);
        directory.extend([0; 6]); // no comment, first disk, binary
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.name);
    }
    let (count, start) = (entries.len() as u16, bytes.len() as u32);
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
        crc
    })
}

/// A directory that is not there yet, below one that is removed with it.
fn place() -> (crate::tests::Scratch, PathBuf) {
    let scratch = crate::tests::Scratch::new();
    let into = scratch.path().join("code");
    (scratch, into)
}

/// All that lies below, with permissions, a line each.
fn listing(root: &Path) -> String {
    let mut text = String::new();
    let mut open = vec![root.to_owned()];
    while let Some(at) = open.pop() {
        let mut entries: Vec<_> =
            fs::read_dir(at).expect("a directory").flatten().map(|it| it.path()).collect();
        entries.sort();
        for path in entries {
            let metadata = path.symlink_metadata().expect("it is there");
            let name = path.strip_prefix(root).expect("below").display().to_string();
            let mode = metadata.permissions().mode() & 0o7777;
            if metadata.is_symlink() {
                let _ = writeln!(text, "{name} -> {}", fs::read_link(&path).expect("a link").display());
            } else if metadata.is_dir() {
                let _ = writeln!(text, "{name}/ {mode:o}");
                open.push(path);
            } else {
                let _ = writeln!(text, "{name} {mode:o} {}", metadata.len());
            }
        }
    }
    text
}

#[test]
fn good_packages() {
    let check = |entries: &[Made], expected: &str| {
        let (_scratch, into) = place();
        unpack(&archive(entries), &into, &UnpackLimits::default()).expect("it is fine");
        assert_eq!(listing(&into), expected);
    };
    check(&[], "");
    check(
        &[
            made("index.js", 0o100644, b"code"),
            made("bin/run", 0o100755, b"#!"),
            made("private", 0o100400, b"x"),
            made("windows\\made.txt", 0, b""),
            made("./", 0o40755, b""),
            made("./a/./b", 0o100644, b""),
            made("empty/", 0o40700, b""),
            made("./empty/", 0o40700, b""),
        ],
        "a/ 755\nbin/ 755\nempty/ 755\nindex.js 644 4\nprivate 644 1\nwindows/ 755\n\
         windows/made.txt 644 0\nbin/run 755 2\na/b 644 0\n",
    );
    check(
        &[
            made("lib/real.so.1", 0o100755, b"so"),
            made("lib/real.so", 0o120777, b"real.so.1"),
            made("node_modules/.bin/tool", 0o120777, b"../tool/cli.js"),
        ],
        "lib/ 755\nnode_modules/ 755\nnode_modules/.bin/ 755\nnode_modules/.bin/tool -> ../tool/cli.js\n\
         lib/real.so -> real.so.1\nlib/real.so.1 755 2\n",
    );
    // What would run as somebody else does not.
    check(&[made("setuid", 0o104755, b"")], "setuid 755 0\n");
}

#[test]
fn attacks() {
    let check = |entries: &[Made], expected: &str| {
        let (scratch, into) = place();
        let limits = UnpackLimits { unzipped: ByteSize(1000), entries: 20 };
        let error = unpack(&archive(entries), &into, &limits).expect_err(expected);
        assert_eq!(error.to_string(), expected);
        assert_eq!(listing(scratch.path()), "", "{expected}");
    };
    let text = |name, data: &[u8]| made(name, 0o100644, data);
    let link = |name, target: &str| made(name, 0o120777, target.as_bytes());
    let is = |name: &str, problem: &str| format!("the package's entry `{name}` {problem}");

    check(&[text("../evil", b"")], &is("../evil", "leads out of the package"));
    check(&[text("a/../../evil", b"")], &is("a/../../evil", "leads out of the package"));
    check(&[text("..\\evil", b"")], &is("..\\evil", "leads out of the package"));
    check(&[text("/etc/evil", b"")], &is("/etc/evil", "has an absolute path"));
    check(&[text("C:\\evil", b"")], &is("C:\\evil", "has an absolute path"));
    check(&[text("nul\0.js", b"")], &is("nul\0.js", "has a NUL in its name"));

    check(&[link("out", "/etc/passwd")], &is("out", "is a link out of the package"));
    check(&[link("a/out", "../../x")], &is("a/out", "is a link out of the package"));
    check(&[link("x/y/l", "../.."), link("m", "x/y/l/../..")], &is("m", "is a link through another link"));
    check(
        &[link("dir", "."), text("dir/evil", b"")],
        &is("dir/evil", "lies below something that is no directory"),
    );
    check(&[link("empty", "")], &is("empty", "is a link to no path"));

    for mode in [0o010644, 0o020644, 0o060644, 0o140644] {
        check(&[made("special", mode, b"")], &is("special", "is neither a file nor a directory nor a link"));
    }

    check(&[text("twice", b"1"), text("./twice", b"2")], &is("./twice", "is there twice"));
    check(&[text("twice", b"1"), text("twice", b"2")], &is("", "or another one is there twice"));
    check(&[text("a", b"1"), text("a/b", b"2")], &is("a/b", "lies below something that is no directory"));
    check(&[text("a", b"1"), made("a/", 0o40755, b"")], &is("a/", "is there twice"));

    check(&[text("a", &[0; 600]), text("b", &[0; 600])], "unzipped size must be smaller than 1000 bytes");
    let liar = Made { told: Some(10), ..text("liar", &[0; 600]) };
    let (scratch, into) = place();
    unpack(&archive(&[liar]), &into, &UnpackLimits::default()).expect_err("it tells less than there is");
    assert_eq!(listing(scratch.path()), "");

    let many: Vec<Made> = (0..21).map(|_| text("x", b"")).collect();
    unpack(&archive(&many), &into, &UnpackLimits { entries: 20, ..UnpackLimits::default() })
        .expect_err("too many");
    check(&[Made { encrypted: true, ..text("secret", b"") }], &is("secret", "is encrypted"));
}

#[test]
fn no_archives() {
    for bytes in [&b""[..], b"PK", b"no zip at all", &archive(&[made("cut", 0o100644, b"1234")])[..40]] {
        let (scratch, into) = place();
        unpack(bytes, &into, &UnpackLimits::default()).expect_err("no archive");
        assert_eq!(listing(scratch.path()), "");
    }
}

#[test]
fn what_is_there_stays() {
    let (_scratch, into) = place();
    fs::create_dir_all(&into).expect("a directory");
    fs::write(into.join("mine"), "mine").expect("a file");
    unpack(&archive(&[made("a", 0o100644, b"")]), &into, &UnpackLimits::default()).expect_err("not empty");
    assert_eq!(listing(&into), "mine 644 4\n");
}
