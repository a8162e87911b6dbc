//! `aloft deploy`: packages the service and brings its stack to what the package says.

use crate::cli::Deploy;
use crate::deploy::{DEPLOY, Deployment, PACKAGE};
use crate::lifecycle;
use crate::session::Session;

pub async fn run(session: Session, options: &Deploy) -> anyhow::Result<()> {
    let (service, terminal) = (&session.service, session.terminal);
    terminal.say(&format!("\nDeploying {} to stage {} ({})", service.name, service.stage, service.region));
    let given = session.given_package(options.package.as_ref());
    let directory = session.package_directory(given.as_ref());
    let mut deployment = Deployment::new(session, directory, options.minify_template);
    deployment.refuses_missing_handlers = deployment.session.common.local;
    deployment.force = options.force;
    deployment.enforce_hash_update = options.enforce_hash_update;
    deployment.s3_accelerate = options.accelerates();
    if given.is_some() {
        deployment.read_package()?;
    } else {
        lifecycle::run(PACKAGE, &mut deployment).await?;
    }
    lifecycle::run(DEPLOY, &mut deployment).await?;
    if deployment.unchanged {
        terminal.skipped("No changes to deploy. Deployment skipped.");
        return Ok(());
    }
    terminal.success(&format!("Service deployed to stack {}", deployment.session.stack_name()));
    let overview = super::info::Overview::read(&mut deployment.session).await?;
    terminal.print(&format!("\n{}", overview.deployed(&deployment, options.conceal)));
    Ok(())
}
