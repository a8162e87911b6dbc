//! The grammar, text by text. The table was compared with the original's parser.

use super::*;

/// Variables as short texts: `start..end source|source`, `!` before what is the whole.
fn show(text: &str) -> String {
    match parse(text) {
        Err(message) => format!("error: {message}"),
        Ok(found) => list(&found),
    }
}

fn list(found: &[Variable]) -> String {
    let one = |variable: &Variable| {
        let mark =
            if variable.is_whole { "!".to_owned() } else { format!("{}..{} ", variable.start, variable.end) };
        match &variable.state {
            State::Known(value) => format!("{mark}{value}"),
            State::Open(sources) => mark + &sources.iter().map(source).collect::<Vec<_>>().join("|"),
        }
    };
    found.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn source(source: &Source) -> String {
    let text = |text: &Text| match list(&text.variables) {
        inner if inner.is_empty() => text.value.to_string(),
        inner => format!("{}<{inner}>", text.value),
    };
    match source {
        Source::Literal(value) => value.to_string(),
        Source::Call { name, params, address } => {
            let params = params
                .as_ref()
                .map(|params| format!("({})", params.iter().map(text).collect::<Vec<_>>().join(",")));
            let address = address.as_ref().map(|address| format!(":{}", text(address)));
            format!("{name}{}{}", params.unwrap_or_default(), address.unwrap_or_default())
        }
    }
}

#[test]
fn texts() {
    let cases = [
        ("plain $ {x} $$", ""),
        ("${self:a.b}", r#"!self:"a.b""#),
        ("x${self:a}y", r#"1..10 self:"a""#),
        ("${self:}", "!self"),
        ("${env:A, 'x'}", r#"!env:"A"|"x""#),
        (r#"${env:A, "a\"b" }"#, r#"!env:"A"|"a\"b""#),
        ("${env:A, opt:b, true}", r#"!env:"A"|opt:"b"|true"#),
        ("${env:A,null}", r#"!env:"A"|null"#),
        ("${env:A, 1.50}", r#"!env:"A"|1.5"#),
        ("${self:service , 'x'}", r#"!self:"service"|"x""#),
        ("${file(./a b.yml):k.0}", r#"!file("./a b.yml"):"k.0""#),
        ("${file(./${sls:stage}.yml)}", r#"!file("./${sls:stage}.yml"<2..14 sls:"stage">)"#),
        ("${ssm(eu-west-1, raw):/p}", r#"!ssm("eu-west-1","raw"):"/p""#),
        ("${f(,\"a\", 12,false,0, true )}", r#"!f(null,"a",12,null,null,true)"#),
        ("${self:a.${opt:b, 'c'}.d}", r#"!self:"a.${opt:b, 'c'}.d"<2..15 opt:"b"|"c">"#),
        ("${self:${opt:b}}", r#"!self:"${opt:b}"<!opt:"b">"#),
        // Foreign scopes stay, and what is ours within them counts.
        ("${AWS::Region}", ""),
        ("${!Literal}", ""),
        ("${Foo.Bar}-${}", ""),
        ("${ self:a }", ""),
        ("${foo}", ""),
        ("${aws::x}", ""),
        ("${Foo-${self:a}}", r#"6..15 self:"a""#),
        ("${Foo", ""),
        ("$${self:a}", r#"!self:"a""#),
        // Escapes.
        (r"\${self:a}", r#"0..2 "$""#),
        (r"\\${self:a}", r#"0..2 "\\"; 2..11 self:"a""#),
        (r"\\\${self:a}", r#"0..4 "\\$""#),
        (r"\x \$ \\", ""),
        ("é${self:é}", r#"2..12 self:"é""#),
        // Mistakes.
        ("${env:A, {}}", r#"error: Invalid variable source at index 9 in "${env:A, {}}""#),
        ("${env:A, ${env:B}}", r#"error: Invalid variable source at index 9 in "${env:A, ${env:B}}""#),
        ("é${env:A, []}", r#"error: Invalid variable source at index 10 in "é${env:A, []}""#),
        ("${env:A, foo}", r#"error: Invalid literal source "foo" at index 9 in "${env:A, foo}""#),
        ("${env:A", "error: Missing variable closing bracket in ${env:A"),
        ("${env:A, 'x", "error: Missing variable closing bracket in ${env:A, 'x"),
        ("${self:${Foo}}", r#"error: Invalid variable type at index 9 in "${self:${Foo}}""#),
        ("${self:${foo bar}}", r#"error: Invalid variable type at index 9 in "${self:${foo bar}}""#),
        ("${f(a}", r#"error: Invalid variable param at index 4 in "${f(a}""#),
        ("${f(a)b}", r#"error: Invalid variable address at index 6 in "${f(a)b}""#),
        ("${f(a)::b}", r#"error: Invalid variable address at index 7 in "${f(a)::b}""#),
        ("${a:'x' y}", r#"error: Invalid variable address at index 4 in "${a:'x' y}""#),
    ];
    for (text, expected) in cases {
        assert_eq!(show(text), expected, "{text}");
    }
}

#[test]
fn nothing_panics() {
    let alphabet: Vec<char> = "${}:(),'\"\\ a.1-é$${".chars().collect();
    let mut state = 7_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..(state >> 60) + 5 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(alphabet[usize::try_from(state >> 33).unwrap_or(0) % alphabet.len()]);
        }
        let _ = parse(&text);
    }
    assert!(parse(&"${self:".repeat(100_000)).is_err());
    assert!(parse(&"${A".repeat(100_000)).is_err());
}
