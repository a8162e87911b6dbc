//! Ruby, where it is installed: handlers, contexts, errors; where it is not, what to install.

use super::{Bench, assert_like, event, function};
use crate::{FunctionError, InvokeError};
use std::sync::Arc;

const CODE: &str = r#"
require 'helper'

def handler(event:, context:)
  puts "several é"
  raise ArgumentError, "as asked" if event['fail']
  { event: event, id: context.aws_request_id, left: context.get_remaining_time_in_millis > 10_000,
    title: context.client_context['client']['app_title'], memory: context.memory_limit_in_mb, helper: Helper::NAME }
end

module Api
  def self.create(event:, context:) = 'made'
end
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby() {
    let bench = Bench::new();
    let code = bench.code(&[("src/index.rb", CODE)]);
    let mut spec = function("ruby3.4", "src/index.handler", &code);
    spec.layer_directories =
        vec![bench.code(&[("ruby/lib/helper.rb", "module Helper\n  NAME = 'layer'\nend")])];
    let mut invocation = event(r#"{"name":"Ada"}"#);
    invocation.client_context = Some(r#"{"client":{"app_title":"Título"}}"#.to_owned());
    for _ in 0..2 {
        let outcome = match bench.workers.invoke(Arc::new(spec.clone()), invocation.clone()).await {
            Err(InvokeError::RuntimeMissing { message }) => {
                let advice = "the runtime `ruby3.4` needs Ruby, which is not installed: install the package `ruby` 3 or later (`apt-get install ruby`*";
                assert_like(&message, advice);
                eprintln!("Ruby is absent: skipped");
                return bench.end().await;
            }
            outcome => outcome.expect("it takes place"),
        };
        assert_eq!(
            String::from_utf8_lossy(&outcome.payload),
            r#"{"event":{"name":"Ada"},"id":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","left":true,"title":"Título","memory":"256","helper":"layer"}"#
        );
    }
    let failed = bench.invoke(&spec, r#"{"fail":true}"#).await;
    assert_eq!(failed.error, Some(FunctionError::Handled));
    let payload = r#"{"errorMessage":"as asked","errorType":"Function<ArgumentError>","stackTrace":["*/src/index.rb:6:in *"]}"#;
    assert_like(&String::from_utf8_lossy(&failed.payload), payload);
    assert_eq!(bench.workers.status().environments[0].invocations, 3);
    assert_eq!(bench.logged().iter().filter(|it| *it == "several é\n").count(), 3);
    let log = "Function<ArgumentError>: as asked\n*index.rb:6:*";
    assert!(bench.logged().iter().any(|it| super::is_like(it, log)), "{:#?}", bench.logged());

    for (handler, expected) in [
        ("src/index.Api.create", "\"made\""),
        (
            "src/absent.handler",
            r#"{"errorMessage":"cannot load such file -- *src/absent","errorType":"Init<LoadError>",*"#,
        ),
        (
            "src/index.absent",
            r#"{"errorMessage":"undefined method *absent*","errorType":"Init<NameError>",*"#,
        ),
    ] {
        spec.handler = handler.to_owned();
        spec.name = handler.replace(['/', '.'], "-");
        let outcome = bench.invoke(&spec, "{}").await;
        assert_like(&String::from_utf8_lossy(&outcome.payload), expected);
    }
    bench.end().await;
}
