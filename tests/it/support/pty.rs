//! The real binary on a terminal of its own, for tests that press keys and look at the screen.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use regex::Regex;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// Pieces of output that are kept until the test looks.
const KEPT: usize = 1 << 16;

/// How long nothing may be heard of it before the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A binary that was started on a terminal. It is ended when the test is.
pub struct OnTerminal {
    child: Child,
    keyboard: Option<File>,
    terminal: File,
    found: Termios,
    heard: Receiver<Vec<u8>>,
    /// All that it printed, of which the last character may be half there.
    bytes: Vec<u8>,
    printed: String,
    /// How far the test has looked at it, colours apart.
    looked: usize,
}

/// What ended.
pub struct Left {
    pub code: Option<i32>,
    pub printed: String,
}

impl OnTerminal {
    /// Starts a command on a terminal of this size.
    pub fn start(command: Command, rows: u16, columns: u16) -> Self {
        Self::that_keeps(KEPT, command, rows, columns)
    }

    /// Starts a command on a terminal that takes next to nothing while the test does not look.
    pub fn start_slow(command: Command, rows: u16, columns: u16) -> Self {
        Self::that_keeps(0, command, rows, columns)
    }

    fn that_keeps(kept: usize, mut command: Command, rows: u16, columns: u16) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&controller).expect("a terminal");
        unlockpt(&controller).expect("a terminal");
        let path = ptsname(&controller, Vec::new()).expect("its name").into_string().expect("a path");
        resize(&controller, rows, columns);
        let no_control = i32::try_from(OFlags::NOCTTY.bits()).expect("a flag");
        let terminal = OpenOptions::new().read(true).write(true).custom_flags(no_control).open(path).expect("its end");
        let found = tcgetattr(&terminal).expect("its modes");
        let end = || terminal.try_clone().expect("its end");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("the binary starts");
        drop(command);
        let keyboard = File::from(controller);
        let mut screen = keyboard.try_clone().expect("the terminal");
        let (hearing, heard) = sync_channel(kept);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if hearing.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            keyboard: Some(keyboard),
            terminal,
            found,
            heard,
            bytes: Vec::new(),
            printed: String::new(),
            looked: 0,
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        self.press_bytes(keys.as_bytes())
    }

    /// Presses keys of another encoding.
    pub fn press_bytes(&mut self, keys: &[u8]) -> &mut Self {
        self.keyboard.as_mut().expect("a terminal").write_all(keys).expect("keys");
        self
    }

    /// Presses a key, and waits until the screen was drawn anew for it.
    pub fn press_and_see(&mut self, key: &str) -> &mut Self {
        let drawn = |session: &Self| session.printed.matches("\u{1b}[1;1H").count();
        let before = drawn(self);
        self.press(key).until_it(&format!("a screen after {key:?}"), |session| drawn(session) > before)
    }

    /// Waits until the screen has this text.
    pub fn until(&mut self, text: &str) -> &mut Self {
        self.until_it(text, |session| session.screen().contains(text))
    }

    /// Waits until this was printed, colours apart, behind what was waited for in this way before.
    pub fn until_said(&mut self, text: &str) -> &mut Self {
        self.until_it(text, |session| session.said().contains(text));
        self.looked += self.said().find(text).map_or(0, |at| at + text.len());
        self
    }

    /// Types a line at a prompt, and waits for the next prompt: what was printed between them, colours apart. Of nothing typed
    /// it is all that stands in front of the first prompt.
    pub fn ask(&mut self, line: Option<&str>, prompt: &str) -> String {
        if let Some(line) = line {
            self.press(&format!("{line}\r"));
        }
        // While a line is typed it is drawn with its prompt again and again; behind its end stands what was printed.
        let answer = |said: &str| {
            let said = if line.is_some() { said.split_once('\n')?.1 } else { said };
            said.trim_end_matches('\r').strip_suffix(prompt).map(ToOwned::to_owned)
        };
        self.until_it(prompt, |session| answer(&session.said()).is_some());
        let said = self.said();
        self.looked += said.len();
        let lines = answer(&said).unwrap_or_default();
        lines.lines().map(|line| line.trim_matches('\r').to_owned() + "\n").collect()
    }

    /// What was printed and not waited for so far, colours apart.
    pub fn said(&self) -> String {
        let all = console::strip_ansi_codes(&self.printed);
        all.get(self.looked..).unwrap_or_default().to_owned()
    }

    /// Waits for its end on the screen on which it began, and sees that the terminal is as it was found.
    pub fn leave(mut self) -> Left {
        let code = self.wait();
        (&self.terminal).write_all(b"(over)").expect("the terminal");
        self.until_it("(over)", |session| session.printed.contains("(over)"));
        let marks = |mark: &str| self.printed.rfind(mark);
        assert!(marks("\u{1b}[?2004h") < marks("\u{1b}[?2004l"), "{:?}", self.printed);
        Left { code, printed: std::mem::take(&mut self.printed) }
    }

    fn until_it(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) -> &mut Self {
        loop {
            self.printed = String::from_utf8_lossy(&self.bytes).into_owned();
            if is_there(self) {
                return self;
            }
            match self.heard.recv_timeout(PATIENCE) {
                Ok(more) => self.bytes.extend(more),
                Err(error) => {
                    panic!("{error}, and `{what}` is not on the screen:\n{}\n{:?}", self.screen(), self.said())
                }
            }
        }
    }

    /// The rows of the screen as they are: the last that was written to each.
    pub fn screen(&self) -> String {
        let place = Regex::new("\u{1b}\\[(\\d+);1H").expect("a pattern");
        let mut rows: BTreeMap<usize, String> = BTreeMap::new();
        for found in place.captures_iter(&self.printed) {
            let text = &self.printed[found.get(0).expect("all of it").end()..];
            let text = place.find(text).map_or(text, |next| &text[..next.start()]);
            rows.insert(found[1].parse().expect("a number"), console::strip_ansi_codes(text).trim_end().to_owned());
        }
        rows.into_values().map(|row| row + "\n").collect()
    }

    /// Gives the terminal another size, and says so as the system does to what it controls.
    pub fn resize(&mut self, rows: u16, columns: u16) -> &mut Self {
        resize(self.keyboard.as_ref().expect("a terminal"), rows, columns);
        self.signal("WINCH")
    }

    /// Sends a signal.
    pub fn signal(&mut self, name: &str) -> &mut Self {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell").success(), "{command}");
        self
    }

    /// Waits for its end, and sees that keys come as they came before. What it printed is not looked at.
    pub fn end(mut self) -> Option<i32> {
        self.wait()
    }

    fn wait(&mut self) -> Option<i32> {
        let code = self.child.wait().expect("its end").code();
        let left = tcgetattr(&self.terminal).expect("its modes");
        let modes = |modes: &Termios| (modes.input_modes, modes.output_modes, modes.local_modes);
        assert_eq!(modes(&left), modes(&self.found), "the terminal is as it was found");
        code
    }

    /// Waits for its end, and sees that the terminal is as it was found.
    pub fn finish(mut self) -> Left {
        let code = self.wait();
        // Behind the last words, so that all are heard.
        (&self.terminal).write_all(b"\x1b[99;1H(over)").expect("the terminal");
        self.until("(over)");
        let on = self.printed.rfind("\u{1b}[?1049h").expect("the alternate screen");
        let off = self.printed.rfind("\u{1b}[?1049l").expect("the screen as it was");
        assert!(
            on < off && self.printed.rfind("\u{1b}[?25l") < self.printed.rfind("\u{1b}[?25h"),
            "{:?}",
            self.printed
        );
        Left { code, printed: std::mem::take(&mut self.printed) }
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Left {
    /// Fails the test unless the code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", console::strip_ansi_codes(&self.printed));
        self
    }
}

fn resize(terminal: impl std::os::fd::AsFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("its size");
}
