use domain::plan::Plan;
use proptest::prelude::*;

use super::*;

fn spec(plan: Plan) -> ServerSpec {
    ServerSpec {
        slug: "acme".to_owned(),
        plan,
        main_host: "acme.localhost".to_owned(),
        name: "Acme".to_owned(),
    }
}

fn wanted(state: DesiredState) -> Wanted {
    Wanted {
        state,
        hosts: vec!["acme.localhost".to_owned()],
        server: spec(Plan::Free),
    }
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000))
}

/// What the world looks like after `work` was done.
fn succeed(wanted: &Wanted, known: &mut Known, work: &Work) {
    match work {
        Work::Publish(route) => known.route = Some(route.clone()),
        Work::Withdraw => known.route = None,
        Work::Database(step) => known.database = step.next(),
        Work::StartServer => known.server = Server::Starting(wanted.server.clone()),
        Work::StopServer => known.server = Server::Stopped,
        Work::DisableLogins => known.logins_disabled = true,
        Work::ExportFinally => known.exported = true,
        Work::DropDatabase => known.dropped = true,
        Work::RemoveFiles => known.files_removed = true,
        Work::Idle => {}
    }
}

/// Does everything until nothing is left to do; a server that was started becomes ready.
fn settle(wanted: &Wanted, known: &mut Known) -> Vec<Work> {
    let mut done = Vec::new();
    for _ in 0..30 {
        let work = decide(wanted, known);
        if work == Work::Idle {
            match known.server.clone() {
                Server::Starting(spec) => {
                    known.server = Server::Ready(spec, address());
                    known.trouble = None;
                    continue;
                }
                _ => return done,
            }
        }
        succeed(wanted, known, &work);
        done.push(work);
    }
    panic!("does not come to rest: {done:?}");
}

#[test]
fn a_new_tenant_goes_through_all_steps_in_order() {
    let wanted = wanted(DesiredState::Running);
    let mut known = Known::nothing();
    let done = settle(&wanted, &mut known);
    let publish = |target| {
        Work::Publish(Published {
            hosts: wanted.hosts.clone(),
            target,
        })
    };
    assert_eq!(
        done,
        [
            publish(Target::Starting),
            Work::Database(DatabaseStep::Schema),
            Work::Database(DatabaseStep::Roles),
            Work::Database(DatabaseStep::Migrations),
            Work::Database(DatabaseStep::Administrator),
            Work::StartServer,
            publish(Target::Serving(address())),
        ]
    );
}

#[test]
fn a_server_that_died_is_unrouted_first_and_only_started_again() {
    let wanted = wanted(DesiredState::Running);
    let mut known = Known::nothing();
    settle(&wanted, &mut known);
    known.server = Server::Stopped;
    let done = settle(&wanted, &mut known);
    assert!(matches!(&done[0], Work::Publish(p) if p.target == Target::Starting));
    assert_eq!(done[1], Work::StartServer);
    assert_eq!(done.len(), 3);
}

#[test]
fn another_plan_replaces_the_server_after_the_database_is_ready_for_it() {
    let mut wanted = wanted(DesiredState::Running);
    let mut known = Known::nothing();
    settle(&wanted, &mut known);
    wanted.server = spec(Plan::Business);
    known.forget_work();
    let done = settle(&wanted, &mut known);
    assert_eq!(
        done[0],
        Work::Database(DatabaseStep::Schema),
        "still serving"
    );
    assert!(matches!(&done[4], Work::Publish(p) if p.target == Target::Starting));
    assert_eq!(done[5..7], [Work::StopServer, Work::StartServer]);
}

#[test]
fn another_host_changes_the_route_and_leaves_the_server_alone() {
    let mut wanted = wanted(DesiredState::Running);
    let mut known = Known::nothing();
    settle(&wanted, &mut known);
    wanted.hosts.push("help.example.com".to_owned());
    known.forget_work();
    let done = settle(&wanted, &mut known);
    assert!(!done.contains(&Work::StopServer));
    assert_eq!(known.route.unwrap().hosts.len(), 2);
}

#[test]
fn suspended_and_absent_stop_in_the_right_order() {
    for (state, expected) in [
        (
            DesiredState::Suspended,
            vec![Work::StopServer, Work::DisableLogins],
        ),
        (
            DesiredState::Absent,
            vec![
                Work::StopServer,
                Work::ExportFinally,
                Work::DropDatabase,
                Work::RemoveFiles,
            ],
        ),
    ] {
        let mut known = Known::nothing();
        settle(&wanted(DesiredState::Running), &mut known);
        known.forget_work();
        let done = settle(&wanted(state), &mut known);
        assert!(matches!(done[0], Work::Publish(_) | Work::Withdraw));
        assert_eq!(done[1..], expected);
    }
}

fn any_state() -> impl Strategy<Value = DesiredState> {
    prop_oneof![
        Just(DesiredState::Running),
        Just(DesiredState::Suspended),
        Just(DesiredState::Absent),
    ]
}

fn any_spec() -> impl Strategy<Value = ServerSpec> {
    prop_oneof![Just(spec(Plan::Free)), Just(spec(Plan::Team))]
}

fn any_known() -> impl Strategy<Value = Known> {
    let server = prop_oneof![
        Just(Server::Stopped),
        any_spec().prop_map(Server::Starting),
        any_spec().prop_map(|spec| Server::Ready(spec, address())),
    ];
    let target = prop_oneof![
        Just(Target::Starting),
        Just(Target::Serving(address())),
        Just(Target::Suspended),
        Just(Target::Failed("why".to_owned())),
    ];
    let route = prop::option::of(target.prop_map(|target| Published {
        hosts: vec!["acme.localhost".to_owned()],
        target,
    }));
    let database = prop::option::of(prop::sample::select(DatabaseStep::ALL.to_vec()));
    let trouble = prop::option::of(Just("why".to_owned()));
    (
        database,
        any::<(bool, bool, bool, bool)>(),
        server,
        route,
        trouble,
    )
        .prop_map(
            |(
                database,
                (logins_disabled, exported, dropped, files_removed),
                server,
                route,
                trouble,
            )| {
                Known {
                    database,
                    logins_disabled,
                    exported,
                    dropped,
                    files_removed,
                    server,
                    route,
                    trouble,
                }
            },
        )
}

proptest! {
    #[test]
    fn every_state_comes_to_rest_in_what_was_wanted(state in any_state(), known in any_known()) {
        let wanted = wanted(state);
        let mut known = known;
        settle(&wanted, &mut known);
        match state {
            DesiredState::Running => {
                prop_assert_eq!(known.database, None);
                prop_assert_eq!(&known.server, &Server::Ready(wanted.server.clone(), address()));
                prop_assert_eq!(known.route.unwrap().target, Target::Serving(address()));
            }
            DesiredState::Suspended => {
                prop_assert_eq!(known.server, Server::Stopped);
                prop_assert!(known.logins_disabled);
                prop_assert_eq!(known.route.unwrap().target, Target::Suspended);
            }
            DesiredState::Absent => {
                prop_assert_eq!(known.server, Server::Stopped);
                prop_assert!(known.dropped && known.files_removed);
                prop_assert_eq!(known.route, None);
            }
        }
    }

    #[test]
    fn nothing_is_taken_away_from_under_a_server(state in any_state(), known in any_known()) {
        match decide(&wanted(state), &known) {
            work @ (Work::ExportFinally | Work::DropDatabase | Work::DisableLogins | Work::RemoveFiles) => {
                prop_assert_eq!(&known.server, &Server::Stopped);
                // Nothing is lost that was not kept.
                prop_assert!(work != Work::DropDatabase || known.exported);
            }
            // Requests are led away before it stops.
            Work::StopServer => {
                let serving = matches!(known.route.map(|r| r.target), Some(Target::Serving(_)));
                prop_assert!(!serving);
            }
            Work::StartServer => {
                prop_assert_eq!(state, DesiredState::Running);
                prop_assert_eq!(known.database, None);
            }
            Work::Publish(Published { target: Target::Serving(_), .. }) => {
                prop_assert!(matches!(known.server, Server::Ready(..)));
            }
            _ => {}
        }
    }

    #[test]
    fn failures_and_crashes_on_the_way_change_nothing_about_the_end(
        state in any_state(),
        known in any_known(),
        luck in prop::collection::vec((any::<bool>(), any::<bool>()), 0..40),
    ) {
        let wanted = wanted(state);
        let mut known = known;
        for (succeeds, crashes) in luck {
            let work = decide(&wanted, &known);
            if succeeds || !work.can_fail() {
                succeed(&wanted, &mut known, &work);
            }
            if crashes {
                known.server = Server::Stopped;
            }
        }
        settle(&wanted, &mut known);
        prop_assert_eq!(decide(&wanted, &known), Work::Idle);
    }
}
