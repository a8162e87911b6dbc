//! `aloft config credentials`: a profile in the shared file of the AWS tools.

use crate::cli::ConfigCredentials;
use crate::failure::Mistakes;
use crate::terminal::Terminal;
use anyhow::Context;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

pub fn run(options: &ConfigCredentials, terminal: &Terminal) -> anyhow::Result<()> {
    let ConfigCredentials { provider, key, secret, profile, overwrite } = options;
    if provider != "aws" {
        let message = format!("Provider \"{provider}\" is not supported.");
        return Err(Mistakes::plain("INVALID_PROVIDER", message, "write --provider aws"));
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).context("there is no home directory")?;
    let named = std::env::var_os("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let file = named.unwrap_or_else(|| home.join(".aws/credentials"));
    let text = fs::read_to_string(&file).unwrap_or_default();
    let header = format!("[{profile}]");
    let is_there = text.lines().any(|line| line.trim() == header);
    if is_there && !overwrite {
        let message = format!("Profile \"{profile}\" is already configured");
        let help = "add --overwrite to replace its keys, or --profile NAME to make another";
        return Err(Mistakes::plain("PROFILE_ALREADY_CONFIGURED", message, help));
    }
    let keys = format!("aws_access_key_id={key}\naws_secret_access_key={secret}\n");
    let mut made = String::new();
    let mut is_ours = false;
    for line in text.lines() {
        if line.trim_start().starts_with('[') {
            is_ours = line.trim() == header;
        }
        let is_key = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]
            .iter()
            .any(|name| line.trim_start().starts_with(name));
        if !(is_ours && is_key) {
            made += &format!("{line}\n");
        }
        if line.trim() == header {
            made += &keys;
        }
    }
    if !is_there {
        made += &format!("{header}\n{keys}");
    }
    let folder = file.parent().context("the file has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Only its owner may read it.
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
    let written = written.and_then(|mut file| file.write_all(made.as_bytes()));
    written.with_context(|| format!("cannot write {}", file.display()))?;
    terminal.success(&format!("Profile \"{profile}\" has been configured"));
    Ok(())
}
