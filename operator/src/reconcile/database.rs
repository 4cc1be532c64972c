//! A tenant's passwords, schema, roles and tables.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use secrecy::{ExposeSecret as _, SecretString};
use tenant_crd::v1::{SecretKey, Tenant};
use tenant_database::{AdministratorSeed, Credentials, StoredCredentials};

use super::apply::{ApplyError, apply, apply_as, delete, digest, find};
use super::build::{self, ADMINISTRATOR, RUNTIME};
use super::secrets::{RuntimeSecrets, Seal, credentials_in, rotation_of};
use super::status::{DatabaseFacts, Trouble};
use super::validate::{Run, ValidatedAdministrator, ValidatedTenant};
use super::{Context, ReconcileError};
use crate::lane::Lane;
use crate::memory::{DatabaseState, Look};
use crate::note;
use crate::seen::ObjectKey;
use crate::store::{StoreError, TenantStore, role_limits};

/// Differences that are kept for people; the rest is in `operator report`.
const DIFFERENCES_KEPT: usize = 20;

/// The passwords of a tenant, as far as they are needed.
pub(super) enum Passwords {
    /// They are where they should be, in the Secret and in the database (which was not looked at for a suspended tenant): what stands for
    /// them is enough.
    InPlace(Seal, Option<DatabaseState>),
    /// Something is to be done with them.
    Open(RuntimeSecrets),
}

impl Passwords {
    /// Finds out what is needed, and reads the Secret only where that is more than is known.
    pub(super) async fn of(
        ctx: &Context,
        wanted: &ValidatedTenant,
        store: &dyn TenantStore,
    ) -> Result<Self, ReconcileError> {
        match in_place(ctx, wanted, store)? {
            Some(known) => Ok(known),
            None => Ok(Self::Open(candidate(ctx, wanted, store).await?)),
        }
    }

    /// What stands for them.
    pub(super) fn seal(&self) -> Seal {
        match self {
            Self::InPlace(seal, _) => seal.clone(),
            Self::Open(secrets) => secrets.seal(),
        }
    }
}

fn in_place(
    ctx: &Context,
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
) -> Result<Option<Passwords>, ReconcileError> {
    let Some(seal) = ctx.memory.seal(&wanted.uid) else {
        return Ok(None);
    };
    let key = ObjectKey {
        kind: "Secret",
        namespace: Some(build::namespace_name(&wanted.slug)),
        name: RUNTIME.to_owned(),
    };
    if !ctx
        .seen
        .is_in_place(&key, secret_digest(wanted, store, &seal)?)
    {
        return Ok(None);
    }
    if wanted.run == Run::Suspended {
        return Ok(Some(Passwords::InPlace(seal, None)));
    }
    let roles = roles(wanted, &seal);
    let state = ctx
        .memory
        .database(&wanted.uid, inputs(wanted))
        .filter(|state| state.roles == roles);
    Ok(state.map(|state| Passwords::InPlace(seal, Some(state))))
}

/// Stands for everything that the Secret says: what is not secret of it, and the seal for the rest.
fn secret_digest(
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
    seal: &Seal,
) -> Result<u64, ApplyError> {
    let nobody: Credentials = StoredCredentials {
        runtime_password: String::new(),
        lambda_password: String::new(),
    }
    .into();
    let frame = build::runtime_secret(wanted, &secrets(wanted, store, nobody));
    let mut hasher = DefaultHasher::new();
    (digest(&frame)?, seal.as_str()).hash(&mut hasher);
    Ok(hasher.finish())
}

fn secrets(
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
    credentials: Credentials,
) -> RuntimeSecrets {
    RuntimeSecrets {
        database_url: store.runtime_url(wanted.id, &credentials),
        lambda_database_url: store.lambda_url(wanted.id, &credentials),
        credentials,
    }
}

/// The passwords that are or will be the tenant's: those in its Secret, unless there are none or new ones are wanted.
async fn candidate(
    ctx: &Context,
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
) -> Result<RuntimeSecrets, ReconcileError> {
    let existing = find(&secrets_of(ctx, wanted), "Secret", RUNTIME).await?;
    let credentials = existing
        .filter(|secret| {
            wanted.rotation.is_none() || rotation_of(secret) == wanted.rotation.as_deref()
        })
        .as_ref()
        .and_then(credentials_in)
        .unwrap_or_else(Credentials::generate);
    Ok(secrets(wanted, store, credentials))
}

/// Writes the Secret. Before the roles get the passwords: lost ones could not be guessed.
pub(super) async fn keep(
    ctx: &Context,
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
    passwords: &Passwords,
) -> Result<(), ReconcileError> {
    let Passwords::Open(secrets) = passwords else {
        return Ok(());
    };
    let secret = build::runtime_secret(wanted, secrets);
    let seal = secrets.seal();
    let wanted_digest = secret_digest(wanted, store, &seal)?;
    apply_as(ctx, &secrets_of(ctx, wanted), &secret, wanted_digest).await?;
    ctx.memory.keep_seal(&wanted.uid, seal);
    Ok(())
}

fn secrets_of(ctx: &Context, wanted: &ValidatedTenant) -> Api<Secret> {
    Api::namespaced(ctx.client.clone(), &build::namespace_name(&wanted.slug))
}

/// Schema, roles, tables and the first administrator; skipped while a recent look found all as it is wanted now.
pub(super) async fn bring_in_line(
    ctx: &Context,
    tenant: &Tenant,
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
    passwords: &Passwords,
) -> DatabaseFacts {
    let state = match passwords {
        Passwords::InPlace(_, None) => return DatabaseFacts::Locked,
        Passwords::InPlace(_, Some(state)) => Ok(state.clone()),
        Passwords::Open(secrets) => make(ctx, tenant, wanted, store, secrets).await,
    };
    match state {
        Ok(state) => DatabaseFacts::Ready {
            schema_version: state.schema_version,
            differences: state.differences,
        },
        Err(trouble) => DatabaseFacts::Failed(trouble),
    }
}

async fn make(
    ctx: &Context,
    tenant: &Tenant,
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
    secrets: &RuntimeSecrets,
) -> Result<DatabaseState, Trouble> {
    let roles = roles(wanted, &secrets.seal());
    let known = ctx.memory.database(&wanted.uid, inputs(wanted));
    let state = match known {
        Some(state) if state.roles == roles => return Ok(state),
        Some(state) => only_roles(ctx, wanted, store, secrets, state, ctx.lane_of(tenant)).await?,
        None => None,
    };
    let state = match state {
        Some(state) => state,
        None => steps(ctx, tenant, wanted, store, secrets).await?,
    };
    ctx.memory.keep_database(&wanted.uid, state.clone());
    Ok(state)
}

/// Where only limits or passwords are wanted otherwise, the tables need not be looked at again: somebody waits for it. `None` where
/// somebody else has touched roles or schema since the last look.
async fn only_roles(
    ctx: &Context,
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
    secrets: &RuntimeSecrets,
    known: DatabaseState,
    lane: Lane,
) -> Result<Option<DatabaseState>, Trouble> {
    let _permit = ctx.database_permits.enter(lane).await;
    let failed = |error: StoreError| trouble(ctx, &error);
    let stamp = store.stamp(wanted.id).await.map_err(failed)?;
    if note::digest(&stamp) != known.look.stamp {
        return Ok(None);
    }
    ctx.memory.forget_database(&wanted.uid);
    check_lead(ctx)?;
    let limits = role_limits(wanted.plan, wanted.run);
    let changed = store
        .change_roles(wanted.id, &secrets.credentials, &limits, &stamp)
        .await
        .map_err(failed)?;
    let Some(stamp) = changed else {
        return Ok(None);
    };
    Ok(Some(DatabaseState {
        roles: roles(wanted, &secrets.seal()),
        look: Look {
            stamp: note::digest(&stamp),
            ..known.look
        },
        ..known
    }))
}

fn check_lead(ctx: &Context) -> Result<(), Trouble> {
    ctx.leadership.check().map_err(|error| Trouble {
        reason: "NotLeading",
        message: error.to_string(),
        is_final: false,
    })
}

/// Writes down what the next operator need not find out again. That it fails costs work after the next start, and nothing now.
pub(super) async fn write_down(ctx: &Context, wanted: &ValidatedTenant, store: &dyn TenantStore) {
    let namespace = build::namespace_name(&wanted.slug);
    let content = note::of(wanted, &namespace, &ctx.seen, &ctx.memory);
    let digest = note::digest(&content);
    if ctx.memory.is_noted(&wanted.uid, digest) || ctx.leadership.check().is_err() {
        return;
    }
    // One row, whoever it is for: whoever waits for the place of this reconcile must not wait for long steps of others.
    let _permit = ctx.database_permits.enter(Lane::User).await;
    match store.keep_note(wanted.id, &content).await {
        Ok(()) => ctx.memory.keep_noted(&wanted.uid, digest),
        Err(error) => drop(trouble(ctx, &error)),
    }
}

/// Keeps the roles of a tenant from signing in; skipped while that was done lately.
pub(super) async fn lock(
    ctx: &Context,
    tenant: &Tenant,
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
) -> Result<(), ReconcileError> {
    if ctx.memory.is_locked(&wanted.uid) {
        return Ok(());
    }
    let _permit = ctx.database_permits.enter(ctx.lane_of(tenant)).await;
    ctx.leadership.check()?;
    store.lock(wanted.id).await?;
    let stamp = store.stamp(wanted.id).await?;
    let look = Look::now(ctx.clock.now(), note::digest(&stamp));
    ctx.memory.keep_locked(&wanted.uid, look);
    Ok(())
}

/// What decides how the roles should be.
fn roles(wanted: &ValidatedTenant, seal: &Seal) -> u64 {
    let mut hasher = DefaultHasher::new();
    let limits = role_limits(wanted.plan, wanted.run);
    // Of the same program: what a value looks like in its log stands for it.
    (format!("{limits:?}"), seal.as_str()).hash(&mut hasher);
    hasher.finish()
}

/// What else decides how the database should be; when it differs, the database is looked at again.
fn inputs(wanted: &ValidatedTenant) -> u64 {
    let mut hasher = DefaultHasher::new();
    wanted.id.hash(&mut hasher);
    // Whatever a new version needs is there before its first runtime.
    wanted.version.as_str().hash(&mut hasher);
    wanted
        .administrator
        .as_ref()
        .map(|administrator| &administrator.email)
        .hash(&mut hasher);
    hasher.finish()
}

async fn steps(
    ctx: &Context,
    tenant: &Tenant,
    wanted: &ValidatedTenant,
    store: &dyn TenantStore,
    secrets: &RuntimeSecrets,
) -> Result<DatabaseState, Trouble> {
    // As many at once as the store has connections; the others wait here and not for a connection.
    let _permit = ctx.database_permits.enter(ctx.lane_of(tenant)).await;
    // The roles may sign in again from the second step on, wherever this ends.
    ctx.memory.forget_database(&wanted.uid);
    let id = wanted.id;
    let lead = || check_lead(ctx);
    lead()?;
    store
        .ensure_schema(id)
        .await
        .map_err(|error| trouble(ctx, &error))?;
    lead()?;
    let limits = role_limits(wanted.plan, wanted.run);
    store
        .ensure_roles(id, &secrets.credentials, &limits)
        .await
        .map_err(|error| trouble(ctx, &error))?;
    lead()?;
    let version = store
        .migrate(id)
        .await
        .map_err(|error| trouble(ctx, &error))?;
    if let Some(administrator) = &wanted.administrator {
        lead()?;
        make_administrator(ctx, tenant, wanted, administrator, store).await?;
    }
    // Before the look: what is done meanwhile is not taken for what was looked at.
    let stamp = store
        .stamp(id)
        .await
        .map_err(|error| trouble(ctx, &error))?;
    let look = Look::now(ctx.clock.now(), note::digest(&stamp));
    let mut differences = store
        .differences(id)
        .await
        .map_err(|error| trouble(ctx, &error))?;
    differences.truncate(DIFFERENCES_KEPT);
    Ok(DatabaseState {
        inputs: inputs(wanted),
        roles: roles(wanted, &secrets.seal()),
        schema_version: version,
        differences,
        look,
    })
}

fn trouble(ctx: &Context, error: &StoreError) -> Trouble {
    if error.is_fenced() {
        ctx.leadership.resign();
    }
    // What the database said may name things that the tenant's owner must not see: it is in the log only.
    tracing::warn!(error = %service_kit::Chain(error), "a step in the database failed");
    Trouble {
        reason: error.reason,
        message: error.to_string(),
        is_final: error.is_final,
    }
}

async fn make_administrator(
    ctx: &Context,
    tenant: &Tenant,
    wanted: &ValidatedTenant,
    administrator: &ValidatedAdministrator,
    store: &dyn TenantStore,
) -> Result<(), Trouble> {
    let failed = |message: String| Trouble {
        reason: "AdministratorFailed",
        message,
        is_final: false,
    };
    let seed = |password_hash| AdministratorSeed {
        email: administrator.email.clone(),
        organization: wanted.display_name.clone(),
        password_hash,
    };
    if let Some(key) = &administrator.password_hash {
        let hash = given_hash(ctx, key).await.map_err(failed)?;
        return store
            .ensure_administrator(wanted.id, &seed(hash))
            .await
            .map(drop)
            .map_err(|error| trouble(ctx, &error));
    }
    let secrets = secrets_of(ctx, wanted);
    let cluster_failed = |error: ApplyError| {
        tracing::warn!(error = %service_kit::Chain(&error), "the administrator's Secret failed");
        failed(
            "the Secret with the administrator's password could not be read or written".to_owned(),
        )
    };
    let existing = find(&secrets, "Secret", ADMINISTRATOR)
        .await
        .map_err(cluster_failed)?;
    let is_new = existing.is_none();
    // Once the tenant has worked, a Secret that is gone was taken away on purpose.
    let was_ready = tenant
        .status
        .as_ref()
        .is_some_and(|status| status.schema_version.is_some());
    if is_new && was_ready {
        return Ok(());
    }
    let password = existing.as_ref().and_then(password_in).unwrap_or_else(|| {
        // 64 hexadecimal digits are nobody's favourite password; half of them are enough and fit on a line.
        Credentials::generate()
            .runtime
            .expose_secret()
            .chars()
            .take(32)
            .collect()
    });
    let secret = build::administrator_secret(wanted, &administrator.email, &password);
    apply(ctx, &secrets, &secret)
        .await
        .map_err(cluster_failed)?;
    let hash = ctx
        .tasks
        .spawn_blocking("hash a password", move || hash(&password))
        .await
        .map_err(|error| failed(error.to_string()))?
        .map_err(failed)?;
    check_lead(ctx)?;
    let was_made = store
        .ensure_administrator(wanted.id, &seed(hash))
        .await
        .map_err(|error| trouble(ctx, &error))?;
    if is_new && !was_made {
        // The schema had an administrator from an earlier life: this password opens nothing.
        delete(ctx, &secrets, "Secret", ADMINISTRATOR)
            .await
            .map_err(cluster_failed)?;
    }
    Ok(())
}

fn password_in(secret: &Secret) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get("password")?.0.clone()).ok()
}

async fn given_hash(ctx: &Context, key: &SecretKey) -> Result<SecretString, String> {
    let namespace = &ctx.cluster.namespace;
    let secrets = Api::<Secret>::namespaced(ctx.client.clone(), namespace);
    let missing = || {
        format!(
            "spec.administrator.passwordHash names the entry {} of the Secret {} in {namespace}, which is not there",
            key.key, key.name
        )
    };
    let secret = find(&secrets, "Secret", &key.name)
        .await
        .map_err(|error| error.to_string())?
        .ok_or_else(missing)?;
    let bytes = secret
        .data
        .as_ref()
        .and_then(|data| data.get(&key.key))
        .ok_or_else(missing)?;
    String::from_utf8(bytes.0.clone())
        .map(|text| text.trim().to_owned().into())
        .map_err(|_not_text| missing())
}

fn hash(password: &str) -> Result<SecretString, String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string().into())
        .map_err(|error| format!("hashing the administrator's password failed: {error}"))
}
