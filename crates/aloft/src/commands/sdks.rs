//! `aloft cloud sdks`: installs what Lambda's own runtimes bring along, or installs it anew.

use crate::cloud::runtimes;
use crate::failure::Mistakes;
use crate::sdks;
use crate::terminal::Terminal;
use aloft_package::Sdk;

pub async fn run(terminal: &Terminal) -> anyhow::Result<()> {
    let (mut installed, mut failed) = (0, Ok(()));
    for sdk in Sdk::ALL {
        match sdks::install(terminal, sdk).await {
            Ok(()) => installed += 1,
            // Whoever writes Python only needs no npm.
            Err(error) if sdks::is_without_installer(&error) => terminal.say(&format!("{error:#}")),
            Err(error) => failed = Err(error),
        }
    }
    failed?;
    if installed == 0 {
        let message = "no SDK was installed";
        return Err(Mistakes::plain(
            "NOTHING_INSTALLED",
            message,
            "install Node.js with npm, or Python with pip",
        ));
    }
    terminal.success(&format!("The SDKs are in {}", runtimes().display()));
    Ok(())
}
