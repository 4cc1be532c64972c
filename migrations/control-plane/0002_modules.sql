-- The module registry: what every tenant's runtimes should have loaded, and what they say about it.

-- Counts the changes of a tenant's modules. Its row is locked by whoever makes the next one, so that generations are
-- dense and become visible in their order; a tenant without a row has generation 0.
CREATE TABLE tenant_module_generation (
    tenant_id uuid PRIMARY KEY REFERENCES tenant ON DELETE CASCADE,
    generation bigint NOT NULL,
    CONSTRAINT tenant_module_generation_positive CHECK (generation > 0)
);

-- Never changed and never removed while the tenant is there: a rollback and a deletion are versions too.
CREATE TABLE module_version (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    name text NOT NULL,
    -- Counts from 1 per module.
    version integer NOT NULL,
    kind text NOT NULL,
    -- Of the YAML, which lies in S3 under this digest; NULL where the version is a deletion.
    sha256 bytea,
    size integer,
    -- The version whose content a rollback brought back.
    restored_version integer,
    -- Warnings of the check.
    diagnostics jsonb NOT NULL,
    -- The uploader asked not to run the module's tests.
    tests_skipped boolean NOT NULL,
    -- The tenant's module generation that this version made.
    generation bigint NOT NULL,
    -- No foreign key: the history outlives the account.
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT module_version_key UNIQUE (tenant_id, name, version),
    CONSTRAINT module_version_generation_key UNIQUE (tenant_id, generation),
    CONSTRAINT module_version_counts_from_one CHECK (version > 0 AND generation > 0),
    CONSTRAINT module_version_digest_length CHECK (octet_length(sha256) = 32),
    CONSTRAINT module_version_kind_complete CHECK (
        CASE kind
            WHEN 'put' THEN sha256 IS NOT NULL AND size IS NOT NULL AND restored_version IS NULL
            WHEN 'rollback' THEN sha256 IS NOT NULL AND size IS NOT NULL AND restored_version IS NOT NULL
            WHEN 'delete' THEN sha256 IS NULL AND size IS NULL AND restored_version IS NULL
            ELSE false
        END
    )
);

-- Which version of each module counts now; a module whose current version is a deletion is not live.
CREATE TABLE module (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    name text NOT NULL,
    current_version integer NOT NULL,
    PRIMARY KEY (tenant_id, name),
    CONSTRAINT module_current_version_exists FOREIGN KEY (tenant_id, name, current_version)
        REFERENCES module_version (tenant_id, name, version) ON DELETE CASCADE
);

-- Runtimes that watch, or did a while ago.
CREATE TABLE runtime_replica (
    tenant_id uuid NOT NULL REFERENCES tenant ON DELETE CASCADE,
    instance text NOT NULL,
    -- The generation that it has brought itself to.
    generation bigint NOT NULL,
    last_seen timestamptz NOT NULL,
    -- Its newest watch connection, so that the end of an older one says nothing about it.
    watch_id uuid,
    -- When that connection ended.
    gone_at timestamptz,
    PRIMARY KEY (tenant_id, instance),
    CONSTRAINT runtime_replica_generation_not_negative CHECK (generation >= 0)
);

-- The last word of each replica about each module.
CREATE TABLE module_acknowledgement (
    tenant_id uuid NOT NULL,
    instance text NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    ok boolean NOT NULL,
    diagnostics jsonb NOT NULL,
    generation bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, instance, name),
    CONSTRAINT module_acknowledgement_replica FOREIGN KEY (tenant_id, instance)
        REFERENCES runtime_replica ON DELETE CASCADE,
    CONSTRAINT module_acknowledgement_digest_length CHECK (octet_length(sha256) = 32)
);
CREATE INDEX module_acknowledgement_module ON module_acknowledgement (tenant_id, name);
