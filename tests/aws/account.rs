//! An account of Amazon's that exists on loopback alone (server.py), and the scripts of scripts/aws run in it.
//!
//! One server serves all tests of a run; each has an account of its own in it, told by its access key.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{NO_GPU, Place};

/// The longest that a script may take.
const LONGEST: Duration = Duration::from_secs(300);
/// The race of the tests that are about everything around it: a second.
pub const SMALL: &str = "--data digits:n=200 --components 3 --method deflation --operator covariance --device cpu \
                         --repeats 1";

/// What the server said of itself.
struct Amazon {
    endpoint: String,
    image: String,
    client: PathBuf,
    /// It ends with its standard input, which ends with the tests.
    _server: Child,
    _folder: tempfile::TempDir,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The server, started by the first test.
fn amazon() -> &'static Amazon {
    static AMAZON: OnceLock<Amazon> = OnceLock::new();
    let start = || {
        let python = root().join(".venv-aws/bin/python");
        assert!(
            python.is_file() && root().join(".venv-aws/installed.txt").is_file(),
            "no .venv-aws: scripts/test makes it"
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut server = Command::new(python)
            .arg(root().join("tests/aws/server.py"))
            .arg(folder.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server");
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("a line");
        let told: Value = serde_json::from_str(&line).expect("the server's port");
        Amazon {
            endpoint: format!("http://127.0.0.1:{}", told["port"]),
            image: told["image"].as_str().expect("an image").into(),
            client: told["aws"].as_str().expect("a client").into(),
            _server: server,
            _folder: folder,
        }
    };
    AMAZON.get_or_init(start)
}

pub struct Account {
    pub place: Place,
    number: String,
    amazon: &'static Amazon,
}

/// How a script ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub out: String,
    pub error: String,
}

impl Ended {
    /// The exit status, and words that must be in the output.
    #[track_caller]
    pub fn expect(&self, status: i32, out: &[&str], error: &[&str]) {
        assert_eq!(self.status, Some(status), "{self:#?}");
        for word in out {
            assert!(self.out.contains(word), "no `{word}` in {self:#?}");
        }
        for word in error {
            assert!(self.error.contains(word), "no `{word}` in {self:#?}");
        }
    }

    /// One line of error, with these words.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) {
        self.expect(2, &[], words);
        assert!(self.error.starts_with("error: "), "{self:#?}");
        assert_eq!(self.error.lines().count(), 1, "{self:#?}");
    }
}

/// A script in the background, in a process group of its own.
pub struct Running {
    child: Child,
    outputs: [PathBuf; 2],
    secrets: Vec<String>,
}

impl Running {
    /// Sends a signal to the whole group, as a terminal does.
    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: a plain system call, on a group whose leader has not been waited for.
        let sent = unsafe { libc::kill(-(self.child.id() as libc::pid_t), signal) };
        assert_eq!(sent, 0);
    }

    /// Waits for the end; what the script wrote must hold no secret.
    pub fn end(mut self) -> Ended {
        let end = Instant::now() + LONGEST;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(Instant::now() < end, "no end: {:#?}", self.told(None));
            std::thread::sleep(Duration::from_millis(20));
        };
        let ended = self.told(status.code());
        for secret in &self.secrets {
            assert!(!ended.out.contains(secret), "a secret in {ended:#?}");
            assert!(!ended.error.contains(secret), "a secret in {ended:#?}");
        }
        ended
    }

    fn told(&self, status: Option<i32>) -> Ended {
        let [out, error] = self
            .outputs
            .each_ref()
            .map(|file| std::fs::read_to_string(file).expect("text"));
        Ended { status, out, error }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:#?}", self.told(None));
        }
        if let Ok(None) = self.child.try_wait() {
            self.signal(libc::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

impl Drop for Account {
    /// What a test that fails leaves to be read.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for instance in std::fs::read_dir(self.place.path("instances"))
            .into_iter()
            .flatten()
            .flatten()
        {
            for file in ["console.txt", "work/log.txt"] {
                let path = instance.path().join(file);
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                eprintln!("{}:\n{text}", path.display());
            }
        }
    }
}

impl Account {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let amazon = amazon();
        let place = Place::new();
        for folder in ["home", "tmp"] {
            std::fs::create_dir(place.path(folder)).expect("a folder");
        }
        let number = format!("{:012}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let account = Self {
            place,
            number,
            amazon,
        };
        let environment: serde_json::Map<String, Value> = NO_GPU
            .iter()
            .map(|(name, value)| (name.to_string(), (*value).into()))
            .collect();
        account.set(serde_json::json!({
            "folder": account.place.path("instances"),
            "environment": environment,
        }));
        account
    }

    pub fn image(&self) -> &str {
        &self.amazon.image
    }

    /// The aws client.
    pub fn client(&self) -> &Path {
        &self.amazon.client
    }

    /// The access key.
    pub fn key(&self) -> String {
        format!("AKIATEST{}", self.number)
    }

    /// What no output and no file may hold.
    fn secrets(&self) -> Vec<String> {
        vec![
            self.key(),
            format!("secret-of-{}", self.number),
            format!("token-of-{}", self.number),
        ]
    }

    // What the server is told and asked; see server.py.

    fn control(&self, what: &str, settings: Option<Value>, post: bool) -> Value {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .proxy(None)
            .build()
            .into();
        let url = format!("{}/_control/{}/{what}", self.amazon.endpoint, self.number);
        let answer = match settings {
            Some(settings) => agent.put(url).send(settings.to_string()),
            None if post => agent.post(url).send_empty(),
            None => agent.get(url).call(),
        };
        let text = answer.expect("an answer").body_mut().read_to_string();
        serde_json::from_str(&text.expect("text")).expect("JSON")
    }

    pub fn set(&self, settings: Value) {
        self.control("", Some(settings), false);
    }

    fn ask(&self, what: &str) -> Vec<Value> {
        let answer = self.control(what, None, false);
        answer.as_array().expect("a list").clone()
    }

    /// Every call until now.
    pub fn calls(&self) -> Vec<Value> {
        self.ask("calls")
    }

    /// The calls of one action.
    pub fn calls_of(&self, action: &str) -> Vec<Value> {
        let mut calls = self.calls();
        calls.retain(|call| call["action"] == action);
        calls
    }

    /// Every instance that ever was.
    pub fn instances(&self) -> Vec<Value> {
        self.ask("instances")
    }

    pub fn instance(&self, kind: &str) -> Value {
        let mut instances = self.instances();
        instances.retain(|instance| instance["type"] == kind);
        assert_eq!(instances.len(), 1, "{kind}: {instances:#?}");
        instances.remove(0)
    }

    /// Amazon takes an instance away; or, with `timer`, its own timer has run out.
    pub fn end_instance(&self, kind: &str, how: &str) {
        let id = self.instance(kind)["id"].clone();
        let id = id.as_str().expect("an id");
        self.control(&format!("{how}?id={id}"), None, true);
    }

    /// What is still there, whatever its tags say, as "kind name".
    pub fn left(&self) -> Vec<String> {
        let left = self.ask("left");
        let text = |line: &Value| line.as_str().expect("text").to_string();
        left.iter().map(text).collect()
    }

    #[track_caller]
    pub fn nothing_left(&self) {
        let none: [&str; 0] = [];
        assert_eq!(self.left(), none);
    }

    /// Waits until it holds, two minutes at most.
    #[track_caller]
    pub fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        while !holds(self) {
            assert!(Instant::now() < end, "not in two minutes: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until an instance has said this.
    #[track_caller]
    pub fn wait_for_status(&self, kind: &str, times: usize) {
        let key = format!("out/{kind}/status");
        self.wait(&key, |account| {
            let calls = account.calls_of("PUT object");
            let told = calls
                .iter()
                .filter(|call| call["parameters"]["key"] == *key && call["status"] == 200);
            told.count() >= times
        });
    }

    // The scripts.

    /// A bundle whose program is this shell script.
    pub fn bundle(&self, script: &str) {
        let folder = self.place.path("gradrace-test");
        std::fs::create_dir_all(&folder).expect("a folder");
        let program = folder.join("gradrace");
        std::fs::write(&program, script).expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("a mode");
        let tar = Command::new("tar")
            .args(["-czf", "bundle.tar.gz", "gradrace-test"])
            .current_dir(self.place.path(""))
            .status();
        assert!(tar.expect("tar").success());
    }

    /// A bundle with the program, which in place of `verify` does what is said in shell.
    pub fn bundle_with(&self, verify: &str) {
        let program = env!("CARGO_BIN_EXE_gradrace");
        self.bundle(&format!(
            "#!/bin/sh\nif [ \"$1\" = verify ]; then {verify}; fi\nexec '{program}' \"$@\"\n"
        ));
    }

    /// The same with no checks at all.
    pub fn small_bundle(&self) {
        self.bundle_with("echo '0 pass, 0 skip, 0 fail'; exit");
    }

    /// A script of scripts/aws as a user calls it, with arguments split at blanks.
    pub fn command(&self, script: &str, arguments: &str) -> Command {
        self.command_at(&root().join("scripts/aws").join(script), arguments)
    }

    /// The same, of another copy.
    pub fn command_at(&self, script: &Path, arguments: &str) -> Command {
        assert!(
            self.amazon.endpoint.starts_with("http://127.0.0.1:"),
            "the one Amazon that these tests may reach"
        );
        let client = self.amazon.client.parent().expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(script);
        command
            .args(arguments.split_whitespace())
            .current_dir(self.place.path(""))
            .env_clear()
            .env("PATH", format!("{}:{path}", client.display()))
            .env("HOME", self.place.path("home"))
            .env("TMPDIR", self.place.path("tmp"))
            .env("AWS_ENDPOINT_URL", &self.amazon.endpoint)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_REGION", "us-east-1")
            .env("GRADRACE_AWS_POLL_S", "1")
            .envs(NO_GPU);
        let names = [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ];
        command.envs(names.into_iter().zip(self.secrets()));
        command
    }

    /// A race that asks nobody, of the bundle that is there.
    pub fn race(&self, types: &str, arguments: &str) -> Command {
        let image = self.image();
        let arguments =
            format!("--types {types} --yes --image {image} --bundle bundle.tar.gz {arguments}");
        self.command("race", &arguments)
    }

    pub fn start(&self, mut command: Command) -> Running {
        command.stdin(Stdio::null());
        self.start_as_is(command)
    }

    /// Runs it at a terminal where somebody has typed a line.
    pub fn answer(&self, mut command: Command, line: &str) -> Ended {
        let (mut terminal, mut other) = (0, 0);
        let none = std::ptr::null_mut();
        // SAFETY: both places live until it returns; what may be null is.
        let opened =
            unsafe { libc::openpty(&mut terminal, &mut other, none, none.cast(), none.cast()) };
        assert_eq!(opened, 0, "a terminal");
        // SAFETY: they were opened just now, and nobody else has them.
        let (terminal, other) =
            unsafe { (OwnedFd::from_raw_fd(terminal), OwnedFd::from_raw_fd(other)) };
        let mut terminal = File::from(terminal);
        terminal.write_all(line.as_bytes()).expect("a line");
        terminal.write_all(b"\n").expect("its end");
        command.stdin(other);
        self.start_as_is(command).end()
    }

    fn start_as_is(&self, mut command: Command) -> Running {
        let folder = tempfile::tempdir_in(self.place.path("home")).expect("a folder");
        let folder = folder.keep();
        let outputs = [folder.join("out"), folder.join("error")];
        let [out, error] = outputs
            .each_ref()
            .map(|file| File::create(file).expect("a file"));
        let child = command
            .stdout(out)
            .stderr(error)
            .process_group(0)
            .spawn()
            .expect("the script");
        Running {
            child,
            outputs,
            secrets: self.secrets(),
        }
    }

    pub fn run(&self, command: Command) -> Ended {
        self.start(command).end()
    }

    /// That no file of this place, the instances' folders too, holds a secret, and that the scripts took their own away.
    #[track_caller]
    pub fn no_secret_in_files(&self) {
        fn look(folder: &Path, secrets: &[String]) {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() && !path.is_symlink() {
                    look(&path, secrets);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    let text = String::from_utf8_lossy(&bytes);
                    for secret in secrets {
                        assert!(!text.contains(secret), "a secret in {}", path.display());
                    }
                }
            }
        }
        look(&self.place.path(""), &self.secrets());
        let left = std::fs::read_dir(self.place.path("tmp")).expect("a folder");
        assert_eq!(left.count(), 0, "files left in TMPDIR");
    }
}
