//! Java: the ways of writing a handler, their contexts, errors and logs. The functions are compiled here.

use super::{Bench, assert_like, event, function};
use crate::FunctionError;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The interfaces of `aws-lambda-java-core`, which functions bring along.
const CORE: &[(&str, &str)] = &[
    ("Client", "String getInstallationId(); String getAppTitle();"),
    ("ClientContext", "Client getClient(); java.util.Map<String, String> getCustom();"),
    ("CognitoIdentity", "String getIdentityId(); String getIdentityPoolId();"),
    (
        "Context",
        "String getAwsRequestId(); String getFunctionName(); String getInvokedFunctionArn(); CognitoIdentity getIdentity();
         ClientContext getClientContext(); int getRemainingTimeInMillis(); int getMemoryLimitInMB(); LambdaLogger getLogger();",
    ),
    ("LambdaLogger", "void log(String text); void log(byte[] text);"),
    ("RequestHandler<I, O>", "O handleRequest(I input, Context context);"),
    (
        "RequestStreamHandler",
        "void handleRequest(java.io.InputStream input, java.io.OutputStream output, Context context) throws java.io.IOException;",
    ),
];

/// Handlers of all kinds.
const HANDLERS: &str = r#"
package example;

import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;

public class Handlers {
    public enum Size { SMALL, LARGE }
    public static class Item { public Size size; public int[] parts; private Date made; public Date getMade() { return made; } public void setMade(Date made) { this.made = made; } }
    public static class Order {
        private String name; private List<Item> items; private Map<String, Item> byName; private boolean paid;
        public String getName() { return name; } public void setName(String name) { this.name = name; }
        public List<Item> getItems() { return items; } public void setItems(List<Item> items) { this.items = items; }
        public Map<String, Item> getByName() { return byName; } public void setByName(Map<String, Item> byName) { this.byName = byName; }
        public boolean isPaid() { return paid; } public void setPaid(boolean paid) { this.paid = paid; }
    }
    public record Point(int x, Optional<String> label) {}
    /** Without a constructor that takes nothing. */
    public static class Fixed { private final String text; private final java.time.Instant at; public Fixed(String text, java.time.Instant at) { this.text = text; this.at = at; } public String getText() { return text; } public String getAt() { return at.toString(); } }

    public Order bean(Order order) { order.setPaid(!order.isPaid()); return order; }
    public Point point(Point point) { return new Point(point.x() + 1, point.label()); }
    public Fixed fixed(Fixed fixed) { return fixed; }
    public int sum(List<Integer> numbers) { return numbers.stream().mapToInt(it -> it).sum(); }
    public String greet(String name) { return "hello " + name + " ✓"; }
    public Object any(Object value) { return value; }
    public void nothing() { System.out.println("ran é"); }
    /** Of two the one with the context is meant. */
    public String both(Map<String, Object> event) { return "wrong"; }
    public String both(Map<String, Object> event, Context context) { return context.getFunctionName(); }
    public static String fixedMethod() { return "static"; }

    public static class Typed implements RequestHandler<Order, Map<String, Object>> {
        public Map<String, Object> handleRequest(Order order, Context context) {
            context.getLogger().log("several\nlines");
            Map<String, Object> seen = new LinkedHashMap<>();
            seen.put("name", order.getName());
            seen.put("id", context.getAwsRequestId());
            seen.put("arn", context.getInvokedFunctionArn());
            seen.put("memory", context.getMemoryLimitInMB());
            seen.put("left", context.getRemainingTimeInMillis() > 10000);
            seen.put("title", context.getClientContext().getClient().getAppTitle());
            seen.put("custom", context.getClientContext().getCustom());
            seen.put("identity", context.getIdentity().getIdentityId());
            return seen;
        }
    }
    public abstract static class Base<T> implements RequestHandler<T, String> {
        public String handleRequest(T input, Context context) { return input.getClass().getSimpleName(); }
    }
    public static class Concrete extends Base<Order> {}
    public static class Streams implements RequestStreamHandler {
        public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
            output.write('<');
            for (int one; (one = input.read()) >= 0; ) output.write(one);
            output.write('>');
        }
    }
    public String library(Object event) { return com.example.Library.NAME; }
    public String fail(Map<String, Object> event) { throw new IllegalStateException("as asked", new RuntimeException("inner")); }
    public static class Broken { static { if (true) throw new RuntimeException("at load"); } public void handle() {} }
}
"#;

/// Compiles the handlers: their classes and the interfaces in the package, a library in its `lib`.
fn compile(bench: &Bench) -> Option<PathBuf> {
    let javac =
        std::env::split_paths(&std::env::var_os("PATH")?).map(|it| it.join("javac")).find(|it| it.exists());
    let Some(javac) = javac else {
        eprintln!("javac is absent: skipped");
        return None;
    };
    let mut files = vec![
        ("src/example/Handlers.java".to_owned(), HANDLERS.to_owned()),
        (
            "src/com/example/Library.java".to_owned(),
            "package com.example; public class Library { public static String NAME = \"from the library\"; }"
                .to_owned(),
        ),
    ];
    for (name, methods) in CORE {
        let package = "com/amazonaws/services/lambda/runtime";
        let file = format!("src/{package}/{}.java", name.split('<').next().unwrap_or(name));
        files.push((
            file,
            format!("package {}; public interface {name} {{ {methods} }}", package.replace('/', ".")),
        ));
    }
    let listed: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let source = bench.code(&listed);
    let code = bench.code(&[("readme.txt", "")]);
    let mut command = Command::new(javac);
    command.args(["-J-XX:TieredStopAtLevel=1", "-encoding", "UTF-8", "-d"]).arg(&code);
    let output = command.args(files.iter().map(|(name, _)| source.join(name))).output().expect("javac");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let class = code.join("com/example/Library.class");
    archive(&code.join("lib/library.jar"), "com/example/Library.class", &fs::read(&class).expect("a class"));
    fs::remove_file(class).expect("removed");
    Some(code)
}

fn archive(path: &Path, name: &str, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    let mut zip = zip::ZipWriter::new(fs::File::create(path).expect("a file"));
    zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("an entry");
    zip.write_all(content).expect("written");
    zip.finish().expect("an archive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java() {
    let bench = Bench::new();
    let Some(code) = compile(&bench) else { return bench.end().await };
    let order = r#"{"NAME":"Ada","items":[{"size":"LARGE","parts":[1,2],"made":1500000000.5}],"byName":{"one":{"size":"SMALL"}},"paid":false,"unknown":{}}"#;
    for (handler, payload, expected) in [
        (
            "example.Handlers::bean",
            order,
            r#"{"name":"Ada","items":[{"size":"LARGE","parts":[1,2],"made":1500000000500}],"byName":{"one":{"size":"SMALL","parts":null,"made":null}},"paid":true}"#,
        ),
        ("example.Handlers::point", r#"{"x":1,"label":"a"}"#, r#"{"x":2,"label":"a"}"#),
        (
            "example.Handlers::fixed",
            r#"{"text":"a\"\\\u00e9","at":"2026-01-02T03:04:05Z"}"#,
            r#"{"text":"a\"\\é","at":"2026-01-02T03:04:05Z"}"#,
        ),
        ("example.Handlers::sum", "[1, 2, 3]", "6"),
        ("example.Handlers::greet", r#""Ada""#, r#""hello Ada ✓""#),
        ("example.Handlers::any", r#"{"a":[1,2.5,-3e2,12345678901,null,true]}"#, r#"{"a":[1,2.5,-300.0,12345678901,null,true]}"#),
        ("example.Handlers::nothing", "{}", "null"),
        ("example.Handlers::both", "{}", "\"function-*\""),
        ("example.Handlers::fixedMethod", "{}", "\"static\""),
        ("example.Handlers$Concrete", "{}", "\"Order\""),
        ("example.Handlers$Streams::handleRequest", "{ }", "<{ }>"),
        ("example.Handlers::library", "{}", "\"from the library\""),
        ("example.Handlers::absent", "{}", r#"*"No public method named absent with appropriate method signature found on class example.Handlers"*"#),
        ("example.Absent", "{}", r#"{"errorMessage":"Class not found: example.Absent","errorType":"java.lang.ClassNotFoundException","stackTrace":[]}"#),
        ("example.Handlers$Broken::handle", "{}", r#"{"errorMessage":"at load","errorType":"java.lang.RuntimeException",*"#),
        ("example.Handlers::sum", "{}", r#"{"errorMessage":"An error occurred during JSON parsing",*"#),
    ]
    .into_iter()
    {
        let mut spec = function("java17", handler, &code);
        spec.name = format!("function-{}", handler.replace(|it: char| !it.is_ascii_alphanumeric(), "-") + &payload.len().to_string());
        let outcome = bench.invoke(&spec, payload).await;
        assert_like(&String::from_utf8_lossy(&outcome.payload), expected);
    }
    assert!(bench.logged().iter().any(|it| it == "ran é\n"));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contexts_and_errors() {
    let bench = Bench::new();
    let Some(code) = compile(&bench) else { return bench.end().await };
    let mut invocation = event(r#"{"name":"Ada"}"#);
    invocation.client_context = Some(r#"{"client":{"app_title":"Título"},"custom":{"a":"b"}}"#.to_owned());
    invocation.cognito_identity = Some(r#"{"cognitoIdentityId":"i"}"#.to_owned());
    let spec = Arc::new(function("java21", "example.Handlers$Typed", &code));
    for _ in 0..2 {
        let outcome = bench.workers.invoke(spec.clone(), invocation.clone()).await.expect("it takes place");
        assert_eq!(
            String::from_utf8_lossy(&outcome.payload),
            r#"{"name":"Ada","id":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","arn":"arn:aws:lambda:us-east-1:000000000000:function:greeter","memory":256,"left":true,"title":"Título","custom":{"a":"b"},"identity":"i"}"#
        );
    }
    assert_eq!(bench.workers.status().environments.len(), 1);
    assert!(bench.logged().contains(&"several\nlines\n".to_owned()), "{:#?}", bench.logged());

    let mut failing = function("java17", "example.Handlers::fail", &code);
    failing.name = "failing".to_owned();
    let outcome = bench.invoke(&failing, "{}").await;
    assert_eq!(outcome.error, Some(FunctionError::Handled));
    assert_like(
        &String::from_utf8_lossy(&outcome.payload),
        r#"{"errorMessage":"as asked","errorType":"java.lang.IllegalStateException","stackTrace":["example.Handlers.fail(Handlers.java:*)"],"cause":{"errorMessage":"inner","errorType":"java.lang.RuntimeException",*}}"#,
    );
    let log = "as asked: java.lang.IllegalStateException\njava.lang.IllegalStateException: as asked\n\tat example.Handlers.fail(*";
    assert!(bench.logged().iter().any(|it| super::is_like(it, log)), "{:#?}", bench.logged());
    bench.end().await;
}
