//! NVIDIA GPUs, by the driver's files in `/proc/driver/nvidia`. Amazon's ecs-init uses NVML, a
//! shared library, which a static binary cannot load.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::directories::make_directory;
use crate::error::{Context, Error, Result};
use crate::fs::atomic_write;
use crate::retry;
use crate::sys::signal::Stop;
use crate::types::Root;

/// The directory of [`INFO`], mounted into the agent's container.
pub(crate) const DIRECTORY: &str = "/var/lib/ecs/gpu";
/// The file from which the agent reads its GPUs.
pub(crate) const INFO: &str = "/var/lib/ecs/gpu/nvidia-gpu-info.json";

/// The time to wait for the devices, as in Amazon's ecs-init: a driver may be built at boot.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// The time between two looks for devices.
const PAUSE: Duration = Duration::from_millis(500);

/// The content of [`INFO`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct GpuInfo {
    /// `535.129.03`
    #[serde(rename = "DriverVersion")]
    driver_version: String,
    /// `GPU-39d52d8d-…`, in PCI bus order, as from NVML.
    #[serde(rename = "GPUIDs")]
    gpu_ids: Vec<String>,
}

/// The devices, `/dev/nvidia*` as in Amazon's ecs-init, sorted.
pub(super) fn devices(root: &Root) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root.at("/dev")) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"nvidia"))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// Waits for GPUs and writes [`INFO`]. Without GPUs, or if they cannot be read, it logs a warning
/// and removes the file of an earlier boot.
///
/// # Errors
/// An interrupt.
pub(crate) fn prepare(root: &Root, timeout: Duration, stop: &Stop) -> Result<()> {
    let devices = wait_for_devices(root, timeout, stop)?;
    let written = if devices.is_empty() {
        Err(Error::unavailable(format!(
            "no device /dev/nvidia* after {} s",
            timeout.as_secs()
        )))
    } else {
        read(root, &devices).and_then(|info| write(root, &info).map(|()| info))
    };
    match written {
        Ok(info) => log::info!(
            "{} GPUs, driver {}: wrote {INFO}",
            info.gpu_ids.len(),
            info.driver_version
        ),
        Err(error) => {
            log::warn!("the agent runs without GPUs (ECS_ENABLE_GPU_SUPPORT is set): {error}");
            let _ = fs::remove_file(root.at(INFO));
        }
    }
    Ok(())
}

fn wait_for_devices(root: &Root, timeout: Duration, stop: &Stop) -> Result<Vec<PathBuf>> {
    let end = Instant::now() + timeout;
    loop {
        let found = devices(root);
        let left = end.saturating_duration_since(Instant::now());
        if !found.is_empty() || left.is_zero() {
            return Ok(found);
        }
        retry::sleep(stop, left.min(PAUSE))?;
    }
}

/// Reads the driver's files.
fn read(root: &Root, devices: &[PathBuf]) -> Result<GpuInfo> {
    // The driver shows a GPU's UUID only while its device is open.
    let _open: Vec<_> = devices.iter().filter_map(|d| File::open(d).ok()).collect();
    let text =
        |path: &PathBuf| fs::read_to_string(path).context(|| format!("read {}", path.display()));
    let path = root.at("/proc/driver/nvidia/version");
    let driver_version = driver_version(&text(&path)?)
        .ok_or_else(|| Error::invalid(format!("no driver version in {}", path.display())))?;
    let path = root.at("/proc/driver/nvidia/gpus");
    let mut gpus: Vec<_> = fs::read_dir(&path)
        .context(|| format!("list {}", path.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    gpus.sort();
    let mut gpu_ids = Vec::new();
    for gpu in gpus {
        let path = gpu.join("information");
        let id = uuid(&text(&path)?)
            .ok_or_else(|| Error::invalid(format!("no GPU UUID in {}", path.display())))?;
        gpu_ids.push(id);
    }
    if gpu_ids.is_empty() {
        return Err(Error::unavailable(format!("no GPU in {}", path.display())));
    }
    Ok(GpuInfo {
        driver_version,
        gpu_ids,
    })
}

/// The version in `NVRM version: NVIDIA UNIX … Kernel Module [for x86_64]  535.129.03  …`: the
/// first word of digits and dots.
fn driver_version(text: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix("NVRM version:"))?
        .split_whitespace()
        .find(|word| {
            word.contains('.')
                && word
                    .split('.')
                    .all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        })
        .map(str::to_owned)
}

/// The UUID in `GPU UUID: GPU-39d52d8d-…`. The driver writes question marks for one that it does
/// not know yet.
fn uuid(text: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix("GPU UUID:"))
        .map(str::trim)
        .filter(|uuid| !uuid.is_empty() && !uuid.contains('?'))
        .map(str::to_owned)
}

/// Replaces the file atomically: the agent may be reading it.
fn write(root: &Root, info: &GpuInfo) -> Result<()> {
    make_directory(root, DIRECTORY, 0o755)?;
    let path = root.at(INFO);
    let context = || format!("write {}", path.display());
    let json = serde_json::to_vec(info).context(context)?;
    atomic_write(&path, 0o644, &json).context(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    const UUID: &str = "GPU-39d52d8d-06f2-1986-31e4-9e01ffdafda3";

    fn put(root: &Root, path: &str, text: &str) {
        fs::create_dir_all(root.at(path).parent().unwrap()).unwrap();
        fs::write(root.at(path), text).unwrap();
    }

    fn host() -> (TempDir, Root) {
        let dir = TempDir::new("gpu");
        let root = Root::new(dir.path());
        put(&root, "/dev/null", "");
        (dir, root)
    }

    fn two_gpus(root: &Root) {
        put(root, "/dev/nvidia0", "");
        put(
            root,
            "/proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  555.42.06  Release Build\n\
             GCC version:  gcc version 12.2.0\n",
        );
        for (bus, last) in [("0000:00:1f.0", '4'), ("0000:00:1e.0", '3')] {
            let text = format!(
                "Model: \t\t Tesla T4\nIRQ:   \t\t 33\nGPU UUID: \t {}{last}\n",
                &UUID[..UUID.len() - 1]
            );
            put(
                root,
                &format!("/proc/driver/nvidia/gpus/{bus}/information"),
                &text,
            );
        }
    }

    fn prepared(root: &Root) -> Option<String> {
        prepare(root, Duration::ZERO, &Stop::never()).unwrap();
        fs::read_to_string(root.at(INFO)).ok()
    }

    #[test]
    fn driver_versions() {
        for (line, version) in [
            (
                "NVIDIA UNIX x86_64 Kernel Module  384.81  Wed Aug 17 2016",
                Some("384.81"),
            ),
            (
                "NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build",
                Some("540.4.0"),
            ),
            ("NVIDIA UNIX x86_64 Kernel Module", None),
        ] {
            let text = format!("NVRM version: {line}\nGCC version:  gcc version 12.2.0\n");
            assert_eq!(driver_version(&text).as_deref(), version, "{line}");
        }
    }

    #[test]
    fn info_file_lists_gpus_in_bus_order() {
        let (_keep, root) = host();
        two_gpus(&root);
        let want = format!(
            r#"{{"DriverVersion":"555.42.06","GPUIDs":["{UUID}","{}4"]}}"#,
            &UUID[..UUID.len() - 1]
        );
        assert_eq!(prepared(&root), Some(want));
        let files = fs::read_dir(root.at(DIRECTORY)).unwrap().count();
        assert_eq!(files, 1, "a temporary file is left");
    }

    #[test]
    fn info_file_is_removed_without_gpu_or_uuid() {
        let (_keep, root) = host();
        two_gpus(&root);
        assert!(prepared(&root).is_some());
        let bus = "/proc/driver/nvidia/gpus/0000:00:1e.0/information";
        put(
            &root,
            bus,
            "GPU UUID: \t GPU-????????-????-????-????-????????????\n",
        );
        assert_eq!(prepared(&root), None);
        two_gpus(&root);
        assert!(prepared(&root).is_some());
        fs::remove_file(root.at("/dev/nvidia0")).unwrap();
        assert_eq!(prepared(&root), None);
    }

    #[test]
    fn waits_for_device_until_interrupted() {
        let (_keep, root) = host();
        let late = root.clone();
        let driver = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            two_gpus(&late);
            // A driver creates the device last.
            put(&late, "/dev/nvidia1", "");
        });
        let found = wait_for_devices(&root, Duration::from_secs(600), &Stop::never()).unwrap();
        driver.join().unwrap();
        assert!(!found.is_empty());

        let (_keep, root) = host();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(writer);
        let stop = Stop::from(std::os::fd::OwnedFd::from(reader));
        let end = prepare(&root, Duration::from_secs(600), &stop);
        assert!(end.unwrap_err().is_interrupted());
    }
}
