//! What to do next for one tenant: a pure function of what should be and what is.
//!
//! Level-triggered: nothing is remembered of how a state came about, so any state, also one that a crash has left,
//! leads to the same end.

use std::net::SocketAddr;

use control_plane::provision::DesiredState;

/// The work in the tenant's database, in its order. Each is safe to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseStep {
    /// The schema and its owner.
    Schema,
    /// The roles that sign in.
    Roles,
    /// Tables and default rows.
    Migrations,
    /// The first administrator.
    Administrator,
}

impl DatabaseStep {
    /// All of them in their order.
    pub const ALL: [Self; 4] = [
        Self::Schema,
        Self::Roles,
        Self::Migrations,
        Self::Administrator,
    ];

    /// What follows; `None` when the database is ready.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step > self)
    }
}

/// What decides how a server is started; when it differs, the server must be started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// In its pages and logs.
    pub slug: String,
    /// Ceilings.
    pub plan: domain::plan::Plan,
    /// Its main address.
    pub main_host: String,
    /// In its pages.
    pub name: String,
}

/// What should be, as far as it decides what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whether the tenant should run.
    pub state: DesiredState,
    /// The hosts that are the tenant's.
    pub hosts: Vec<String>,
    /// How its server is started.
    pub server: ServerSpec,
}

/// The tenant's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// There is none.
    Stopped,
    /// Started, does not answer yet.
    Starting(ServerSpec),
    /// Answers.
    Ready(ServerSpec, SocketAddr),
}

/// What the router was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The server is not there yet, or again.
    Starting,
    /// Requests go here.
    Serving(SocketAddr),
    /// The owner must act.
    Suspended,
    /// It did not work several times in a row; it is still being tried.
    Failed(String),
}

/// The tenant's entry in the routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// For these hosts.
    pub hosts: Vec<String>,
    /// This.
    pub target: Target,
}

/// What is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The next step in the database for the wanted state; `None` when all are done.
    pub database: Option<DatabaseStep>,
    /// Whether the tenant's roles were kept from signing in.
    pub logins_disabled: bool,
    /// Whether the tenant's last export is there.
    pub exported: bool,
    /// Whether schema and roles were dropped.
    pub dropped: bool,
    /// Whether the tenant's files were removed.
    pub files_removed: bool,
    /// The process.
    pub server: Server,
    /// What the router knows.
    pub route: Option<Published>,
    /// Why nothing has worked for a while.
    pub trouble: Option<String>,
}

impl Known {
    /// What is known when nothing was looked at yet.
    pub fn nothing() -> Self {
        Self {
            database: Some(DatabaseStep::Schema),
            logins_disabled: false,
            exported: false,
            dropped: false,
            files_removed: false,
            server: Server::Stopped,
            route: None,
            trouble: None,
        }
    }

    /// Something else is wanted: what was done for it before is looked at again. Process and route stay.
    pub fn forget_work(&mut self) {
        *self = Self {
            server: std::mem::replace(&mut self.server, Server::Stopped),
            route: self.route.take(),
            ..Self::nothing()
        };
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Tell the router.
    Publish(Published),
    /// Take the tenant out of the routing table.
    Withdraw,
    /// A step in the database.
    Database(DatabaseStep),
    /// Start the process.
    StartServer,
    /// Stop the process; requests under way are finished.
    StopServer,
    /// Keep the roles from signing in and end their connections.
    DisableLogins,
    /// Keep the tenant's data as an archive, which outlives it.
    ExportFinally,
    /// Drop schema and roles.
    DropDatabase,
    /// Remove the tenant's files and passwords.
    RemoveFiles,
    /// Nothing, until something changes.
    Idle,
}

impl Work {
    /// Whether it can fail, and is therefore held back for a while after a failure.
    pub const fn can_fail(&self) -> bool {
        !matches!(
            self,
            Self::Publish(_) | Self::Withdraw | Self::StopServer | Self::Idle
        )
    }
}

/// The next thing to do.
pub fn decide(wanted: &Wanted, known: &Known) -> Work {
    match wanted.state {
        DesiredState::Running => run(wanted, known),
        DesiredState::Suspended => suspend(wanted, known),
        DesiredState::Absent => remove(known),
    }
}

fn run(wanted: &Wanted, known: &Known) -> Work {
    let target = match (&known.server, &known.trouble) {
        // A server of an older kind serves until the database is ready for its successor.
        (Server::Ready(spec, address), _) if *spec == wanted.server || known.database.is_some() => {
            Target::Serving(*address)
        }
        (_, Some(reason)) => Target::Failed(reason.clone()),
        (_, None) => Target::Starting,
    };
    if let Some(work) = publish(wanted, known, target) {
        return work;
    }
    if let Some(step) = known.database {
        return Work::Database(step);
    }
    match &known.server {
        Server::Stopped => Work::StartServer,
        Server::Starting(spec) | Server::Ready(spec, _) if *spec != wanted.server => {
            Work::StopServer
        }
        Server::Starting(_) | Server::Ready(..) => Work::Idle,
    }
}

fn suspend(wanted: &Wanted, known: &Known) -> Work {
    // First the route, so that nobody is sent to a server that stops.
    if let Some(work) = publish(wanted, known, Target::Suspended) {
        return work;
    }
    match known.server {
        Server::Starting(_) | Server::Ready(..) => Work::StopServer,
        Server::Stopped if !known.logins_disabled => Work::DisableLogins,
        Server::Stopped => Work::Idle,
    }
}

fn remove(known: &Known) -> Work {
    if known.route.is_some() {
        return Work::Withdraw;
    }
    match known.server {
        Server::Starting(_) | Server::Ready(..) => Work::StopServer,
        // Nothing writes any more, so the archive has everything.
        Server::Stopped if !known.exported && !known.dropped => Work::ExportFinally,
        Server::Stopped if !known.dropped => Work::DropDatabase,
        Server::Stopped if !known.files_removed => Work::RemoveFiles,
        Server::Stopped => Work::Idle,
    }
}

fn publish(wanted: &Wanted, known: &Known, target: Target) -> Option<Work> {
    let route = Published {
        hosts: wanted.hosts.clone(),
        target,
    };
    (known.route.as_ref() != Some(&route)).then_some(Work::Publish(route))
}

#[cfg(test)]
mod tests;
