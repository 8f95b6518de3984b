// SPDX-License-Identifier: GPL-2.0
//! Which of a kernel's own modules a guest needs, in the order they are loaded.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use goblin::elf::Elf;

/// The modules of one kernel's build directory.
pub struct Kmods {
    dir: PathBuf,
    /// Name to path below the build directory.
    loadable: HashMap<String, PathBuf>,
    builtin: Vec<String>,
}

impl Kmods {
    /// Reads what the kernel build in `dir` made.
    pub fn new(dir: &Path) -> Result<Kmods> {
        let list = dir.join("modules.order");
        let order = fs::read_to_string(&list)
            .with_context(|| format!("cannot read {}; is this kernel built?", list.display()))?;
        let builtin = fs::read_to_string(dir.join("modules.builtin")).unwrap_or_default();
        let loadable = order.lines().map(|line| {
            let path = Path::new(line).with_extension("ko");
            (name(&path), path)
        });
        Ok(Kmods {
            dir: dir.to_path_buf(),
            loadable: loadable.collect(),
            builtin: builtin.lines().map(|line| name(Path::new(line))).collect(),
        })
    }

    /// Whether there is such a module, loadable or built in.
    pub fn has(&self, name: &str) -> bool {
        self.loadable.contains_key(name) || self.builtin.iter().any(|it| it == name)
    }

    /// Paths below the build directory of `wanted` and what they depend on,
    /// each after its dependencies. What is built in needs no module.
    pub fn load_order(&self, wanted: &[&str]) -> Result<Vec<PathBuf>> {
        let mut order = Vec::new();
        for name in wanted {
            self.visit(name, &mut order, 0)?;
        }
        Ok(order)
    }

    fn visit(&self, wanted: &str, order: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
        let wanted = wanted.replace('-', "_");
        let Some(path) = self.loadable.get(&wanted) else {
            if self.builtin.contains(&wanted) {
                return Ok(());
            }
            bail!(
                "the kernel in {} has no {wanted}: enable it and build again",
                self.dir.display()
            );
        };
        if order.contains(path) || depth > self.loadable.len() {
            return Ok(());
        }
        let file = self.dir.join(path);
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let needs = depends(&bytes).with_context(|| format!("{} is no module", file.display()))?;
        for need in needs {
            self.visit(&need, order, depth + 1)?;
        }
        order.push(path.clone());
        Ok(())
    }
}

/// `drivers/x/rdma-rxe.ko` as `rdma_rxe`.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().replace('-', "_")
}

/// The `depends` field of a module.
fn depends(module: &[u8]) -> Result<Vec<String>> {
    let elf = Elf::parse(module)?;
    let named = |index| elf.shdr_strtab.get_at(index) == Some(".modinfo");
    let section = elf
        .section_headers
        .iter()
        .find(|section| named(section.sh_name));
    let range = section
        .and_then(|section| section.file_range())
        .context("it has no .modinfo")?;
    let fields = module.get(range).context("its .modinfo is cut off")?;
    Ok(depends_field(fields))
}

fn depends_field(modinfo: &[u8]) -> Vec<String> {
    let mut fields = modinfo.split(|byte| *byte == 0);
    let found = fields.find_map(|field| field.strip_prefix(b"depends="));
    let list = String::from_utf8_lossy(found.unwrap_or_default());
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_is_a_list_that_may_be_empty() {
        assert_eq!(
            depends_field(b"license=GPL\0depends=dibs,ib_core\0name=smc\0"),
            ["dibs", "ib_core"]
        );
        assert!(depends_field(b"depends=\0name=x\0").is_empty());
    }

    #[test]
    fn a_kernel_without_the_module_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("modules.order"), "net/a-b.o\n").expect("written");
        fs::write(
            dir.path().join("modules.builtin"),
            "kernel/net/smc/smc.ko\n",
        )
        .expect("written");
        let kmods = Kmods::new(dir.path()).expect("readable");
        assert!(kmods.load_order(&["smc"]).expect("built in").is_empty());
        let error = kmods.load_order(&["rdma-rxe"]).expect_err("not there");
        assert!(error.to_string().contains("no rdma_rxe"), "{error}");
    }
}
