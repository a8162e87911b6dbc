//! `aloft schema`: the JSON Schema of the configuration, for editors.

use crate::terminal::Terminal;

pub fn run(terminal: &Terminal) -> anyhow::Result<()> {
    terminal.print(&serde_json::to_string_pretty(&aloft_config::schema::json_schema())?);
    Ok(())
}
