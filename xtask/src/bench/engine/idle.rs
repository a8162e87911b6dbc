//! Ten thousand functions that are deployed and that nobody calls: what they cost, and how soon the first of them answers.

use super::super::options;
use super::processes::{descendants, resident_mb};
use super::table::{Side, Table};
use aloft_testkit::{TempCloud, try_http};
use anyhow::{Result, bail, ensure};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const FUNCTIONS: usize = 10_000;
/// How many are made at once.
const CLIENTS: usize = 16;
/// When it stops making more.
const WITHIN: Duration = Duration::from_secs(60);

/// `index.js` of one line in a zip without compression, in base64.
const ZIP: &str = "UEsDBBQAAAAAAAAAIQBvlBInQwAAAEMAAAAIAAAAaW5kZXguanNleHBvcnRzLmhhbmRsZXIgPSBhc3luYyAoKSA9PiAoeyBzdGF0dXNDb2RlOiAyMDAsIGJvZHk6ICdoZWxsbycgfSk7UEsBAhQDFAAAAAAAAAAhAG+UEidDAAAAQwAAAAgAAAAAAAAAAAAAAIABAAAAAGluZGV4LmpzUEsFBgAAAAABAAEANgAAAGkAAAAAAA==";

pub fn measure(binary: &Path, table: &mut Table) -> Result<()> {
    let cloud = TempCloud::with(options(binary));
    let before = resident_mb(cloud.pid())?;
    let started = Instant::now();
    let endpoint = cloud.endpoint().to_owned();
    let make = |client: usize| -> Result<usize> {
        let mut made = 0;
        for number in (client..FUNCTIONS).step_by(CLIENTS) {
            if started.elapsed() > WITHIN {
                break;
            }
            let body = format!(
                r#"{{"FunctionName":"idle-{number}","Runtime":"nodejs20.x","Handler":"index.handler","Role":"arn:aws:iam::000000000000:role/idle","Code":{{"ZipFile":"{ZIP}"}}}}"#
            );
            match try_http("POST", &format!("{endpoint}/2015-03-31/functions"), &[], body.as_bytes()) {
                Ok(answer) if answer.status == 201 => made += 1,
                Ok(answer) => bail!("a function was not made: {answer}"),
                Err(error) => bail!("a function was not made: {error}"),
            }
        }
        Ok(made)
    };
    let made = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || make(client))).collect();
        let joined = threads.into_iter().map(|it| it.join().unwrap_or_else(|_| bail!("a thread broke off")));
        joined.sum::<Result<usize>>()
    })?;
    let took = started.elapsed().as_secs_f64();
    let memory = resident_mb(cloud.pid())?;
    ensure!(descendants(cloud.pid())?.is_empty(), "functions that nobody called have processes");
    let first = Instant::now();
    let path = format!("{}/2015-03-31/functions/idle-{}/invocations", cloud.endpoint(), made / 2);
    let answer = try_http("POST", &path, &[], b"{}").map_err(anyhow::Error::msg)?;
    let first = first.elapsed().as_secs_f64() * 1000.0;
    ensure!(answer.status == 200, "{answer}");
    table.put("functions deployed and not called", Side::Aloft, made as f64);
    table.put("  deployed per second", Side::Aloft, made as f64 / took);
    table.put("  memory of the cloud with them (MB)", Side::Aloft, memory);
    table.put("  memory for each (KB)", Side::Aloft, (memory - before) * 1024.0 / made as f64);
    table.put("  first request to one of them (ms)", Side::Aloft, first);
    Ok(())
}
