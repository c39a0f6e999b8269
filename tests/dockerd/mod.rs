//! Runs a real dockerd in its own network, mount and PID namespaces and with its own data, until
//! the [`Dockerd`] is dropped. And an image to load.

// No test crate uses all of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use ecs_init::docker::Docker;
use ecs_init::docker::spec::{ContainerSpec, HostConfig, LogConfig, Mount};
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;

/// Whether a dockerd can run here. If not, the test fails, unless `ECS_INIT_TEST_SKIP` contains the
/// word `dockerd`: then it is skipped with a message.
pub fn available() -> bool {
    let missing = ["dockerd", "docker-init", "unshare", "ip"]
        .into_iter()
        .find(|program| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            !std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
        });
    // /proc/self belongs to the user of this process.
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let why = match missing {
        Some(program) => format!("{program} not found (Debian: docker.io, util-linux, iproute2)"),
        None if !root => "not root".to_owned(),
        None => return true,
    };
    let skip = std::env::var("ECS_INIT_TEST_SKIP").unwrap_or_default();
    assert!(
        skip.split([',', ' ']).any(|word| word == "dockerd"),
        "{why}; ECS_INIT_TEST_SKIP=dockerd skips the tests that need a dockerd"
    );
    eprintln!("SKIPPED: {why}");
    false
}

/// Runs in the namespaces: starts dockerd or sends it a signal for each line of input, and exits at
/// the end of the input, which ends every process in the namespaces.
const SCRIPT: &str = r#"
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
ip link set lo up
while read -r command; do
    case $command in
    start)
        # dockerd gives its containerd 15 s to start, too short on a busy machine: retry.
        for try in 1 2 3 4 5; do
            : >"$1/log"
            dockerd -H "unix://$1/docker.sock" --data-root "$1/data" --exec-root "$1/exec" \
                --pidfile "$1/pid" --group root --storage-driver vfs --iptables=false \
                --bridge=none --shutdown-timeout 10 $2 >>"$1/log" 2>&1 &
            dockerd=$!
            while kill -s 0 $dockerd 2>/dev/null; do
                grep -q 'API listen on' "$1/log" && break 2
                sleep 0.1
            done
        done ;;
    TERM|KILL)
        kill -s "$command" $dockerd; wait $dockerd
        # The next dockerd would wait for the containerd of a killed one.
        if [ "$command" = KILL ]; then
            while kill -s KILL "$(cat "$1/exec/containerd/containerd.pid")" 2>/dev/null; do
                sleep 0.1
            done
        fi ;;
    esac
    echo "$command"
done
"#;

/// A running dockerd.
pub struct Dockerd {
    dir: TempDir,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Dockerd {
    /// Creates the namespaces and starts dockerd in them; `option` is one more argument or empty.
    /// dockerd answers some time later.
    pub fn start(option: &str) -> Dockerd {
        let mut dockerd = Dockerd::not_started(option);
        dockerd.run("start");
        dockerd
    }

    /// Creates the namespaces only.
    pub fn not_started(option: &str) -> Dockerd {
        let dir = TempDir::new("dockerd");
        let mut child = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child"])
            // PID 1 must reap the children of a killed dockerd: the next one takes a zombie
            // containerd for a running one.
            .args(["--propagation", "private", "docker-init", "--"])
            .args(["sh", "-c", SCRIPT, "dockerd"])
            .arg(dir.path())
            .arg(option)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run unshare");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Dockerd {
            dir,
            child,
            input,
            output,
        }
    }

    /// Runs a command: `start`, or a signal (`TERM`, `KILL`), which waits for dockerd to exit.
    pub fn run(&mut self, command: &str) {
        writeln!(self.input.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), command, "{}", self.log());
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// A connected client.
    pub fn connect(&self, stop: &Stop) -> Docker {
        let limit = Duration::from_secs(120);
        match Docker::connect(&self.socket(), limit, stop) {
            Ok(docker) => docker,
            Err(e) => panic!("{e}\n{}", self.log()),
        }
    }

    /// The last lines of dockerd's log.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// The tag of the image in [`archive`].
pub const IMAGE: &str = "ecs-init/test:latest";

/// A docker-archive with the peculiarities of the agent's: no `architecture`, two `config`s. It
/// has empty directories only: the programs come from the mounts of [`spec`].
pub fn archive() -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    for dir in ["tmp/", "data/"] {
        add(&mut layer, dir, tar::EntryType::Directory, &[]);
    }
    let layer = layer.into_inner().unwrap();
    let config = format!(
        r#"{{"config":{{}},"config":{{"Cmd":["/agent"]}},"os":"linux",
        "rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
        sha256(&layer)
    );
    let manifest =
        format!(r#"[{{"Config":"c.json","RepoTags":["{IMAGE}"],"Layers":["l/layer.tar"]}}]"#);
    let mut tar = tar::Builder::new(Vec::new());
    let file = tar::EntryType::Regular;
    add(&mut tar, "c.json", file, config.as_bytes());
    add(&mut tar, "l/layer.tar", file, &layer);
    add(&mut tar, "manifest.json", file, manifest.as_bytes());
    tar.into_inner().unwrap()
}

fn add(tar: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, data: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(data.len() as u64);
    tar.append_data(&mut header, path, data).unwrap();
}

/// The system's own tool: a test has no hash crate.
fn sha256(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run sha256sum");
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let out = child.wait_with_output().unwrap().stdout;
    String::from_utf8(out[..64].to_vec()).unwrap()
}

/// Loads [`archive`].
pub fn load(docker: &Docker) {
    let tar = archive();
    docker
        .load_image(&mut tar.as_slice(), tar.len() as u64)
        .expect("load the image");
}

/// A container that runs a shell script with the host's programs, and `data` as its `/data`.
pub fn spec(script: &str, data: &Path) -> ContainerSpec {
    let programs = ["/bin", "/lib", "/lib64", "/usr"].map(Path::new);
    let mut mounts: Vec<_> = programs
        .iter()
        .filter(|dir| dir.is_dir())
        .map(|dir| Mount::bind(dir.to_str().unwrap(), dir.to_str().unwrap()).read_only())
        .collect();
    mounts.push(Mount::bind(data.to_str().unwrap(), "/data"));
    ContainerSpec {
        image: IMAGE.into(),
        env: vec!["PATH=/usr/bin:/bin".into(), "WORD=from the spec".into()],
        cmd: vec!["/bin/sh".into(), "-c".into(), script.into()],
        labels: [("a".to_owned(), "b".to_owned())].into(),
        host_config: HostConfig {
            mounts,
            cap_add: vec!["NET_ADMIN".into()],
            network_mode: Some("host".into()),
            userns_mode: Some("host".into()),
            init: Some(true),
            log_config: Some(LogConfig {
                r#type: "json-file".into(),
                config: [("max-size".to_owned(), "16m".to_owned())].into(),
            }),
            ..HostConfig::default()
        },
    }
}
