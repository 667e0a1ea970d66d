//! The members of a round, and the supervisor that they would have: one that ends by itself is started again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use fenghuo_tests::processes::{Member, fenghuo, was_killed};
use fenghuo_tests::trouble::Trouble;

/// How long the group waits for a member, ms.
pub const SESSION_MS: u64 = 4_000;

/// How a member is started.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Its name.
    pub name: String,
    /// What it does: decode, correlate or all.
    pub role: &'static str,
    /// Whether it is a static member: a restart moves nothing.
    pub is_static: bool,
    /// Variables of its environment.
    pub environment: Vec<(&'static str, String)>,
    /// How much address space it may have (RLIMIT_AS), bytes.
    pub address_space: Option<u64>,
}

impl Seat {
    /// A static member that does everything.
    pub fn fixed(name: &str) -> Self {
        Self { name: name.to_owned(), role: "all", is_static: true, environment: Vec::new(), address_space: None }
    }

    /// A member that does everything and is missed only when its session is over.
    pub fn loose(name: &str) -> Self {
        Self { is_static: false, ..Self::fixed(name) }
    }
}

/// The members of a round.
pub struct Crew {
    folder: PathBuf,
    config: PathBuf,
    members: BTreeMap<String, (Seat, Member)>,
    /// The most memory that any of them held, MiB.
    pub memory_mib: u64,
    /// How those ended that were not killed, where it was not in order; during a round they are started again.
    pub ends: Vec<String>,
}

/// A member may end by itself so often; then something is wrong that a supervisor cannot mend.
const MOST_ENDS: usize = 20;

impl Crew {
    /// Nobody yet; logs go to `folder`.
    pub fn new(folder: PathBuf, config: PathBuf) -> Self {
        Self { folder, config, members: BTreeMap::new(), memory_mib: 0, ends: Vec::new() }
    }

    /// Starts a member.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self, seat: &Seat) -> Result<(), Trouble> {
        let mut command: Command = fenghuo();
        if let Some(bytes) = seat.address_space {
            let program = command.get_program().to_owned();
            command = Command::new("prlimit");
            command.arg(format!("--as={bytes}")).arg(program);
        }
        command.args(["run", "--role", seat.role, "--config"]).arg(&self.config);
        command.args(["--set", &format!("kafka.properties.session.timeout.ms={SESSION_MS}")]);
        if seat.is_static {
            command.args(["--set", &format!("kafka.instance={}", seat.name)]);
        }
        command.envs(seat.environment.iter().map(|(key, value)| (*key, value.as_str())));
        let member = Member::spawn(command, &self.folder, &seat.name)?;
        self.members.insert(seat.name.clone(), (seat.clone(), member));
        Ok(())
    }

    /// Who is there.
    pub fn names(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    fn member(&mut self, name: &str) -> Result<&mut (Seat, Member), Trouble> {
        self.members.get_mut(name).ok_or_else(|| Trouble::from(format!("no member {name}")))
    }

    /// Ends a member as a crash would; gives its seat.
    ///
    /// # Errors
    /// It is not there.
    pub fn kill(&mut self, name: &str) -> Result<Seat, Trouble> {
        self.weigh();
        let (seat, member) = self.members.remove(name).ok_or_else(|| Trouble::from(format!("no member {name}")))?;
        member.kill();
        Ok(seat)
    }

    /// Sends a member a signal by name, such as `STOP`.
    ///
    /// # Errors
    /// It is not there.
    pub fn signal(&mut self, name: &str, signal: &str) -> Result<(), Trouble> {
        self.member(name)?.1.signal(signal)
    }

    /// Whether a member has ended by SIGKILL, without us.
    ///
    /// # Errors
    /// It is not there.
    pub fn killed_itself(&mut self, name: &str) -> Result<bool, Trouble> {
        Ok(self.member(name)?.1.ended()?.is_some_and(was_killed))
    }

    /// Whether a member has said something in its log.
    ///
    /// # Errors
    /// It is not there.
    pub fn has_said(&mut self, name: &str, words: &str) -> Result<bool, Trouble> {
        Ok(self.member(name)?.1.log().contains(words))
    }

    /// How much address space a member has now, bytes.
    ///
    /// # Errors
    /// It is not there, or has ended.
    pub fn address_space(&mut self, name: &str) -> Result<u64, Trouble> {
        let ended = || Trouble::from(format!("{name} has ended"));
        self.member(name)?.1.memory_mib().map(|memory| memory.address_space << 20).ok_or_else(ended)
    }

    /// Ends a member in order; a status that is not 0 is noted.
    ///
    /// # Errors
    /// It does not end.
    pub fn end(&mut self, name: &str) -> Result<(), Trouble> {
        self.weigh();
        self.member(name)?.1.signal("TERM")?;
        self.wait(name)
    }

    fn wait(&mut self, name: &str) -> Result<(), Trouble> {
        let (_, member) = self.members.remove(name).ok_or_else(|| Trouble::from(format!("no member {name}")))?;
        let status = member.wait()?;
        if !status.success() {
            self.note_end(name, status);
        }
        Ok(())
    }

    /// Ends all members in order, all at once.
    ///
    /// # Errors
    /// One does not end.
    pub fn end_all(&mut self) -> Result<(), Trouble> {
        self.weigh();
        for (_, member) in self.members.values() {
            // Whoever has ended already needs no signal.
            let _ = member.signal("TERM");
        }
        self.names().iter().try_for_each(|name| self.wait(name))
    }

    fn note_end(&mut self, name: &str, status: ExitStatus) {
        self.ends.push(format!("{name}: {status}"));
    }

    /// What a supervisor does: whoever has ended is started again, as the same member but without special environment
    /// or limit.
    ///
    /// # Errors
    /// A member ends again and again.
    pub fn supervise(&mut self) -> Result<(), Trouble> {
        self.weigh();
        for name in self.names() {
            let (seat, member) = self.member(&name)?;
            let Some(status) = member.ended()? else { continue };
            let (seat, log) = (Seat { environment: Vec::new(), address_space: None, ..seat.clone() }, member.log());
            self.note_end(&name, status);
            if self.ends.len() > MOST_ENDS {
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                return Err(Trouble::from(format!("{name} ends again and again ({status}): {tail:?}")));
            }
            self.start(&seat)?;
        }
        Ok(())
    }

    fn weigh(&mut self) {
        let most = self.members.values().filter_map(|(_, member)| Some(member.memory_mib()?.most)).max();
        self.memory_mib = self.memory_mib.max(most.unwrap_or_default());
    }
}
