//! The sandbox of `mailcert.service` without systemd: what the unit says is applied with
//! `unshare`, `mount` and `setpriv`, and what cannot be applied (seccomp) is compared with the
//! calls that `strace` saw.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mailcert::Ran;
use crate::world::daemons::run;
use crate::world::{World, text};

/// The unit's directives of the section `[Service]`, in their order.
pub(crate) struct Unit(Vec<(String, String)>);

/// What says nothing about the sandbox, or what `strace` and mounts cannot show; of these systemd's
/// own judgement (`systemd-analyze security`) is in the other test.
const NOT_APPLIED: &[&str] = &[
    "Type",
    "PrivateMounts", // `unshare --mount`
    "ExecStart",
    "ExecReload",
    "KillMode",
    "Restart",
    "RestartPreventExitStatus",
    "RestartSec",
    "TimeoutStopSec",
    "WatchdogSec",
    "SuccessExitStatus",
    "TimeoutStartSec",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectClock",
    "ProtectHostname",
    "LockPersonality",
    "SystemCallArchitectures",
    "SystemCallErrorNumber",
];

impl Unit {
    pub(crate) fn read(text: &str) -> Self {
        let service = text.split_once("\n[Service]\n").expect("a section [Service]").1;
        let service = service.split_once("\n[Install]\n").map_or(service, |(service, _)| service);
        let lines = service.lines().filter(|line| !line.starts_with('#') && line.contains('='));
        let pair = |line: &str| {
            let (key, value) = line.split_once('=').expect("it has one");
            (key.to_owned(), value.to_owned())
        };
        Self(lines.map(pair).collect())
    }

    /// The words of a directive; none where it does not stand there.
    fn words(&self, key: &str) -> Vec<&str> {
        let lines = self.0.iter().filter(|(one, _)| one == key);
        lines.flat_map(|(_, value)| value.split_whitespace()).collect()
    }

    fn says(&self, key: &str, value: &str) -> bool {
        self.words(key) == [value]
    }

    /// The unit without one word, or with another in its place.
    pub(crate) fn but(&self, word: &str, instead: &str) -> Self {
        let other = |value: &String| {
            let words = value.split(' ').map(|one| if one == word { instead } else { one });
            words.filter(|one| !one.is_empty()).collect::<Vec<_>>().join(" ")
        };
        Self(self.0.iter().map(|(key, value)| (key.clone(), other(value))).collect())
    }

    /// Runs a program as the unit would. `places` says which directory of the world stands for
    /// which of the machine. What was called is in `trace/log`.
    pub(crate) fn run(&self, world: &World, places: &[(&str, PathBuf)], argv: &[&str]) -> Ran {
        world.directory_of("trace", "root:root", 0o755);
        let log = world.path("trace/log");
        let _ = std::fs::remove_file(&log);
        let script = self.script(world, places);
        let output = Command::new("timeout")
            .args(["-k", "5", "180", "unshare", "--mount", "--propagation", "private"])
            .args(["sh", "-c", &script, "unit", "strace", "-f", "-qq", "-o", text(&log)])
            .args(["setpriv", "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all"])
            .arg(format!("--bounding-set={}", self.capabilities()))
            .args(argv)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .output()
            .expect("unshare is there");
        Ran::from(output)
    }

    fn capabilities(&self) -> String {
        let kept = self.words("CapabilityBoundingSet").into_iter().map(|capability| {
            let name = capability.strip_prefix("CAP_").expect("its whole name").to_lowercase();
            format!(",+{name}")
        });
        format!("-all{}", kept.collect::<String>())
    }

    /// The mounts, as shell.
    fn script(&self, world: &World, places: &[(&str, PathBuf)]) -> String {
        let mut lines = vec!["set -e".to_owned()];
        let mut known: BTreeSet<&str> = NOT_APPLIED.iter().copied().collect();
        let mut on = |key: &'static str, value: &str| {
            known.insert(key);
            self.says(key, value)
        };
        if on("ProtectSystem", "strict") {
            lines.push(READ_ONLY.to_owned());
        }
        if on("ProtectHome", "yes") {
            lines.push(empty("/home /root /run/user", 0));
        }
        if on("PrivateTmp", "yes") {
            lines.push(empty("/tmp /var/tmp", 0o1777));
        }
        if on("ProtectKernelTunables", "yes") {
            lines.push("mount --bind /proc/sys /proc/sys".to_owned());
            lines.push("mount -o remount,bind,ro /proc/sys; mount -o remount,bind,ro /sys".into());
        }
        if on("ProtectControlGroups", "yes") {
            lines.push("mount -o remount,bind,ro /sys/fs/cgroup 2>/dev/null || :".to_owned());
        }
        if on("PrivateDevices", "yes") {
            lines.push(
                DEVICES.replace("$new", text(&world.directory_of("dev", "root:root", 0o755))),
            );
        }
        for key in ["ReadWritePaths", "StateDirectory", "StateDirectoryMode", "UMask"] {
            known.insert(key);
        }
        let place = |path: &str| places.iter().find(|(one, _)| *one == path).map(|(_, at)| at);
        let state = self.words("StateDirectory").into_iter().map(|name| format!("/var/lib/{name}"));
        for path in state {
            let at = place(&path).expect("the world has a state directory");
            let mode = self.words("StateDirectoryMode")[0].to_owned();
            std::fs::create_dir_all(at).unwrap();
            run("chmod", &[&mode, text(at)]);
            lines.push(writable(at));
        }
        for path in self.words("ReadWritePaths") {
            match place(path.trim_start_matches('-')) {
                Some(at) => lines.push(writable(at)),
                None => assert!(path.starts_with('-'), "{path} has to be there"),
            }
        }
        lines.push(writable(&world.path("trace"))); // of the test alone
        lines.extend(self.words("UMask").first().map(|mask| format!("umask {mask}")));
        for key in ["CapabilityBoundingSet", "NoNewPrivileges", "SystemCallFilter"] {
            known.insert(key);
        }
        for key in ["RestrictAddressFamilies", "RestrictNamespaces", "MemoryDenyWriteExecute"] {
            known.insert(key);
        }
        for (key, _) in &self.0 {
            assert!(known.contains(key.as_str()), "how is {key}= applied? Say it here");
        }
        lines.push("exec \"$@\"".to_owned());
        lines.join("\n")
    }

    /// What the unit forbids of what was called since mailcert began.
    pub(crate) fn forbidden(&self, world: &World, program: &Path) -> BTreeSet<String> {
        let log = world.read("trace/log");
        let start = format!("execve(\"{}\"", text(program));
        let calls = log.split_once(&start).expect("mailcert was started").1;
        let allowed = filter(&self.words("SystemCallFilter"));
        let families = self.words("RestrictAddressFamilies");
        let (mut seen, mut forbidden) = (0, BTreeSet::new());
        for line in calls.lines() {
            // `PID name(arguments`; the rest of an interrupted call, signals and ends are none.
            let Some((name, arguments)) =
                line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').split_once('(')
            else {
                continue;
            };
            if !name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
            {
                continue;
            }
            seen += 1;
            let family = arguments.split(',').next().unwrap_or_default();
            let wrong = match name {
                "socket" if !families.contains(&family) => format!("socket({family})"),
                "mmap" | "mprotect" if arguments.contains("PROT_WRITE|PROT_EXEC") => {
                    format!("{name}(PROT_WRITE|PROT_EXEC)")
                }
                "mprotect" if arguments.contains("PROT_EXEC") => "mprotect(PROT_EXEC)".to_owned(),
                "clone" | "clone3" | "unshare" if arguments.contains("CLONE_NEW") => {
                    format!("{name}(CLONE_NEW..)")
                }
                _ if !allowed.contains(name) => name.to_owned(),
                _ => continue,
            };
            forbidden.insert(wrong);
        }
        assert!(seen > 1000, "only {seen} calls were seen");
        forbidden
    }
}

fn empty(directories: &str, mode: u32) -> String {
    format!(
        "for at in {directories}; do [ ! -d $at ] || mount -t tmpfs -o mode={mode:o} none $at; done"
    )
}

fn writable(at: &Path) -> String {
    let at = text(at);
    format!("mount --bind {at} {at}; mount -o remount,bind,rw {at}")
}

/// The names of calls in groups of systemd's.
fn filter(groups: &[&str]) -> BTreeSet<String> {
    let (mut names, mut open) = (BTreeSet::new(), Vec::new());
    open.extend(groups.iter().map(|group| (*group).to_owned()));
    while let Some(word) = open.pop() {
        if !word.starts_with('@') {
            names.insert(word);
            continue;
        }
        let listed = run("systemd-analyze", &["--no-pager", "syscall-filter", &word]);
        let lines = listed.lines().skip(1).map(str::trim);
        open.extend(
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned),
        );
    }
    names
}

/// All but the kernel's own trees, as `ProtectSystem=strict` has it.
const READ_ONLY: &str = r#"findmnt -rn -o TARGET | while read -r at; do
  case $at in /dev | /dev/* | /proc | /proc/* | /sys | /sys/*) continue ;; esac
  mount -o remount,bind,ro "$(printf %b "$at")" || [ "$at" != / ]
done"#;

/// A /dev with nothing but what is no device.
const DEVICES: &str = r"mount -t tmpfs -o mode=755 none $new
for one in null zero full random urandom tty; do : >$new/$one; mount --bind /dev/$one $new/$one; done
for one in shm pts; do mkdir $new/$one; mount --bind /dev/$one $new/$one; done
mount --rbind $new /dev";
