// SPDX-License-Identifier: GPL-2.0
//! The host's apt, asked for a Debian mirror and used to download from it: its
//! mirror and proxy settings serve, its signatures are checked.
//!
//! apt runs with a state of its own in the cache, so that neither rights nor an
//! up-to-date host are needed, and with one source: trixie's main archive.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::cache::Cache;
use crate::progress::Step;
use crate::run;
use crate::run::cause;

/// The Debian release that the toolchain root is.
pub(crate) const SUITE: &str = "trixie";

/// The keys that sign Debian's archives.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A Debian mirror that answers and carries [`SUITE`], correctly signed.
pub(crate) struct Apt {
    /// The mirror's address, as a source line has it.
    pub site: String,
    state: PathBuf,
}

impl Apt {
    /// Finds a mirror among the host's apt sources.
    pub fn open(cache: &Cache) -> Result<Apt> {
        if !Path::new(KEYRING).exists() {
            bail!("no {KEYRING}: install the package debian-archive-keyring");
        }
        let mut ask = Command::new("apt-get");
        let printed = run::output(take(ask.args(["--print-uris", "update"])))
            .context("the set-up needs apt (a Debian-like machine)")?;
        let state = cache.dir().join("apt");
        let mut tried = Vec::new();
        for site in sites(&printed) {
            let apt = Apt {
                site: resolve(&site)?,
                state: state.clone(),
            };
            match apt.update() {
                Ok(()) => return Ok(apt),
                Err(error) => tried.push(format!("{}: {error:#}", apt.site)),
            }
        }
        if tried.is_empty() {
            bail!(
                "apt's sources name no Debian mirror: add a line for {SUITE}'s main archive to them"
            );
        }
        bail!(
            "no Debian mirror with {SUITE} answers; is there a network? {}",
            tried.join("; ")
        )
    }

    /// The address of the directory in the mirror's pool that holds `package`.
    pub fn pool(&self, package: &str) -> Result<String> {
        let mut ask = self.apt_get();
        let printed = run::output(take(ask.args(["--print-uris", "download", package])))?;
        directory(&printed).with_context(|| format!("apt does not say where {package} is"))
    }

    /// Downloads the current `package` into the directory `to`.
    pub fn fetch(&self, package: &str, to: &Path) -> Result<()> {
        let mut fetch = self.apt_get();
        fetch.current_dir(to).args(["download", package]);
        run::output(fetch).map(drop)
    }

    /// Reads the mirror's index into the state.
    fn update(&self) -> Result<()> {
        let lists = self.state.join("lists/partial");
        fs::create_dir_all(&lists).with_context(|| format!("cannot make {}", lists.display()))?;
        let source = format!("deb [signed-by={KEYRING}] {} {SUITE} main\n", self.site);
        fs::write(self.source(), source).context("cannot write apt's source")?;
        let output = self
            .apt_get()
            .args(["update", "--error-on=any"])
            .output()
            .context("cannot run apt-get")?;
        if !output.status.success() {
            bail!("{}", cause(&String::from_utf8_lossy(&output.stderr)));
        }
        Ok(())
    }

    fn source(&self) -> PathBuf {
        self.state.join("sources.list")
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        let mut set = |key: &str, value: &Path| {
            command.arg("-o").arg(format!("{key}={}", value.display()));
        };
        set("Dir::State::Lists", &self.state.join("lists"));
        set("Dir::Cache", &self.state.join("cache"));
        set("Dir::Etc::SourceList", &self.source());
        set("Dir::Etc::SourceParts", Path::new("/dev/null"));
        set("Dir::State::status", Path::new("/dev/null"));
        set("Acquire::Languages", Path::new("none"));
        set(
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled",
            Path::new("false"),
        );
        set("APT::Sandbox::User", Path::new(""));
        command
    }
}

/// Downloads `uri` to `file`, whose SHA-256 must be `sha256`. What another run
/// left unfinished is taken up; nothing but the right content gets the name.
pub(crate) fn download(
    uri: &str,
    file: &Path,
    sha256: &str,
    log: &Path,
    step: &Step,
) -> Result<()> {
    let partial = file.with_extension("partial");
    let mut command = Command::new("/usr/lib/apt/apt-helper");
    command
        .args(["-o", "APT::Sandbox::User=", "download-file", uri])
        .arg(&partial);
    command.arg(format!("SHA256:{sha256}"));
    let said = run::polled(command, log, || {
        let bytes = fs::metadata(&partial).map_or(0, |data| data.len());
        step.note(&format!("downloading, {} MB", bytes / 1_000_000));
    });
    said.with_context(|| format!("cannot download {uri}"))?;
    fs::rename(&partial, file).with_context(|| format!("cannot write {}", file.display()))
}

/// The sites of Debian's main archive in what `apt-get --print-uris update`
/// prints, each once. Security suites have a pool of their own: not them.
fn sites(printed: &str) -> Vec<String> {
    let mut sites = Vec::new();
    for uri in printed.lines().filter_map(quoted) {
        let Some((site, rest)) = uri.split_once("/dists/") else {
            continue;
        };
        let suite = rest.split('/').next().unwrap_or_default();
        let security = suite.ends_with("-security") || site.ends_with("-security");
        let index = rest.contains("/main/binary-") || rest.ends_with("Release");
        if index && !security && !sites.iter().any(|known| known == site) {
            sites.push(site.to_string());
        }
    }
    // Others' archives are asked last.
    sites.sort_by_key(|site| !site.trim_end_matches('/').ends_with("debian"));
    sites
}

/// The directory of the first address in what `--print-uris download` prints.
fn directory(printed: &str) -> Option<String> {
    let (directory, _) = printed.lines().find_map(quoted)?.rsplit_once('/')?;
    directory.contains("/pool/").then(|| directory.to_string())
}

/// What stands between the single quotes at the start of `line`.
fn quoted(line: &str) -> Option<&str> {
    line.strip_prefix('\'')?
        .split_once('\'')
        .map(|(uri, _)| uri)
}

/// The first mirror of a list of mirrors (`mirror+file:`, as cloud images have).
fn resolve(site: &str) -> Result<String> {
    let Some(list) = site.strip_prefix("mirror+file:") else {
        return Ok(site.to_string());
    };
    let text = fs::read_to_string(list)
        .with_context(|| format!("cannot read apt's mirror list {list}"))?;
    first_mirror(&text).with_context(|| format!("no mirror in apt's list {list}"))
}

fn first_mirror(list: &str) -> Option<String> {
    let mut lines = list
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let address = lines.next()?.split_whitespace().next()?;
    Some(address.trim_end_matches('/').to_string())
}

/// A configured command by value.
fn take(command: &mut Command) -> Command {
    std::mem::replace(command, Command::new("false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
'https://packages.other.example/node/dists/nodistro/InRelease' x 0
'http://mirror.example/debian-security/dists/bookworm-security/InRelease' x 0
'http://mirror.example/debian/dists/bookworm/InRelease' x 0
'http://mirror.example/debian/dists/bookworm-updates/InRelease' x 0
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0
Reading package lists...
";

    #[test]
    fn sites_are_the_main_archive_first_and_never_security() {
        assert_eq!(
            sites(PRINTED),
            [
                "http://mirror.example/debian",
                "https://packages.other.example/node"
            ]
        );
        assert!(sites("E: The list of sources could not be read.\n").is_empty());
    }

    #[test]
    fn directory_is_where_the_package_lies() {
        let printed = "'http://m.example/debian/pool/main/l/linux/linux-libc-dev_6.12_all.deb' x 1 SHA256:0\n";
        assert_eq!(
            directory(printed).as_deref(),
            Some("http://m.example/debian/pool/main/l/linux")
        );
        assert_eq!(directory("E: Unable to locate package\n"), None);
        assert_eq!(directory("'http://m.example/other/file.deb' x 1\n"), None);
    }

    #[test]
    fn first_mirror_of_a_list() {
        let list = "# a comment\n\nhttp://m.example/debian/\tpriority:1\nhttp://n.example/debian\n";
        assert_eq!(
            first_mirror(list).as_deref(),
            Some("http://m.example/debian")
        );
        assert_eq!(first_mirror("# none\n"), None);
    }
}
