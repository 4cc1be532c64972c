-- Accounts, sessions, keys and tenants. Ids are UUIDv7 made by the program; times come from its clock.

CREATE TABLE account (
    id uuid PRIMARY KEY,
    -- As it was typed; email_key is what is compared.
    email text NOT NULL,
    email_key text NOT NULL,
    organization text NOT NULL,
    created_at timestamptz NOT NULL,
    verified_at timestamptz,
    CONSTRAINT account_email_key_is_lower CHECK (email_key = lower(email_key))
);
-- Only a proven address is taken. Every signup makes an account of its own until its link was opened, so that
-- neither the answer nor a second signup tells whether somebody has an account.
CREATE UNIQUE INDEX account_verified_email ON account (email_key) WHERE verified_at IS NOT NULL;
CREATE INDEX account_unverified_email ON account (email_key, created_at) WHERE verified_at IS NULL;

CREATE TABLE account_credential (
    account_id uuid PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    -- Argon2id in PHC format.
    password_hash text NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE session (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    -- SHA-256 of the console cookie; NULL for sessions of programs, which hold refresh tokens.
    cookie_hash bytea,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT session_cookie_hash_key UNIQUE (cookie_hash)
);
CREATE INDEX session_account ON session (account_id);
CREATE INDEX session_expiry ON session (expires_at);

-- All tokens of a session are one family: using one twice revokes the session.
CREATE TABLE refresh_token (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES session ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_token_session ON refresh_token (session_id);

CREATE TABLE api_key (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    name text NOT NULL,
    -- The first characters, to tell keys apart in a list.
    prefix text NOT NULL,
    key_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_key_hash_key UNIQUE (key_hash)
);
CREATE INDEX api_key_account ON api_key (account_id, id);

CREATE TABLE tenant (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account,
    slug text NOT NULL,
    organization text NOT NULL,
    plan text NOT NULL,
    -- Which cluster holds it.
    cell text NOT NULL,
    -- What the owner and the platform want; generation grows with each change of it.
    desired_state text NOT NULL,
    suspended_reason text,
    generation bigint NOT NULL,
    deletion_requested_at timestamptz,
    delete_after timestamptz,
    -- What is; written by the reconcile job only.
    phase text NOT NULL,
    observed_generation bigint NOT NULL,
    ready_replicas integer NOT NULL,
    activated_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT tenant_slug_key UNIQUE (slug),
    CONSTRAINT tenant_plan_known CHECK (plan IN ('free', 'team', 'business')),
    CONSTRAINT tenant_desired_state_known CHECK (desired_state IN ('None', 'Running', 'Suspended', 'Absent')),
    CONSTRAINT tenant_phase_known CHECK (phase IN ('Pending', 'Provisioning', 'Active', 'Suspended', 'Deleting')),
    CONSTRAINT tenant_generations_grow CHECK (generation >= 1 AND observed_generation BETWEEN 0 AND generation),
    CONSTRAINT tenant_deletion_has_an_end CHECK ((deletion_requested_at IS NULL) = (delete_after IS NULL)),
    CONSTRAINT tenant_absent_was_deleted CHECK (desired_state <> 'Absent' OR delete_after IS NOT NULL)
);
CREATE INDEX tenant_account ON tenant (account_id);
CREATE INDEX tenant_delete_after ON tenant (delete_after) WHERE delete_after IS NOT NULL;

CREATE TABLE tenant_member (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    role text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    CONSTRAINT tenant_member_role_known CHECK (role IN ('owner'))
);
CREATE INDEX tenant_member_account ON tenant_member (account_id, tenant_id);

CREATE TABLE tenant_condition (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    kind text NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    observed_generation bigint NOT NULL,
    last_transition_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind),
    CONSTRAINT tenant_condition_status_known CHECK (status IN ('True', 'False', 'Unknown'))
);

CREATE TABLE tenant_step (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    step text NOT NULL,
    state text NOT NULL,
    at timestamptz,
    reason text,
    message text,
    PRIMARY KEY (tenant_id, step),
    CONSTRAINT tenant_step_state_complete CHECK (
        CASE state
            WHEN 'waiting' THEN at IS NULL AND reason IS NULL AND message IS NULL
            WHEN 'running' THEN at IS NULL AND reason IS NULL AND message IS NULL
            WHEN 'done' THEN at IS NOT NULL AND reason IS NULL AND message IS NULL
            WHEN 'failed' THEN at IS NOT NULL AND reason IS NOT NULL AND message IS NOT NULL
            ELSE false
        END
    )
);

-- A link that proves an address. The token is made from the id and the secret key when it is needed, never stored.
CREATE TABLE email_verification (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    -- When the mail is to be sent (again); NULL once the mail server has taken it.
    send_after timestamptz,
    send_attempts integer NOT NULL,
    CONSTRAINT email_verification_tenant_key UNIQUE (tenant_id)
);
CREATE INDEX email_verification_account ON email_verification (account_id);
CREATE INDEX email_verification_due ON email_verification (send_after) WHERE send_after IS NOT NULL;

-- Answers to creating calls, kept for a day so that a repeated call does nothing twice.
CREATE TABLE idempotency_key (
    -- The account, or for calls without one the client's address.
    scope text NOT NULL,
    key text NOT NULL,
    -- SHA-256 over method, path and body.
    request_hash bytea NOT NULL,
    -- NULL while the first call is at work.
    status integer,
    content_type text,
    body bytea,
    -- The answer held this key, which is made again for the repetition and not stored.
    api_key_id uuid,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);

CREATE TABLE audit_event (
    id uuid PRIMARY KEY,
    -- No foreign keys: the log outlives what it speaks about.
    account_id uuid NOT NULL,
    tenant_id uuid,
    actor text NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL,
    request_id text,
    created_at timestamptz NOT NULL
);
CREATE INDEX audit_event_account ON audit_event (account_id, id DESC);
