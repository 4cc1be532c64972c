-- Exports of tenants: what was asked for, how far it is, and what became of it. The archives lie in the object store.
CREATE TABLE tenant_export (
    id uuid PRIMARY KEY,
    -- No foreign keys: an export outlives its tenant.
    tenant_id uuid NOT NULL,
    -- Whose it is once the tenant is gone.
    account_id uuid NOT NULL,
    -- As it was then; somebody else may have it by now.
    slug text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    requested_at timestamptz NOT NULL,
    -- When it was seen at work, and when it was seen to have ended.
    started_at timestamptz,
    finished_at timestamptz,
    size bigint,
    sha256 bytea,
    -- Why it failed.
    reason text,
    -- When it is removed; promised when it was made.
    expires_at timestamptz,
    -- When it was removed, or found to be missing.
    removed_at timestamptz,
    CONSTRAINT tenant_export_kind_known CHECK (kind IN ('on_request', 'final')),
    CONSTRAINT tenant_export_digest_length CHECK (octet_length(sha256) = 32),
    CONSTRAINT tenant_export_state_complete CHECK (
        CASE state
            WHEN 'requested' THEN finished_at IS NULL AND reason IS NULL AND removed_at IS NULL
            WHEN 'running' THEN started_at IS NOT NULL AND finished_at IS NULL AND reason IS NULL AND removed_at IS NULL
            WHEN 'ready' THEN finished_at IS NOT NULL AND size IS NOT NULL AND expires_at IS NOT NULL AND removed_at IS NULL
            WHEN 'failed' THEN finished_at IS NOT NULL AND reason IS NOT NULL AND removed_at IS NULL
            WHEN 'expired' THEN finished_at IS NOT NULL AND removed_at IS NOT NULL
            WHEN 'absent' THEN finished_at IS NOT NULL AND removed_at IS NOT NULL
            ELSE false
        END
    )
);
-- One at a time: whoever asks meanwhile gets the one that is under way.
CREATE UNIQUE INDEX tenant_export_under_way ON tenant_export (tenant_id) WHERE state IN ('requested', 'running');
CREATE INDEX tenant_export_tenant ON tenant_export (tenant_id, requested_at DESC, id DESC);
CREATE INDEX tenant_export_account ON tenant_export (account_id);
CREATE INDEX tenant_export_expiry ON tenant_export (expires_at) WHERE state = 'ready';
CREATE INDEX tenant_export_ended ON tenant_export (finished_at) WHERE state IN ('failed', 'expired', 'absent');
