//! `aloft package`: zips and templates in a directory, and nothing else.

use crate::cli::Package;
use crate::deploy::{Deployment, PACKAGE};
use crate::lifecycle;
use crate::session::Session;

pub async fn run(session: Session, options: &Package) -> anyhow::Result<()> {
    let service = &session.service;
    session
        .terminal
        .say(&format!("\nPackaging {} for stage {} ({})", service.name, service.stage, service.region));
    let given = session.given_package(options.package.as_ref());
    let directory = session.package_directory(given.as_ref());
    let mut deployment = Deployment::new(session, directory, options.minify_template);
    lifecycle::run(PACKAGE, &mut deployment).await?;
    deployment.session.terminal.success("Service packaged");
    // The program ends here. To take the documents of a large service apart would be an eighth of its time.
    std::mem::forget(deployment);
    Ok(())
}
