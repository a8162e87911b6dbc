//! Where things are: the workspace, the built program, what `cargo xtask setup` installed.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The built program: `$ALOFT_BINARY`, else the one beside the running test.
pub fn binary() -> PathBuf {
    if let Some(named) = env::var_os("ALOFT_BINARY") {
        return PathBuf::from(named);
    }
    let test = env::current_exe().expect("a test knows its own file");
    let profile = test.ancestors().find(|folder| folder.join("aloft").is_file());
    profile.map(|folder| folder.join("aloft")).expect("the program is not built: run `cargo build -p aloft`")
}

/// What `cargo xtask setup` installs: `$ALOFT_TEST_CACHE`, else `tests/.cache`.
pub fn cache() -> PathBuf {
    env::var_os("ALOFT_TEST_CACHE").map_or_else(|| workspace().join("tests/.cache"), PathBuf::from)
}

/// The libraries that Lambda's runtimes bring along, as functions of test clouds find them.
pub fn runtimes() -> PathBuf {
    cache().join("runtimes")
}

/// The browser of this machine, if there is one: `$ALOFT_CHROMIUM`, else Debian's or another on the search path.
pub fn chromium() -> Option<PathBuf> {
    if let Some(named) = env::var_os("ALOFT_CHROMIUM") {
        return Some(PathBuf::from(named));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

/// The reference material beside the workspace (`$ALOFT_SHARED`, else `../shared`), when it is there.
pub fn shared() -> Option<PathBuf> {
    let place = env::var_os("ALOFT_SHARED").map_or_else(|| workspace().join("../shared"), PathBuf::from);
    place.is_dir().then_some(place)
}
