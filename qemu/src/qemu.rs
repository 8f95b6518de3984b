// SPDX-License-Identifier: GPL-2.0
//! QEMU's command line for a guest, and the choice between KVM and TCG.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use guest::PEER_PORT;
use setup::Arch;
use setup::Root;

use crate::tsc;

/// How QEMU runs the guest's instructions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accel {
    Kvm,
    Tcg,
}

/// A machine without what no guest of ours has a use for.
struct Hardware {
    program: &'static str,
    machine: &'static [&'static str],
    /// What is emulated where there is no KVM.
    cpu: &'static str,
    /// The serial line, as the kernel calls it.
    console: &'static str,
}

/// A PC. Interpreting its ACPI tables is most of a boot under TCG and KASAN, and hot-plugging is
/// most of the tables.
const PC: Hardware = Hardware {
    program: "qemu-system-x86_64",
    machine: &[
        "-machine",
        "pc,hpet=off,usb=off,vmport=off",
        "-global",
        "PIIX4_PM.acpi-root-pci-hotplug=off",
        "-global",
        "PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off",
    ],
    // The features of later processors cost an emulator a third of a boot; those of earlier ones
    // leave TLS without AES. None that QEMU emulates has IBT or shadow stacks.
    cpu: "Westmere-v1",
    console: "ttyS0",
};

/// What QEMU has for arm64, with a device tree.
const VIRT: Hardware = Hardware {
    program: "qemu-system-aarch64",
    machine: &["-machine", "virt"],
    cpu: "cortex-a72",
    console: "ttyAMA0",
};

impl Hardware {
    fn of(arch: Arch) -> &'static Hardware {
        match arch {
            Arch::Arm64 => &VIRT,
            // Of s390 nothing is booted.
            Arch::X86 | Arch::S390 => &PC,
        }
    }

    /// How it runs.
    fn accel(&self, accel: Accel) -> [&str; 4] {
        match accel {
            Accel::Kvm => ["-accel", "kvm", "-cpu", "max"],
            Accel::Tcg => ["-accel", "tcg,thread=multi", "-cpu", self.cpu],
        }
    }
}

/// Virtual time goes on by one nanosecond with each instruction, and skips what is waited.
const COUNTING: &[&str] = &[
    "-icount",
    "shift=0,sleep=off",
    "-accel",
    "tcg,thread=single",
    "-cpu",
    "Nehalem-v1",
];

/// The kernel log of a guest, below its directory.
pub const SERIAL: &str = "serial.log";
/// The kernel that a guest boots, below its directory.
pub const KERNEL: &str = "bzImage";
/// The guest's initramfs, below its directory.
pub const INITRAMFS: &str = "initramfs.cpio";
/// A guest's end of the network between two: qemu/configs/kernel.config says why it is this one.
const NIC: &str = "e1000";
/// The network between two guests, from a guest's directory.
const NETWORK: &str = "../net.sock";
/// The line between two guests that is no network, from a guest's directory.
const PEER: &str = "../peer.sock";
/// QEMU's monitor, below a guest's directory.
pub const MONITOR: &str = "monitor.sock";

/// What every guest's kernel is told. Without `no5lvl`, KASAN has false alarms: an
/// interrupt that comes while `identify_cpu()` has cleared the processor's features
/// finds four levels of page tables where there are five.
pub const KERNEL_LINE: &str = "ignore_loglevel printk.devkmsg=on panic=-1 nokaslr no5lvl";
/// A kernel that the monitor's `nmi` hits says where each processor is and what waits. 7.2 would rather
/// have the last word be `panic_sys_info=all_bt,blocked_tasks`, which 6.16 does not know.
const ON_NMI: &str = "unknown_nmi_panic panic_print=0xc0";

/// A boot that is no good is known for what it is after this long.
const PROBE: Duration = Duration::from_secs(8);

/// The shape of a guest.
#[derive(Clone, Debug)]
pub struct Shape {
    pub arch: Arch,
    pub accel: Accel,
    pub memory: u32,
    pub cpus: u32,
    /// A read-only disk, `/dev/vda`.
    pub drive: Option<PathBuf>,
    /// Whether its clock counts instructions, a nanosecond each, on one processor: what it
    /// measures is then the same on every host, however busy.
    pub counts: bool,
    /// Whether the kernel finds its processors by ACPI alone. One that reads the older table
    /// does without: interpreting ACPI's is a good part of a boot under TCG and KASAN.
    pub acpi: bool,
    /// Which of the guests on a network it is, if there is a network.
    pub node: Option<u8>,
    /// Whether KASAN goes on after its first report.
    pub multi_shot: bool,
    /// Whether leaks can be looked for. A kernel that can notes where each object comes from.
    pub leaks: bool,
    /// Whether QEMU owns the terminal.
    pub interactive: bool,
}

impl Shape {
    /// QEMU, ready to be started, for the guest whose files are in `dir`.
    pub fn command(&self, root: &Root, dir: &Path) -> Command {
        let hardware = Hardware::of(self.arch);
        let accel = hardware.accel(self.accel);
        let (accel, cpus) = match self.counts {
            true => (COUNTING, 1),
            false => (&accel[..], self.cpus),
        };
        let mut qemu = bare(root, hardware, accel, dir);
        // Each a package of its own: of a package, the BIOS's table has the first alone.
        qemu.args(["-smp", &format!("{cpus},sockets={cpus}")]);
        qemu.args(["-m", &format!("{}M", self.memory)]);
        qemu.args(["-initrd", INITRAMFS]);
        qemu.args(["-append", &self.kernel_line()]);
        // Room for the command and the peer: QEMU looks at all ports' queues whenever it wakes up.
        qemu.args(["-device", "virtio-serial-pci,max_ports=2"]);
        qemu.args(["-chardev", "stdio,id=command,signal=off"]);
        qemu.args(["-device", "virtconsole,chardev=command"]);
        if let Some(drive) = &self.drive {
            let file = format!("file={}", drive.display().to_string().replace(',', ",,"));
            let options = "if=none,id=disk,format=raw,readonly=on";
            qemu.args(["-drive", &format!("{options},{file}")]);
            qemu.args(["-device", "virtio-blk-pci,drive=disk"]);
        }
        if let Some(node) = self.node {
            qemu.args(["-netdev", &netdev(node)]);
            let mac = format!("52:54:00:99:00:{:02x}", node + 1);
            let device = format!("{NIC},netdev=net,mac={mac}");
            qemu.args(["-device", &device]);
            qemu.args(["-chardev", &peer(node)]);
            let port = format!("virtserialport,chardev=peer,name={PEER_PORT}");
            qemu.args(["-device", &port]);
        }
        if !self.interactive {
            qemu.args(["-monitor", &format!("unix:{MONITOR},server=on,wait=off")]);
            qemu.stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        }
        qemu
    }

    fn kernel_line(&self) -> String {
        let console = Hardware::of(self.arch).console;
        let mut line = format!("{KERNEL_LINE} {ON_NMI} console={console}");
        if self.arch != Arch::X86 {
            // No clock there is to be told what it is.
        } else if self.counts {
            line += " tsc=nowatchdog no_timer_check tsc_early_khz=1000000";
        } else if self.accel == Accel::Tcg {
            // An emulated processor is too slow for the kernel's idea of a watchdog's patience.
            line += " tsc=nowatchdog no_timer_check";
            // Nor may it measure it: the timer that it would measure it by is late on a busy host.
            line += &format!(" tsc_early_khz={}", tsc::khz());
        }
        if !self.acpi {
            // Without ACPI, the surest reset is a triple fault.
            line += " acpi=off reboot=t";
        }
        if !self.leaks {
            line += " kmemleak=off";
        }
        if self.multi_shot {
            line += " kasan_multi_shot";
        }
        line
    }
}

/// What every QEMU of ours is: one kernel, one serial line, nothing else.
fn bare(root: &Root, hardware: &Hardware, accel: &[&str], dir: &Path) -> Command {
    let mut qemu = root.command(hardware.program);
    qemu.current_dir(dir);
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
    ]);
    qemu.args(accel);
    qemu.args(hardware.machine).args(["-kernel", KERNEL]);
    // A guest that boots anew goes on where it was.
    let serial = format!("file,id=serial,path={SERIAL},append=on");
    qemu.args(["-chardev", &serial, "-serial", "chardev:serial"]);
    qemu
}

fn netdev(node: u8) -> String {
    let end = if node == 0 {
        "server=on"
    } else {
        "server=off,reconnect-ms=100"
    };
    format!("stream,id=net,{end},addr.type=unix,addr.path={NETWORK}")
}

fn peer(node: u8) -> String {
    let end = if node == 0 {
        "server=on,wait=off"
    } else {
        "server=off,reconnect-ms=100"
    };
    format!("socket,id=peer,{end},path={PEER}")
}

impl Accel {
    /// KVM if a guest really starts with it here, else TCG. Asked once in the
    /// life of a running host; `dir` is for the attempt, `image` a kernel.
    pub fn choose(root: &Root, image: &Path, dir: &Path) -> Result<Accel> {
        let usable = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_ok();
        if !usable {
            return Ok(Accel::Tcg);
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let memo = root.cache().dir().join("accel");
        let known = fs::read_to_string(&memo).unwrap_or_default();
        match known.strip_prefix(boot.trim()).map(str::trim) {
            Some("kvm") => return Ok(Accel::Kvm),
            Some("tcg") => return Ok(Accel::Tcg),
            _ => {}
        }
        let (accel, name) = match starts_with_kvm(root, image, dir)? {
            true => (Accel::Kvm, "kvm"),
            false => (Accel::Tcg, "tcg"),
        };
        let text = format!("{} {name}\n", boot.trim());
        fs::write(&memo, text).with_context(|| format!("cannot write {}", memo.display()))?;
        Ok(accel)
    }
}

/// Boots `image`, without a file system: what counts is that it says a word.
fn starts_with_kvm(root: &Root, image: &Path, dir: &Path) -> Result<bool> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let kernel = dir.join(KERNEL);
    // Of an earlier attempt that was cut off.
    let _ = fs::remove_file(dir.join(SERIAL));
    fs::copy(image, &kernel).with_context(|| format!("cannot copy {}", image.display()))?;
    let mut qemu = bare(root, &PC, &PC.accel(Accel::Kvm), dir);
    qemu.args(["-smp", "2", "-m", "1G", "-append", "console=ttyS0 panic=-1"]);
    qemu.stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = qemu.spawn().context("cannot start QEMU")?;
    let spoke = speaks(&mut child, &dir.join(SERIAL));
    // It has served its purpose, whether it still runs or not.
    let _ = child.kill();
    let _ = child.wait();
    let _ = fs::remove_dir_all(dir);
    Ok(spoke)
}

/// Whether the guest comes far enough to have found its second processor.
fn speaks(child: &mut Child, serial: &Path) -> bool {
    let since = Instant::now();
    while since.elapsed() < PROBE {
        sleep(Duration::from_millis(100));
        let said = fs::read(serial).unwrap_or_default();
        if String::from_utf8_lossy(&said).contains("smp: Brought up") {
            return true;
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
    }
    false
}
