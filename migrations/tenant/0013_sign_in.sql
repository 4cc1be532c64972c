-- Who may sign in and who has. Ours alone: the tables of OTRS keep their own `pw` columns for what was imported.

CREATE TABLE gotrs_credential (
    subject_kind text NOT NULL,
    login varchar(200) NOT NULL,
    password_hash text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT gotrs_credential_pkey PRIMARY KEY (subject_kind, login),
    CONSTRAINT gotrs_credential_subject_kind CHECK (subject_kind IN ('agent', 'customer')),
    CONSTRAINT gotrs_credential_password_hash CHECK (password_hash LIKE '$argon2id$%')
);
COMMENT ON TABLE gotrs_credential IS 'Argon2id hashes. Wins over users.pw and customer_user.pw, which hold hashes of older kinds.';

CREATE TABLE gotrs_session (
    id uuid NOT NULL,
    subject_kind text NOT NULL,
    subject_id integer NOT NULL,
    login varchar(200) NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    revoked_at timestamptz,
    user_agent text,
    CONSTRAINT gotrs_session_pkey PRIMARY KEY (id),
    CONSTRAINT gotrs_session_subject_kind CHECK (subject_kind IN ('agent', 'customer')),
    CONSTRAINT gotrs_session_user_agent CHECK (length(user_agent) <= 400)
);
CREATE INDEX gotrs_session_subject ON gotrs_session (subject_kind, subject_id);
CREATE INDEX gotrs_session_expires_at ON gotrs_session (expires_at);
COMMENT ON TABLE gotrs_session IS 'One sign-in on one device: a family of refresh tokens. subject_id is users.id or customer_user.id, by subject_kind.';

CREATE TABLE gotrs_refresh_token (
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT gotrs_refresh_token_pkey PRIMARY KEY (token_hash),
    CONSTRAINT gotrs_refresh_token_token_hash CHECK (length(token_hash) = 32),
    CONSTRAINT gotrs_refresh_token_session_id FOREIGN KEY (session_id) REFERENCES gotrs_session (id) ON DELETE CASCADE
);
CREATE INDEX gotrs_refresh_token_session_id ON gotrs_refresh_token (session_id);
COMMENT ON TABLE gotrs_refresh_token IS 'SHA-256 of each token. A token that comes a second time (used_at is set) revokes its session.';

CREATE TABLE gotrs_signing_key (
    id uuid NOT NULL,
    algorithm text NOT NULL,
    secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT gotrs_signing_key_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE gotrs_signing_key IS 'Keys of this tenant''s access tokens. The newest that is not retired signs; all of them verify.';

CREATE TABLE gotrs_setting (
    key text NOT NULL,
    value jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT gotrs_setting_pkey PRIMARY KEY (key),
    CONSTRAINT gotrs_setting_key CHECK (key ~ '^[a-z][a-z0-9_.]{0,99}$')
);
COMMENT ON TABLE gotrs_setting IS 'What the platform remembers about this tenant. Settings of OTRS are in sysconfig_*.';
