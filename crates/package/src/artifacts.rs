//! The artifacts of a service: which zips there are and which function uses which.

use crate::{
    S3Location, Selection, ZipEntry, flag, handlers, npm, object, select, text, texts, write_zip, zip,
};
use aloft_config::Service;
use aloft_diag::Diagnostic;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

/// A zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Where it is; for a remote one, the key's last part.
    pub path: PathBuf,
    /// Base64 of its SHA-256, as CloudFormation's `CodeSha256`; empty while a remote one has not been fetched.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// `package.artifact` names an object in S3, which has to be fetched.
    pub remote: Option<S3Location>,
}

impl Artifact {
    /// The name under which it is uploaded.
    pub fn file_name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// What packaging made.
#[derive(Clone, Debug, Default)]
pub struct Artifacts {
    /// By function key; functions that run an image have none. Functions that share the service's zip have equal entries.
    pub functions: BTreeMap<String, Artifact>,
    /// The zip of the whole service, when at least one function uses it.
    pub service: Option<Artifact>,
    /// By layer key.
    pub layers: BTreeMap<String, Artifact>,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

const DEFAULT_EXCLUDES: [&str; 7] = [
    ".git/**",
    ".gitignore",
    ".DS_Store",
    "npm-debug.log",
    "yarn-*.log",
    ".serverless/**",
    ".serverless_plugins/**",
];

/// Packages the whole service; zips are written into `output_dir`.
///
/// # Errors
/// `NO_MATCHED_FILES`, `INVALID_PACKAGE_ARTIFACT_PATH`, `CANNOT_READ_FILE`, `FILE_ACCESS_FAILED`.
pub fn package(service: &Service, output_dir: &Path) -> Result<Artifacts, Vec<Diagnostic>> {
    let packager = Packager { service, output_dir, development: OnceLock::new() };
    let mut artifacts = Artifacts::default();
    let mut errors = Vec::new();
    let mut sharing = Vec::new();
    let mut ignored_patterns = false;
    for (name, function) in service.functions() {
        let Some(function) = function.as_object() else { continue };
        if is_image(function) {
            continue;
        }
        artifacts.warnings.extend(handlers::missing_handler(service, name, function));
        match packager.own_artifact(name, function) {
            Ok(Some(artifact)) => {
                artifacts.functions.insert(name.clone(), artifact);
            }
            Ok(None) => {
                let settings = object(function, "package");
                if settings.is_some_and(|settings| settings.contains_key("patterns")) && !ignored_patterns {
                    ignored_patterns = true;
                    artifacts.warnings.push(ignored_patterns_warning(service, name));
                }
                sharing.push((name.clone(), settings.is_some_and(|settings| flag(settings, "disable"))));
            }
            Err(error) => errors.push(error),
        }
    }
    for (name, layer) in service.section("layers") {
        match packager.layer(name, layer.as_object().unwrap_or(&Map::new())) {
            Ok(artifact) => {
                artifacts.layers.insert(name.clone(), artifact);
            }
            Err(error) => errors.push(error),
        }
    }
    if sharing.iter().any(|(_, disabled)| !disabled) {
        match packager.whole_service() {
            Ok(artifact) => artifacts.service = Some(artifact),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if let Some(artifact) = &artifacts.service {
        artifacts.functions.extend(sharing.into_iter().map(|(name, _)| (name, artifact.clone())));
    }
    Ok(artifacts)
}

/// Packages one function, as `deploy function` needs it.
///
/// # Errors
/// As [`package`].
pub fn package_function(
    service: &Service,
    name: &str,
    output_dir: &Path,
) -> Result<Artifact, Vec<Diagnostic>> {
    let packager = Packager { service, output_dir, development: OnceLock::new() };
    let empty = Map::new();
    let function = object(service.functions(), name).unwrap_or(&empty);
    let made = match packager.own_artifact(name, function) {
        Ok(None) if service.package().contains_key("artifact") => packager.whole_service(),
        Ok(None) => packager.function_zip(name, object(function, "package").unwrap_or(&empty)),
        Ok(Some(artifact)) => Ok(artifact),
        Err(error) => Err(error),
    };
    made.map_err(|error| vec![error])
}

fn is_image(function: &Map<String, Value>) -> bool {
    flag(function, "image")
}

fn ignored_patterns_warning(service: &Service, name: &str) -> Diagnostic {
    Diagnostic::warning(
        "FUNCTION_PACKAGE_PATTERNS_IGNORED",
        "Package patterns at function level are only applicable if package.individually is set to true at service level or \
         function level in serverless.yaml. The framework will ignore the patterns defined at the function level and apply \
         only the service-wide ones.",
    )
    .at_opt(service.span(&format!("functions.{name}.package.patterns")), "has no effect here")
    .help("set `package.individually: true` in the function or the service, or move the patterns to `package.patterns`")
}

struct Packager<'a> {
    service: &'a Service,
    output_dir: &'a Path,
    /// Found once for the whole service.
    development: OnceLock<HashSet<String>>,
}

impl Packager<'_> {
    /// The function's own artifact; none when it uses the service's.
    fn own_artifact(
        &self,
        name: &str,
        function: &Map<String, Value>,
    ) -> Result<Option<Artifact>, Diagnostic> {
        let empty = Map::new();
        let settings = object(function, "package").unwrap_or(&empty);
        if let Some(artifact) = text(settings, "artifact") {
            let path = format!("functions.{name}.package.artifact");
            return self.ready_made(artifact, &format!(" (for \"{name}\")"), &path).map(Some);
        }
        if flag(settings, "disable") {
            return Ok(None);
        }
        let own = flag(settings, "individually");
        if !own
            && (!flag(self.service.package(), "individually")
                || self.service.package().contains_key("artifact"))
        {
            return Ok(None);
        }
        self.function_zip(name, settings).map(Some)
    }

    fn function_zip(&self, name: &str, settings: &Map<String, Value>) -> Result<Artifact, Diagnostic> {
        let selection = self.selection(settings, true);
        self.zip_of(
            &self.service.directory,
            &selection,
            &format!("{name}.zip"),
            &format!("functions.{name}.package"),
        )
    }

    fn whole_service(&self) -> Result<Artifact, Diagnostic> {
        if let Some(artifact) = text(self.service.package(), "artifact") {
            return self.ready_made(artifact, "", "package.artifact");
        }
        let selection = self.selection(&Map::new(), true);
        self.zip_of(&self.service.directory, &selection, &format!("{}.zip", self.service.name), "package")
    }

    fn layer(&self, name: &str, layer: &Map<String, Value>) -> Result<Artifact, Diagnostic> {
        let empty = Map::new();
        let settings = object(layer, "package").unwrap_or(&empty);
        if let Some(artifact) = text(settings, "artifact") {
            return self.ready_made(
                artifact,
                &format!(" (for \"{name}\")"),
                &format!("layers.{name}.package.artifact"),
            );
        }
        let root = self.service.directory.join(text(layer, "path").unwrap_or("."));
        let selection = self.selection(settings, false);
        self.zip_of(&root, &selection, &format!("{name}.zip"), &format!("layers.{name}"))
    }

    fn zip_of(
        &self,
        root: &Path,
        selection: &Selection,
        file_name: &str,
        place: &str,
    ) -> Result<Artifact, Diagnostic> {
        let files = select(root, selection);
        if files.is_empty() {
            return Err(Diagnostic::error("NO_MATCHED_FILES", "No file matches include / exclude patterns")
                .at_opt(self.service.span(place), "chooses no file")
                .help("the last pattern that matches a file decides; see that the files to package exist and that a pattern takes them in"));
        }
        let root = normal(root);
        let entries = files.iter().map(|relative| entry(&root, relative)).collect();
        write_zip(&self.output_dir.join(file_name), entries)
    }

    fn ready_made(&self, artifact: &str, whose: &str, place: &str) -> Result<Artifact, Diagnostic> {
        if let Some(remote) = S3Location::parse(artifact) {
            let path = PathBuf::from(remote.key.rsplit('/').next().unwrap_or(&remote.key));
            return Ok(Artifact { path, sha256: String::new(), size: 0, remote: Some(remote) });
        }
        let path = normal(&self.service.directory.join(artifact));
        match zip::hash_file(&path) {
            Ok((sha256, size)) => Ok(Artifact { path, sha256, size, remote: None }),
            Err(error) => {
                let reason = match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        format!("ENOENT: no such file or directory, access '{}'", path.display())
                    }
                    std::io::ErrorKind::PermissionDenied => {
                        format!("EACCES: permission denied, access '{}'", path.display())
                    }
                    _ => error.to_string(),
                };
                let message = format!("Cannot access package artifact at \"{artifact}\"{whose}: {reason}");
                Err(Diagnostic::error("INVALID_PACKAGE_ARTIFACT_PATH", message)
                    .at_opt(self.service.span(place), "is not there")
                    .help("build the artifact first, or remove `artifact` to have the files packaged"))
            }
        }
    }

    /// The patterns of the service and of one function or layer, in the original's order.
    fn selection(&self, own: &Map<String, Value>, leave_out_layers: bool) -> Selection {
        let service = self.service;
        let mut exclude: Vec<String> = DEFAULT_EXCLUDES.iter().map(|pattern| (*pattern).to_owned()).collect();
        exclude.push(service.file_name.clone());
        exclude.extend(service.at(&["plugins", "localPath"]).and_then(Value::as_str).map(str::to_owned));
        exclude.extend(texts(service.package(), "exclude"));
        if leave_out_layers {
            let paths = service.section("layers").values().filter_map(Value::as_object);
            exclude.extend(paths.filter_map(|layer| text(layer, "path")).map(|path| format!("{path}/**")));
        }
        if service
            .config
            .get("useDotenv")
            .is_some_and(|value| value != &Value::Bool(false) && !value.is_null())
        {
            exclude.push(".env*".to_owned());
        }
        exclude.extend(texts(own, "exclude"));
        let mut include = texts(service.package(), "include");
        include.extend(texts(service.package(), "patterns"));
        include.extend(texts(own, "include"));
        include.extend(texts(own, "patterns"));
        let excludes_development =
            !matches!(service.package().get("excludeDevDependencies"), Some(Value::Bool(false)));
        let development = if excludes_development {
            self.development.get_or_init(|| npm::development_only(&service.directory)).clone()
        } else {
            HashSet::new()
        };
        Selection { exclude: unique(exclude), include: unique(include), development }
    }
}

/// The first of equal patterns stays.
fn unique(patterns: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    patterns.into_iter().filter(|pattern| !pattern.is_empty() && seen.insert(pattern.clone())).collect()
}

fn entry(root: &Path, relative: &str) -> ZipEntry {
    let file = root.join(relative);
    let file = if relative.starts_with("..") { normal(&file) } else { file };
    // Files from above the root stand at the root of the zip.
    let name = relative.trim_start_matches("../").trim_start_matches('/').to_owned();
    ZipEntry { name, file }
}

/// The path without `.` and `..`, by its text alone.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut made, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                made.pop();
            }
            other => made.push(other),
        }
        made
    })
}
