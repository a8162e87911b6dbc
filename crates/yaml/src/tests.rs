//! Tests of the whole crate: reading, bounds, writing.

use super::*;
use aloft_diag::SourceMap;
use serde_json::json;

fn read(text: &str) -> Result<Value, String> {
    let mut sources = SourceMap::default();
    let source = sources.add("x.yml", text);
    parse(source, text).map(|node| node.to_value()).map_err(|error| error.message)
}

#[test]
fn scalars_are_those_of_js_yaml() {
    let cases = [
        ("yes", json!("yes")),
        ("on", json!("on")),
        ("010", json!(10)),
        ("0x1F", json!(31)),
        ("0o17", json!(15)),
        ("0b11", json!(3)),
        ("1_000", json!("1_000")),
        ("1e3", json!(1000)),
        ("1.50", json!(1.5)),
        ("1.", json!(1)),
        (".5", json!(0.5)),
        ("-.5", json!("-.5")),
        (".inf", json!(null)),
        ("+12", json!(12)),
        ("123456789012", json!(123_456_789_012_u64)),
        ("~", json!(null)),
        ("", json!(null)),
        ("True", json!(true)),
        ("2012-10-17", json!("2012-10-17T00:00:00.000Z")),
        ("2001-12-14t21:59:43.10-05:00", json!("2001-12-15T02:59:43.100Z")),
        ("2020-13-45", json!("2021-02-14T00:00:00.000Z")),
        ("1:30", json!("1:30")),
        ("'12'", json!("12")),
        ("!!str 12", json!("12")),
        ("!!int '12'", json!(12)),
        ("a # b", json!("a")),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), Ok(expected), "{text}");
    }
}

#[test]
fn keys_tags_anchors_and_merges() {
    let cases = [
        ("{010: a, true: b, 1.0: c}", json!({"10": "a", "true": "b", "1": "c"})),
        ("a: !Ref X", json!({"a": {"Ref": "X"}})),
        ("a: !GetAtt A.B.C", json!({"a": {"Fn::GetAtt": ["A", "B.C"]}})),
        ("a: !GetAtt [A, B]", json!({"a": {"Fn::GetAtt": ["A", "B"]}})),
        ("a: !Sub 12", json!({"a": {"Fn::Sub": "12"}})),
        ("a: !Condition C", json!({"a": {"Condition": "C"}})),
        ("a: !If [C, 1, !Ref N]", json!({"a": {"Fn::If": ["C", 1, {"Ref": "N"}]}})),
        ("a: !GetAZs", json!({"a": {"Fn::GetAZs": null}})),
        ("a: &x {k: 1}\nb: *x", json!({"a": {"k": 1}, "b": {"k": 1}})),
        ("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3", json!({"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}})),
        ("b:\n  k: 3\n  <<: [{k: 1}, {l: 2, k: 9}, {l: 7}]", json!({"b": {"k": 3, "l": 2}})),
        ("'<<': 1", json!({"<<": 1})),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), Ok(expected), "{text}");
    }
    let ordered = javascript_order(read("{b: 1, 10: x, 2: y}").expect("a map"));
    assert_eq!(ordered.as_object().expect("a map").keys().collect::<Vec<_>>(), ["2", "10", "b"]);
}

#[test]
fn mistakes() {
    let cases = [
        ("a: 1\na: 2", "duplicated mapping key"),
        ("a: !Transform {Name: x}", "unknown tag !<!Transform>"),
        ("<<: 3", "cannot merge mappings"),
        ("--- a\n--- b", "single document"),
        ("a: &x [*x]", "alias"),
        ("a: [1, 2", ""),
        ("a:\n\tb: 1", ""),
        ("? [a, b]\n: 1", "a key must be a scalar"),
        ("a:\n  : 1", "a key is missing"),
    ];
    for (text, expected) in cases {
        let message = read(text).expect_err(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn bombs_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![before; 9].join(", "));
    }
    assert!(read(&bomb).expect_err("a bomb").contains("aliases expand"));
    for open in ["[", "{a: ", "- ", "!Not ["] {
        assert!(read(&open.repeat(5000)).is_err());
    }
}

#[test]
fn nothing_panics() {
    let seeds = [
        "a: {b: [1, *x, &y 2]}\n- !Ref q\n\"é\\u00\" : |2+\n\n  x\n%TAG ! x\n--- >-\n...\n? <<: '",
        "\u{feff}ключ: !Sub ${a}\n\t- \u{0}",
    ];
    let alphabet: Vec<char> = seeds.concat().chars().collect();
    let mut state = 42_u64;
    let mut random = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap_or(0) % bound
    };
    for _ in 0..3000 {
        let length = random(60);
        let text: String = (0..length).map(|_| alphabet[random(alphabet.len())]).collect();
        if let Ok(value) = read(&text) {
            emit(&value);
        }
    }
}

#[test]
fn what_is_emitted_reads_back_the_same() {
    let long = "word ".repeat(40);
    let values = [
        json!({"a": [1, [2, {"b": null}], {}, []], "c": {"d": "x: y", "e": "- x", "f": "it's", "g": "\ttab", "h": "#no", "i": "a #b"}}),
        json!([
            "yes",
            "12",
            "1:30",
            "null",
            "2020-01-01",
            "",
            " lead",
            "trail ",
            "é",
            "\u{1}",
            "<<",
            "=x",
            "a:",
            "a:b",
            "a: b"
        ]),
        json!({"k": "two\nlines", "l": "end\n", "m": "\n", "n": "  indented\nless\n\n", "o": long, "p": format!("{long}\n\n  {long}\n{long}\n")}),
        json!([1e-7, -0.5, 123_456_789]),
    ];
    for value in values {
        let text = emit(&value);
        assert_eq!(read(&text), Ok(value), "{text}");
    }
}

#[test]
fn the_emitted_text_is_js_yamls() {
    let cases = [
        (json!({"y": 1, "a": "on"}), "'y': 1\na: 'on'\n"),
        (json!({"a": [{"b": 1, "c": [2]}, [3]]}), "a:\n  - b: 1\n    c:\n      - 2\n  - - 3\n"),
        (json!({"a": "  hello\nworld\n\n"}), "a: |2+\n    hello\n  world\n\n"),
        (
            json!({"a": "x ".repeat(45).trim()}),
            &format!("a: >-\n  {}\n  {}\n", "x ".repeat(39).trim(), "x ".repeat(6).trim()),
        ),
        (json!([1e21, 1e-7]), "- 1e+21\n- 1.e-7\n"),
        (json!({}), "{}\n"),
    ];
    for (value, expected) in cases {
        assert_eq!(emit(&value), expected);
    }
}

#[test]
fn places_are_bytes() {
    let text = "ключ: знач\nb: [1, two]\n";
    let mut sources = SourceMap::default();
    let source = sources.add("x.yml", text);
    let node = parse(source, text).expect("a map");
    let Kind::Mapping(entries) = &node.kind else { panic!("a map") };
    assert_eq!(&text[entries[0].key_span.start..entries[0].key_span.end], "ключ");
    assert_eq!(&text[entries[0].value.span.start..entries[0].value.span.end], "знач");
    let Kind::Sequence(items) = &entries[1].value.kind else { panic!("a list") };
    assert_eq!(&text[items[1].span.start..items[1].span.end], "two");
}
