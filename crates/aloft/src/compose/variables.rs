//! `${...}` in a compose file: the stage, the environment, and outputs of other services. Text in, text out.

use aloft_diag::Diagnostic;
use std::collections::HashMap;

/// What stands between the braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `${sls:stage}`
    Stage,
    /// `${env:NAME}`
    Environment(String),
    /// `${service.output}`
    Output {
        /// The service.
        service: String,
        /// Its output.
        output: String,
    },
    /// Anything else, by what it begins with.
    Other(String),
}

/// A variable in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// What it means.
    pub reference: Reference,
    /// How it is written, braces included.
    pub written: String,
}

/// The variables of a text, in its order.
pub fn find(text: &str) -> Vec<Variable> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(end) = rest[start..].find('}') else { break };
        let written = &rest[start..=start + end];
        let inner = written[2..written.len() - 1].trim();
        let reference = match (inner.split_once(':'), inner.split_once('.')) {
            (Some(("sls", "stage")), _) => Reference::Stage,
            (Some(("env", name)), _) => Reference::Environment(name.trim().to_owned()),
            (Some((source, _)), _) => Reference::Other(source.to_owned()),
            (None, Some((service, output))) if !service.is_empty() && !output.is_empty() => {
                Reference::Output { service: service.to_owned(), output: output.to_owned() }
            }
            _ => Reference::Other(inner.to_owned()),
        };
        found.push(Variable { reference, written: written.to_owned() });
        rest = &rest[start + end + 1..];
    }
    found
}

/// The text with the stage and the environment put in, and references to outputs left.
///
/// # Errors
/// For a variable that is not set, and for a source that a compose file does not have.
pub fn put_in(text: &str, stage: &str, environment: &HashMap<String, String>) -> Result<String, Diagnostic> {
    replace(text, |variable| match &variable.reference {
        Reference::Stage => Ok(Some(stage.to_owned())),
        Reference::Environment(name) => environment.get(name).cloned().map(Some).ok_or_else(|| {
            let message = format!("The environment variable \"{name}\" is referenced but is not defined");
            Diagnostic::error("CANNOT_FIND_ENVIRONMENT_VARIABLE", message)
                .help(format!("set {name}, or write the value"))
        }),
        Reference::Output { .. } => Ok(None),
        Reference::Other(source) => {
            let message = format!("Unrecognized configuration variable sources: \"{source}\"");
            let help = "a compose file has ${sls:stage}, ${env:NAME} and ${service.output}";
            Err(Diagnostic::error("UNRECOGNIZED_VARIABLE_SOURCES", message).help(help))
        }
    })
}

/// The text with outputs put in.
///
/// # Errors
/// For an output that is not known.
pub fn put_outputs_in(
    text: &str,
    output: impl Fn(&str, &str) -> Option<String>,
) -> Result<String, Diagnostic> {
    replace(text, |variable| {
        match &variable.reference {
        Reference::Output { service, output: name } => output(service, name).map(Some).ok_or_else(|| {
            let message = format!("The variable \"{}\" cannot be resolved: the referenced output does not exist", variable.written);
            let help = format!(
                "is \"{name}\" among the stack's outputs? If the service is deployed, run `aloft refresh-outputs`; else `aloft {service}:deploy`"
            );
            Diagnostic::error("REFERENCED_OUTPUT_DOES_NOT_EXIST", message).help(help)
        }),
        _ => Ok(None),
    }
    })
}

/// Replaces variables by what is given for them. What is put in is not looked at again.
fn replace(
    text: &str,
    value: impl Fn(&Variable) -> Result<Option<String>, Diagnostic>,
) -> Result<String, Diagnostic> {
    let (mut replaced, mut rest) = (String::new(), text);
    for variable in find(text) {
        let Some((before, after)) = rest.split_once(variable.written.as_str()) else { break };
        replaced.push_str(before);
        replaced.push_str(&value(&variable)?.unwrap_or_else(|| variable.written.clone()));
        rest = after;
    }
    replaced.push_str(rest);
    Ok(replaced)
}
