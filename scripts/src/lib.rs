// SPDX-License-Identifier: GPL-2.0
//! Set-up of the lab: makes a Debian toolchain root, fetches the pinned kernel
//! sources, builds the lab's kernels and the modules and an image of real
//! programs, and keeps all of it in a cache outside the checkout, each thing
//! rebuilt only when its inputs change.

mod apt;
mod build;
mod cache;
mod config;
mod debootstrap;
mod enter;
mod kernel;
mod modules;
mod programs;
mod progress;
mod recipe;
mod recipes;
mod root;
mod run;
mod source;

use std::path::Path;

pub use cache::Cache;
pub use kernel::Built;
pub use kernel::Kernel;
pub use kernel::kernel;
pub use modules::clippy;
pub use modules::clippy_step;
pub use modules::modules;
pub use programs::programs;
pub use programs::steps as programs_steps;
pub use progress::Progress;
pub use progress::Step;
pub use recipes::Arch;
pub use recipes::Compiler;
pub use recipes::Recipe;
pub use root::Root;

/// The checkout that this program was built from.
pub fn checkout() -> &'static Path {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().unwrap_or(crate_dir)
}

/// The names of all steps from nothing to modules for `kernels`, in order; what
/// [`Progress::new`] wants to know to say which step comes next.
pub fn steps(kernels: &[Kernel]) -> Vec<String> {
    let mut steps = vec![recipe::TOOLCHAIN.step.to_string()];
    let roots = kernels.iter().flat_map(Kernel::roots);
    steps.extend(roots.map(|root| root.step.to_string()));
    steps.extend(kernels.iter().flat_map(Kernel::steps));
    steps.extend(kernels.iter().map(modules::step));
    steps
}
