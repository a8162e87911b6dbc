//! Diagnostics as text for a terminal and as JSON for programs.
//!
//! The only place that decides how a diagnostic looks. Keeps true: a label outside its text never panics, it is clamped.

use crate::{Diagnostic, Severity, SourceMap, Span};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

/// The diagnostic with the lines of text it points at; `ansi` adds colours. Ends without a newline.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, ansi: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = level
        .primary_title(&*diagnostic.message)
        .id(&*diagnostic.code)
        .elements(snippets(diagnostic, sources));
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(&**help));
    }
    let report: &[Group<'_>] = &[group];
    let renderer = if ansi { Renderer::styled().decor_style(DecorStyle::Unicode) } else { Renderer::plain() };
    renderer.render(report).trim_end().to_owned()
}

/// One snippet per text, in the order in which labels name them.
fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a SourceMap,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut seen = Vec::new();
    for label in &diagnostic.labels {
        if !seen.contains(&label.span.source) {
            seen.push(label.span.source);
        }
    }
    seen.into_iter()
        .map(|source| {
            let labels =
                diagnostic.labels.iter().enumerate().filter(|(_, label)| label.span.source == source);
            let annotations = labels.map(|(index, label)| {
                let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                let text = (!label.text.is_empty()).then_some(&*label.text);
                kind.span(clamp(label.span, sources.text(source))).label(text)
            });
            Snippet::source(sources.text(source))
                .path(sources.path(source).display().to_string())
                .annotations(annotations)
        })
        .collect()
}

/// The span within the text and on character boundaries; of a block only the first line is marked.
fn clamp(span: Span, text: &str) -> std::ops::Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.floor_char_boundary(span.end.clamp(start, text.len()));
    let line = text[start..end].find('\n').map_or(end, |newline| start + newline);
    start..line
}

/// `{code, severity, message, places: [{file, line, column, endLine, endColumn, label}], help}`; lines and columns from 1.
pub fn to_json(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = |label: &crate::Label| {
        let Span { source, start, end } = label.span;
        let ((line, column), (end_line, end_column)) =
            (sources.line_column(source, start), sources.line_column(source, end));
        json!({
            "file": sources.path(source).display().to_string(),
            "line": line, "column": column, "endLine": end_line, "endColumn": end_column,
            "label": label.text,
        })
    };
    json!({
        "code": diagnostic.code,
        "severity": severity,
        "message": diagnostic.message,
        "places": diagnostic.labels.iter().map(place).collect::<Vec<_>>(),
        "help": diagnostic.help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Diagnostic, SourceMap) {
        let mut sources = SourceMap::default();
        let source = sources.add("serverless.yml", "service: s\nprovidr:\n  name: aws\n");
        let span = Span { source, start: 11, end: 18 };
        let diagnostic = Diagnostic::error("X", "unrecognized property 'providr'")
            .at(span, "unknown")
            .help("write `provider`");
        (diagnostic, sources)
    }

    #[test]
    fn a_terminal_shows_the_line_and_the_hint() {
        let (diagnostic, sources) = example();
        let text = render(&diagnostic, &sources, false);
        for part in [
            "error[X]: unrecognized property 'providr'",
            "serverless.yml:2:1",
            "2 | providr:",
            "^^^^^^^ unknown",
            "write `provider`",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(render(&diagnostic, &sources, true).contains('\u{1b}'));
    }

    #[test]
    fn places_outside_the_text_are_clamped() {
        let (mut diagnostic, sources) = example();
        for (start, end) in [(500, 900), (25, 3), (0, 9999)] {
            diagnostic.labels[0].span = Span { start, end, ..diagnostic.labels[0].span };
            assert!(render(&diagnostic, &sources, false).contains("serverless.yml"));
        }
    }

    #[test]
    fn programs_get_lines_and_columns() {
        let (diagnostic, sources) = example();
        let value = to_json(&diagnostic, &sources);
        assert_eq!(value["places"][0]["line"], 2);
        assert_eq!(value["places"][0]["endColumn"], 8);
        assert_eq!(value["help"], "write `provider`");
    }
}
