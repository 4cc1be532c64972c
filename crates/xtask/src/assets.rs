//! Makes `crates/service-kit/assets/dist/`: one style sheet, one script, fonts and icons, with hashed names.
//! Node packages bring Tailwind, htmx, Alpine, the fonts and Lucide; everything else is ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::root;

/// Folders with templates: Tailwind looks for class names in them.
const TEMPLATES: &[&str] = &[
    "crates/service-kit/templates",
    "control-plane/templates",
    "tenant-runtime/templates",
];

/// The script, in this order: Alpine starts when it is run and wants our components to be registered by then.
const SCRIPTS: &[&str] = &[
    "node_modules/htmx.org/dist/htmx.min.js",
    "node_modules/htmx-ext-sse/dist/sse.min.js",
    "src/app.js",
    "node_modules/@alpinejs/csp/dist/cdn.min.js",
];

const FONTS: &[&str] = &[
    "node_modules/@fontsource-variable/inter",
    "node_modules/@fontsource-variable/jetbrains-mono",
];

/// File of `dist/` that says from what it was made.
const STAMP: &str = "inputs.sha256";

/// Makes the assets; does nothing when they are up to date. With `check` only says whether they are.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let root = root()?;
    let folder = root.join("crates/service-kit/assets");
    let dist = folder.join("dist");
    let stamp = hash_of_inputs(&root, &folder)?;
    let made_from = fs::read_to_string(dist.join(STAMP)).unwrap_or_default();
    if made_from == stamp {
        return Ok(());
    }
    ensure!(
        !check,
        "the page assets are out of date: run `cargo xtask assets`"
    );
    install_packages(&folder)?;

    let fresh = tempfile::tempdir_in(&folder).context("making a folder")?;
    let mut output = Output {
        folder: fresh.path().to_owned(),
        manifest: BTreeMap::new(),
    };
    let mut css = String::new();
    for font in FONTS {
        css.push_str(&output.add_font(&folder.join(font))?);
    }
    css.push_str(&tailwind(&root, &folder)?);
    output.add("app.css", css.as_bytes(), true)?;
    output.add("app.js", script(&folder)?.as_bytes(), true)?;
    output.write("icons.tsv", icons(&folder)?.as_bytes())?;
    let manifest = serde_json::to_string_pretty(&output.manifest)?;
    output.write("manifest.json", manifest.as_bytes())?;
    output.write(STAMP, stamp.as_bytes())?;

    // Whole or not at all: a build at the same time sees the old folder or the new one.
    let old = folder.join("dist.old");
    fs::remove_dir_all(&old).ok();
    if dist.exists() {
        fs::rename(&dist, &old).context("moving the old assets away")?;
    }
    fs::rename(fresh.keep(), &dist).context("moving the assets into place")?;
    fs::remove_dir_all(&old).ok();
    // The build script of service-kit watches this time stamp.
    fs::File::open(&dist)?.set_modified(now())?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time stamp of a folder, in a command line tool"
)]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

struct Output {
    folder: PathBuf,
    manifest: BTreeMap<String, String>,
}

impl Output {
    fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        fs::write(self.folder.join(name), content).with_context(|| format!("writing {name}"))
    }

    /// Adds a file under a name that has the hash of its content, and a packed twin; returns that name.
    fn add(&mut self, name: &str, content: &[u8], pack: bool) -> anyhow::Result<String> {
        let (stem, extension) = name.rsplit_once('.').context("a name has an extension")?;
        let hash = hex::encode(Sha256::digest(content));
        let hashed = format!("{stem}-{}.{extension}", hash.get(..10).unwrap_or(&hash));
        self.write(&hashed, content)?;
        if pack {
            self.write(&format!("{hashed}.gz"), &gzip(content)?)?;
        }
        self.manifest.insert(name.to_owned(), hashed.clone());
        Ok(hashed)
    }

    /// Copies the files of a font; returns its `@font-face` rules, which name the copies.
    fn add_font(&mut self, package: &Path) -> anyhow::Result<String> {
        let css = fs::read_to_string(package.join("index.css"))
            .with_context(|| format!("reading the style sheet of {}", package.display()))?;
        let mut parts = css.split("url(./files/");
        let mut rewritten = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once(')').context("url( is closed")?;
            let content = fs::read(package.join("files").join(name))
                .with_context(|| format!("reading the font {name}"))?;
            let hashed = self.add(name, &content, false)?;
            write!(rewritten, "url({hashed}){rest}")?;
        }
        Ok(rewritten)
    }
}

fn install_packages(folder: &Path) -> anyhow::Result<()> {
    // npm ci deletes and installs anew: only when the lock file changed since.
    let lock = fs::read(folder.join("package-lock.json")).context("reading package-lock.json")?;
    let wanted = hex::encode(Sha256::digest(&lock));
    let marker = folder.join("node_modules/.installed");
    if fs::read_to_string(&marker).unwrap_or_default() == wanted {
        return Ok(());
    }
    let status = Command::new("npm")
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(folder)
        .status()
        .context(
            "starting npm: is Node.js installed? (apt-get install nodejs npm; make does it)",
        )?;
    ensure!(status.success(), "npm ci ended with {status}");
    fs::write(marker, wanted)?;
    Ok(())
}

/// Our style sheet with the utilities that the templates use.
fn tailwind(root: &Path, folder: &Path) -> anyhow::Result<String> {
    let work = tempfile::tempdir_in(folder).context("making a folder")?;
    let mut input = String::from("@import \"../src/app.css\";\n");
    for templates in TEMPLATES {
        writeln!(input, "@source \"{}\";", root.join(templates).display())?;
    }
    writeln!(
        input,
        "@source \"{}\";",
        folder.join("src/app.js").display()
    )?;
    fs::write(work.path().join("input.css"), input)?;
    let result = work.path().join("output.css");
    let run = Command::new("node")
        .arg("node_modules/@tailwindcss/cli/dist/index.mjs")
        .args(["--minify", "--input"])
        .arg(work.path().join("input.css"))
        .arg("--output")
        .arg(&result)
        .current_dir(folder)
        .output()
        .context("starting Tailwind")?;
    if !run.status.success() {
        bail!("Tailwind failed:\n{}", String::from_utf8_lossy(&run.stderr));
    }
    fs::read_to_string(result).context("reading what Tailwind wrote")
}

fn script(folder: &Path) -> anyhow::Result<String> {
    let mut all = String::new();
    for part in SCRIPTS {
        let text =
            fs::read_to_string(folder.join(part)).with_context(|| format!("reading {part}"))?;
        all.push_str(text.trim_end());
        all.push_str("\n;\n");
    }
    Ok(all)
}

/// All icons, sorted: `name<TAB>shapes`.
fn icons(folder: &Path) -> anyhow::Result<String> {
    let source = folder.join("node_modules/lucide-static/icons");
    let mut lines = BTreeSet::new();
    for entry in fs::read_dir(&source).with_context(|| format!("reading {}", source.display()))? {
        let path = entry?.path();
        let (Some(name), Some("svg")) = (
            path.file_stem().and_then(|name| name.to_str()),
            path.extension().and_then(|extension| extension.to_str()),
        ) else {
            continue;
        };
        let text = fs::read_to_string(&path)?;
        let shapes = text
            .split_once("<svg")
            .and_then(|(_, rest)| rest.split_once('>'))
            .and_then(|(_, rest)| rest.split_once("</svg>"))
            .map(|(shapes, _)| shapes.split_whitespace().collect::<Vec<_>>().join(" "))
            .with_context(|| format!("{} is not the SVG we know", path.display()))?;
        lines.insert((
            name.to_owned(),
            shapes.replace("> <", "><").replace(" />", "/>"),
        ));
    }
    ensure!(!lines.is_empty(), "{} has no icons", source.display());
    let mut text = String::new();
    for (name, shapes) in lines {
        writeln!(text, "{name}\t{shapes}")?;
    }
    Ok(text)
}

/// Packs through the `gzip` program, which every Debian has; `-n` leaves out time and name, so the result is the same
/// each time.
fn gzip(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut child = Command::new("gzip")
        .args(["-9", "-n", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting gzip")?;
    let mut input = child.stdin.take().context("gzip has an input")?;
    let output = std::thread::scope(|scope| {
        // In a thread: gzip writes while it reads, and both pipes are bounded.
        let writer = scope.spawn(move || input.write_all(content));
        let output = child.wait_with_output();
        (writer.join(), output)
    });
    let (Ok(Ok(())), Ok(output)) = output else {
        bail!("gzip could not be fed");
    };
    ensure!(output.status.success(), "gzip ended with {}", output.status);
    Ok(output.stdout)
}

/// What `dist/` depends on: this file, the lock file, our sources and all templates, by name and content.
fn hash_of_inputs(root: &Path, folder: &Path) -> anyhow::Result<String> {
    let mut files = BTreeSet::from([
        root.join("crates/xtask/src/assets.rs"),
        folder.join("package-lock.json"),
    ]);
    collect_files(&folder.join("src"), &mut files)?;
    for templates in TEMPLATES {
        collect_files(&root.join(templates), &mut files)?;
    }
    let mut hash = Sha256::new();
    for file in files {
        let content = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file);
        hash.update(name.as_os_str().as_encoded_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(&content);
    }
    Ok(hex::encode(hash.finalize()))
}

fn collect_files(folder: &Path, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    // A service without templates yet.
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}
