//! The ledger through crashes: a store that is dropped without a stop, as a killed process leaves it.

use super::*;
use aloft_base::{AccountId, Region};
use std::path::PathBuf;

pub(super) fn invocation(name: &str, number: u32) -> Invocation {
    let function = Function {
        account: AccountId::local(),
        region: Region::us_east_1(),
        name: name.into(),
        version: "$LATEST".to_owned(),
        memory_mb: 128,
        architecture: "x86_64".to_owned(),
    };
    Invocation {
        at: Timestamp(1_795_406_706_000),
        request_id: format!("request-{number}"),
        function: Arc::new(function),
        qualifier: None,
        cause: format!("arn:aws:sts::000000000000:assumed-role/tester/{number}").into(),
        trace_id: "x".repeat(4000),
        iterator_age_ms: None,
        concurrent: 0,
    }
}

pub(super) fn ending(billed_ms: u64, verdict: Verdict) -> Ending {
    Ending {
        billed_ms,
        duration_ms: billed_ms as f64 - 0.5,
        init_ms: Some(3.0),
        ..Ending::without_work(verdict)
    }
}

fn open(directory: &std::path::Path) -> (Store, Clock, Arc<Metering>) {
    let store = Store::open(directory).expect("a store");
    let clock = Clock::fixed(Timestamp(1_795_406_706_789));
    let metering = Metering::open(&store, &clock).expect("a ledger");
    (store, clock, metering)
}

fn total(store: &Store) -> sums::Sum {
    let all = sums::invocations(&store.read().expect("a view"), Timestamp(0), Timestamp(i64::MAX / 2));
    let mut total = sums::Sum::default();
    all.expect("sums").iter().for_each(|one| total.add(&one.sum));
    total
}

/// Each request has one row, and the sums tell what the rows tell.
fn check(store: &Store, expected: &[(&str, Verdict)]) {
    let mut rows: Vec<(String, Verdict)> = recent(store, 1000)
        .expect("rows")
        .into_iter()
        .map(|row| (row.invocation.request_id, row.ending.verdict))
        .collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    let expected: Vec<(String, Verdict)> =
        expected.iter().map(|(id, verdict)| ((*id).to_owned(), *verdict)).collect();
    assert_eq!(rows, expected);
    let billed: u64 = recent(store, 1000).expect("rows").iter().map(|row| row.ending.billed_ms).sum();
    let total = total(store);
    let ran = expected.iter().filter(|(_, verdict)| *verdict != Verdict::Throttle).count();
    assert_eq!((total.billed_ms, total.invocations), (billed, ran as u64));
    let errors = expected.iter().filter(|(_, verdict)| verdict.is_error()).count();
    assert_eq!(total.errors, errors as u64);
}

/// What a process that is killed now leaves: the files as they are.
fn killed(directory: &std::path::Path) -> PathBuf {
    let copy = directory.with_extension(aloft_base::Ids::random().hex(8));
    std::fs::create_dir_all(&copy).expect("a directory");
    for name in ["store.redb", "ledger.slots"] {
        std::fs::copy(directory.join(name), copy.join(name)).expect("copied");
    }
    copy
}

#[tokio::test]
async fn what_began_has_one_row_whatever_crashed() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (store, _, metering) = open(&temporary.path().join("cloud"));
    metering.begin(invocation("f", 1)).end(ending(5, Verdict::Ok));
    metering.flush().await.expect("written");
    // Ended, and not yet in the store.
    metering.begin(invocation("f", 2)).end(ending(7, Verdict::Error));
    let running = metering.begin(invocation("f", 3));
    metering.begin(invocation("f", 4)).cancel();
    check(&store, &[("request-1", Verdict::Ok)]);
    let mut directory = killed(&temporary.path().join("cloud"));
    running.end(ending(9, Verdict::Ok));

    let after =
        [("request-1", Verdict::Ok), ("request-2", Verdict::Error), ("request-3", Verdict::Interrupted)];
    for _ in 0..2 {
        // Killed once more before it could write them, then after it has.
        let before_writing = open(&directory);
        directory = killed(&directory);
        drop(before_writing);
        let (store, _, metering) = open(&directory);
        metering.flush().await.expect("written");
        check(&store, &after);
        directory = killed(&directory);
    }
    let (store, _, metering) = open(&directory);
    drop(metering.begin(invocation("f", 5)));
    metering.throttled(invocation("f", 6));
    metering.flush().await.expect("written");
    let mut all = after.to_vec();
    all.extend([("request-5", Verdict::Interrupted), ("request-6", Verdict::Throttle)]);
    check(&store, &all);
    assert_eq!(total(&store).billed_ms, 12);

    store.reset().await.expect("empty");
    metering.forget().expect("forgotten");
    drop((store, metering));
    let (store, _, metering) = open(&directory);
    metering.flush().await.expect("written");
    check(&store, &[]);
}

#[tokio::test]
async fn old_sums_are_put_together_and_metrics_tell_them() {
    let store = Store::ephemeral().expect("a store");
    let clock = Clock::fixed(Timestamp(1_795_406_706_789));
    let metering = Metering::open(&store, &clock).expect("a ledger");
    let (one, other) = (metering.begin(invocation("f", 1)), metering.begin(invocation("f", 2)));
    one.end(ending(10, Verdict::Ok));
    other.end(ending(20, Verdict::Timeout));
    metering.called(&Principal::Root, "s3", "PutObject");
    metering.called(&Principal::Service("lambda.amazonaws.com".to_owned()), "s3", "PutObject");
    metering.flush().await.expect("written");
    let before = total(&store);
    assert_eq!((before.invocations, before.timeouts, before.billed_ms, before.cold_starts), (2, 1, 30, 2));

    let series = Series {
        account: AccountId::local(),
        region: Region::us_east_1(),
        namespace: "AWS/Lambda".to_owned(),
        dimensions: [("FunctionName".to_owned(), "f".to_owned())].into(),
    };
    let read = |metric: &str| {
        let snapshot = store.read().expect("a view");
        let all = series::read(&snapshot, &series, metric, Timestamp(0), clock.now()).expect("values");
        let mut sum = Stat::default();
        all.iter().for_each(|(_, stat)| sum.add(stat));
        (all.len(), sum.count, sum.sum, sum.greatest)
    };
    let shown = [("Invocations", (1, 2.0, 2.0, 1.0)), ("Errors", (1, 2.0, 1.0, 1.0))];
    let more = [("Duration", (1, 2.0, 29.0, 19.5)), ("ConcurrentExecutions", (1, 2.0, 3.0, 2.0))];
    // Now by the minute, later by the hour, then no more.
    for days in [0, 70] {
        clock.advance(Duration::from_secs(days * 86_400));
        metering.flush().await.expect("tidied");
        for (metric, expected) in shown.iter().chain(&more) {
            assert_eq!(read(metric), *expected, "{metric} after {days} days");
        }
        assert_eq!(total(&store), before, "the sums stay");
    }
    let days = sums::invocations(&store.read().expect("a view"), Timestamp(0), clock.now()).expect("sums");
    assert_eq!(days[0].to.since(days[0].from), Duration::from_secs(86_400), "by the day by now");
    let calls = sums::calls(&store.read().expect("a view"), Timestamp(0), clock.now()).expect("counts");
    let counts: Vec<(&str, u64)> = calls.iter().map(|call| (call.operation.as_str(), call.count)).collect();
    assert_eq!(counts, [("PutObject", 1)], "services' own calls are not billed");
    clock.advance(Duration::from_secs(400 * 86_400));
    metering.flush().await.expect("tidied");
    assert_eq!(read("Invocations").0, 0);
}

/// What comes while rows are written waits for the next time: a flush under load ends.
#[tokio::test]
async fn a_flush_writes_what_waits_at_its_beginning() {
    let store = Store::ephemeral().expect("a store");
    let metering = Metering::open(&store, &Clock::fixed(Timestamp(1_795_406_706_789))).expect("a ledger");
    let run = || metering.begin(invocation("f", 0)).end(ending(1, Verdict::Ok));
    run();
    let more = async {
        for _ in 0..10 {
            while lock(&metering.pending).groups() > 0 {
                tokio::task::yield_now().await;
            }
            run();
        }
        panic!("it takes up whatever comes");
    };
    tokio::select! {
        flushed = metering.flush() => flushed.expect("written"),
        () = more => {}
    }
    metering.flush().await.expect("written");
    assert!(lock(&metering.pending).groups() == 0 && total(&store).invocations >= 2);
}
