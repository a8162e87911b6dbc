//! Functions that go wrong, through `aloft invoke`: Lambda's own errors, exit code 1, and the next invocation is well.

use super::{deploy, same};
use aloft_testkit::{Project, TempCloud};

const SERVICE: &str = "
service: bad
provider:
  name: aws
  memorySize: 128
  timeout: 1
functions:
  js:
    handler: bad.js
    runtime: nodejs20.x
  py:
    handler: bad.py
    runtime: python3.11
  hungry:
    handler: bad.py
    runtime: python3.11
    timeout: 20
  syntax:
    handler: broken.py
    runtime: python3.11
";

const JS: &str = "
exports.js = async (event) => {
  if (event.how === 'throw') throw new TypeError('as asked');
  if (event.how === 'exit') process.exit(3);
  if (event.how === 'sleep') await new Promise((resolve) => setTimeout(resolve, 60_000));
  return 'well';
};
";

const PY: &str = "
import os, time

class Refused(Exception):
    pass

def py(event, context):
    how = event.get('how')
    if how == 'throw':
        raise Refused('as asked')
    if how == 'exit':
        os._exit(3)
    if how == 'sleep':
        time.sleep(60)
    if how == 'eat':
        return len(b'x' * (1 << 30))
    return 'well'
";

/// Replaces what is new in each run: request ids, and where the code lies.
fn masked(text: &str) -> String {
    let is_id = |word: &str| word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let separator = |it: char| !(it.is_ascii_alphanumeric() || it == '-');
    let mut masked = text.to_owned();
    for word in text.split(separator).filter(|word| is_id(word)) {
        masked = masked.replace(word, "<id>");
    }
    masked.replace("2026", "<year>")
}

#[test]
fn functions_that_fail_give_lambdas_errors() {
    let (cloud, project) =
        (TempCloud::start(), Project::new(&[("serverless.yml", SERVICE), ("bad.js", JS), ("bad.py", PY)]));
    project.write("broken.py", "def py(event, context)\n    return 1\n");
    deploy(&cloud, &project);
    let invoke = |function: &str, how: &str| {
        let data = format!(r#"{{"how": "{how}"}}"#);
        cloud.aloft(project.path(), &["invoke", "--local", "-f", function, "-d", &data])
    };
    let check = |function: &str, how: &str, fields: &[(&str, &str)]| {
        let finished = invoke(function, how).failure();
        let (json, rest) = finished.stdout.split_once("\n\n").unwrap_or((&finished.stdout, ""));
        assert_eq!(rest, "Error:\nInvoked function failed\n", "{finished}");
        let answer: serde_json::Value =
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {finished}"));
        for (name, expected) in fields {
            let actual = answer[*name].as_str().unwrap_or_default();
            assert_eq!(masked(actual), *expected, "{function} {how}: {answer}");
        }
    };
    check("js", "throw", &[("errorType", "TypeError"), ("errorMessage", "as asked")]);
    check("py", "throw", &[("errorType", "Refused"), ("errorMessage", "as asked")]);
    let exited = "RequestId: <id> Error: Runtime exited with error: exit status 3";
    check("js", "exit", &[("errorType", "Runtime.ExitError"), ("errorMessage", exited)]);
    check("py", "exit", &[("errorType", "Runtime.ExitError"), ("errorMessage", exited)]);
    let timed_out = "RequestId: <id> Error: Task timed out after 1.00 seconds";
    check("js", "sleep", &[("errorType", "Sandbox.Timedout"), ("errorMessage", timed_out)]);
    check("py", "sleep", &[("errorType", "Sandbox.Timedout"), ("errorMessage", timed_out)]);
    let killed = "RequestId: <id> Error: Runtime exited with error: signal: killed";
    check("hungry", "eat", &[("errorType", "Runtime.OutOfMemory"), ("errorMessage", killed)]);
    check("syntax", "", &[("errorType", "Runtime.UserCodeSyntaxError")]);
    for function in ["js", "py", "hungry"] {
        same(&invoke(function, "").success().stdout, "\"well\"");
    }
}

#[test]
fn what_is_not_deployed_or_not_there_is_told() {
    let (cloud, project) =
        (TempCloud::start(), Project::new(&[("serverless.yml", SERVICE), ("bad.js", JS), ("bad.py", PY)]));
    project.write("broken.py", "");
    let expected = r#"
Error:
error[FUNCTION_MISSING_IN_SERVICE]: Function "nobody" doesn't exist in this Service
 |
 = help: functions: js, py, hungry, syntax"#;
    same(&cloud.aloft(project.path(), &["invoke", "--local", "-f", "nobody"]).failure().stdout, expected);
    let missing = cloud.aloft(project.path(), &["invoke", "--local", "-f", "js"]).failure().stdout;
    assert!(
        missing.contains("Function not found: arn:aws:lambda:us-east-1:000000000000:function:bad-dev-js"),
        "{missing}"
    );
}
