//! What `aloft.toml` sets, and how its mistakes are shown.

use super::keys::SECTIONS;
use super::*;
use aloft_base::ByteSize;
use aloft_diag::render;

/// What is shown of a text with mistakes.
fn mistakes(text: &str) -> String {
    let mut sources = SourceMap::default();
    let source = sources.add("aloft.toml", text);
    let mistakes = read(text, source).expect_err("it is wrong");
    mistakes.iter().map(|it| render(it, &sources, false)).collect::<Vec<_>>().join("\n")
}

#[test]
fn everything_can_be_set() {
    let text = r#"
        [cloud]
        allow = ["127.0.0.1:5432", "10.20.0.0/16"]
        environments = 1_0
        idle-timeout = "90s"
        isolation = "strict"
        memory-budget = "2 GB"
        [limits]
        concurrent-executions = 7
        init-timeout = "1500ms"
        synchronous-payload = "7 MB"
        asynchronous-payload = 300
        open-files = 0x40
        processor-quota = true
        streamed-bandwidth = "unlimited"
        streamed-burst = 0
    "#;
    let settings = read(text, SourceId(0)).expect("it is right");
    let allow: Vec<String> = settings.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["127.0.0.1:5432", "10.20.0.0/16"]);
    assert_eq!((settings.environments, settings.memory_budget_mb), (10, Some(2048)));
    assert_eq!(
        (settings.idle_timeout, settings.isolation),
        (Some(Duration::from_secs(90)), Isolation::Strict)
    );
    let expected = FunctionLimits {
        concurrent_executions: 7,
        init_timeout: Duration::from_millis(1500),
        synchronous_payload: ByteSize::mebibytes(7),
        asynchronous_payload: ByteSize(300),
        open_files: 64,
        processor_quota: true,
        streamed_bandwidth: None,
        streamed_burst: ByteSize(0),
        ..FunctionLimits::default()
    };
    assert_eq!(settings.limits, expected);
}

/// The examples are right, they are what counts without them, and the documentation has all of them.
#[test]
fn examples_are_the_defaults_and_documented() {
    let documentation = include_str!("../../../../docs/settings.md");
    let mut all = String::new();
    for section in SECTIONS {
        assert!(section.keys.is_sorted_by_key(|it| it.name), "{}", section.name);
        assert!(documentation.contains(&format!("[{}]", section.name)));
        all += &format!("[{}]\n", section.name);
        for key in section.keys {
            let line = format!("{} = {}", key.name, key.example);
            assert!(documentation.contains(&line), "{line}");
            all += &format!("{line}\n");
        }
    }
    let settings = read(&all, SourceId(0)).expect("they are right");
    assert_eq!(settings.limits, FunctionLimits::default());
    assert_eq!(settings.environments, Settings::default().environments);
}

#[test]
fn mistakes_have_their_places() {
    let check = |text: &str, line: &str, parts: &[&str]| {
        let shown = mistakes(text);
        for part in [&[line], parts].concat() {
            assert!(shown.contains(part), "{part:?} in\n{shown}");
        }
    };
    check(
        "[cloud]\nidle-timout = \"5m\"\n",
        "aloft.toml:2:1",
        &[
            "error[INVALID_SETTINGS]: `idle-timout` is no setting of `[cloud]`",
            "did you mean `idle-timeout`?",
        ],
    );
    check("\n[limit]\nburst = 1\n", "aloft.toml:2:2", &["`limit` is no section", "did you mean `limits`?"]);
    check("[cloud]\nlayers = 1\n", "aloft.toml:2:1", &["write it below `[limits]`"]);
    check("burst = 1\n", "aloft.toml:1:1", &["`burst` is no section of aloft.toml", "below `[limits]`"]);
    check("limits = 1\n", "aloft.toml:1:10", &["`limits` is a section"]);
    check(
        "[limits]\nlayers = \"five\"\n",
        "aloft.toml:2:10",
        &["`layers` must be a whole number from 0 to 100", "for example: layers = 5"],
    );
    check("[limits]\nburst = 0\n", "aloft.toml:2:9", &["from 1 to"]);
    check("[limits]\nopen-files = -1\n", "aloft.toml:2:14", &["from 16 to"]);
    check("[limits]\nenvironment = \"4 XB\"\n", "aloft.toml:2:15", &["must be a size"]);
    check("[limits]\nstreamed-bandwidth = \"all\"\n", "aloft.toml:2:22", &["a size", "or \"unlimited\""]);
    check("[cloud]\nmemory-budget = \"64 MB\"\n", "aloft.toml:2:17", &["at least 128 MB"]);
    check("[limits]\ninit-timeout = \"10 years\"\n", "aloft.toml:2:16", &["must be a time"]);
    check("[limits]\ninit-timeout = \"2h\"\n", "aloft.toml:2:16", &["at most 900 seconds"]);
    check("[cloud]\nisolation = \"some\"\n", "aloft.toml:2:13", &["\"strict\", \"best-effort\" or \"none\""]);
    check("[cloud]\nallow = \"127.0.0.1:1\"\n", "aloft.toml:2:9", &["must be a list"]);
    check("[limits]\nprocessor-quota = 1\n", "aloft.toml:2:19", &["must be true or false"]);
    check("[cloud]\nallow = [\"127.0.0.1\"]\n", "aloft.toml:2:9", &["needs a port"]);
    check("[cloud\n", "aloft.toml:1:", &["this is no TOML"]);
    check("[cloud]\nisolation = \"none\"\nisolation = \"none\"\n", "aloft.toml:3:1", &["this is no TOML"]);
    // All at once.
    assert_eq!(mistakes("[limits]\na = 1\nb = 2\nburst = -3\n").matches("error[").count(), 3);
}
