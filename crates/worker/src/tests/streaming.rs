//! Answers that are read while they are written.

use super::{Bench, event, function};
use crate::{EnvironmentLimits, FunctionError, Invocation, ResponseStream, StreamPiece, WorkersOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The pieces of a streamed answer, and its end: the error's kind and the payload.
async fn stream(bench: &Bench, code: &str) -> (Vec<StreamPiece>, Option<FunctionError>, String) {
    let spec = Arc::new(function("nodejs20.x", "index.handler", bench.code(&[("index.js", code)])));
    let (stream, mut reader) = ResponseStream::new();
    let invocation = Invocation { stream: Some(stream), ..event("{}") };
    let mut pieces = Vec::new();
    let reading = async {
        while let Some(piece) = reader.recv().await {
            pieces.push(piece);
        }
    };
    let (outcome, ()) = tokio::join!(bench.workers.invoke(spec, invocation), reading);
    let outcome = outcome.expect("an outcome");
    (pieces, outcome.error, String::from_utf8_lossy(&outcome.payload).into_owned())
}

/// The bytes of an answer.
fn length(pieces: &[StreamPiece]) -> usize {
    let length = |piece: &StreamPiece| if let StreamPiece::Data(data) = piece { data.len() } else { 0 };
    pieces.iter().map(length).sum()
}

fn data(text: &'static str) -> StreamPiece {
    StreamPiece::Data(text.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_come_one_by_one() {
    let bench = Bench::new();
    let code = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        stream.setContentType('text/plain');
        stream.write('one ');
        await new Promise((done) => setTimeout(done, 20));
        stream.end('two');
    })";
    let begin = |kind: &str| StreamPiece::Begin(kind.to_owned());
    let whole = vec![begin("text/plain"), data("one "), data("two")];
    assert_eq!(stream(&bench, code).await, (whole, None, String::new()));

    let code = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        stream.write('half');
        await new Promise((done) => setTimeout(done, 20));
        throw new RangeError('no more');
    })";
    let (pieces, error, payload) = stream(&bench, code).await;
    assert_eq!(pieces, [begin("application/octet-stream"), data("half")]);
    assert_eq!(error, Some(FunctionError::Handled));
    assert!(payload.starts_with(r#"{"errorType":"RangeError","errorMessage":"no more""#), "{payload}");

    // A function that does not stream: all of it is in the outcome.
    let whole = stream(&bench, "exports.handler = async () => 'whole'").await;
    assert_eq!(whole, (vec![], None, r#""whole""#.to_owned()));
    bench.end().await;
}

/// The pieces within the limit are passed on, the invocation fails, and the environment goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_ends_a_streamed_answer() {
    assert_eq!(EnvironmentLimits::default().streamed, 200 * 1024 * 1024);
    let bench = Bench::with_options(Duration::from_secs(10), |options| WorkersOptions {
        limits: EnvironmentLimits { streamed: 100_000, ..options.limits },
        ..options
    });
    let code = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        for (let count = 0; count < 30; count++) {
            stream.write('x'.repeat(5000));
            await new Promise((done) => setTimeout(done, 1));
        }
        stream.end();
    })";
    let (pieces, error, payload) = stream(&bench, code).await;
    let passed_on = length(&pieces);
    assert!((80_000..=100_000).contains(&passed_on), "{passed_on}");
    assert_eq!(error, Some(FunctionError::Handled));
    let message = "Response payload size exceeded maximum allowed payload size (100000 bytes).";
    assert!(payload.contains("Function.ResponseSizeTooLarge") && payload.contains(message), "{payload}");
    assert_eq!(bench.workers.status().environments.len(), 1);
    bench.end().await;
}

/// What is beyond the first part takes its time, and what waits for that is not held by anybody but the function.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bandwidth_holds_the_function_back() {
    let bench = Bench::with_options(Duration::from_secs(10), |options| WorkersOptions {
        limits: EnvironmentLimits {
            streamed_burst: 1_000_000,
            streamed_bandwidth: Some(1_000_000),
            ..options.limits
        },
        ..options
    });
    let code = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        for (let count = 0; count < 13; count++) stream.write('x'.repeat(100000));
        stream.end();
    })";
    let begun = Instant::now();
    let (pieces, error, _) = stream(&bench, code).await;
    assert_eq!((length(&pieces), error), (1_300_000, None));
    // A little less where a piece's time was made up for.
    assert!(begun.elapsed() > Duration::from_millis(250), "{:?}", begun.elapsed());

    // As much as it can in a quarter of a second.
    let code = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {
        let written = 0;
        setTimeout(() => { console.log('written', written); process.exit(0); }, 250);
        for (;;) {
            written += 100000;
            if (!stream.write('x'.repeat(100000))) await new Promise((done) => stream.once('drain', done));
        }
    })";
    let (pieces, error, _) = stream(&bench, code).await;
    assert_eq!(error, Some(FunctionError::Unhandled));
    let written = bench.logged().iter().find_map(|line| line.split("written ").nth(1)?.trim().parse().ok());
    let written: usize = written.expect("a log line");
    // The first part, and what the connection's buffers hold.
    assert!((1_000_000..=2_000_000).contains(&length(&pieces)), "{}", length(&pieces));
    assert!(written < 20_000_000, "{written}");
    bench.end().await;
}
