//! `aloft print`: the resolved configuration.

use crate::cli::Print;
use crate::failure::Mistakes;
use crate::session::Session;
use aloft_config::print;

pub fn run(session: &Session, options: &Print) -> anyhow::Result<()> {
    let text = |value: &Option<String>| value.clone();
    let (format, path, transform) = (text(&options.format), text(&options.path), text(&options.transform));
    let printed = print::format(
        &print::print(&session.service),
        format.as_deref(),
        path.as_deref(),
        transform.as_deref(),
    );
    let printed = printed.map_err(|diagnostic| Mistakes::one(diagnostic, &session.service.sources))?;
    // As the original: the YAML ends its last line, and the line that is printed ends too.
    session.terminal.print(&printed);
    Ok(())
}
