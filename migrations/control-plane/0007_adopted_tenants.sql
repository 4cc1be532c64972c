-- Tenants that somebody made where they run, as a resource, and that the control plane has adopted.

ALTER TABLE tenant
    ADD COLUMN origin text NOT NULL DEFAULT 'signup',
    -- Hosts beside the one that follows from the slug.
    ADD COLUMN hosts text[] NOT NULL DEFAULT '{}',
    -- Of the resource; a resource that is made again under the same id has another one.
    ADD COLUMN resource_uid uuid,
    -- Address of the first administrator in lower case: the account that proves it owns the tenant.
    ADD COLUMN administrator_key text,
    -- Whether the data outlives the resource.
    ADD COLUMN keeps_data boolean NOT NULL DEFAULT false,
    -- The resource is on its way out.
    ADD COLUMN leaving boolean NOT NULL DEFAULT false,
    -- The resource is gone and its data is kept: a resource with the same id takes it up again, modules included.
    ADD COLUMN retained_at timestamptz,
    -- W3C trace context of the request that changed last what is wanted, of tenants of any origin.
    ADD COLUMN trace_parent text,
    ADD CONSTRAINT tenant_origin_known CHECK (origin IN ('signup', 'resource')),
    ADD CONSTRAINT tenant_resource_has_a_uid CHECK ((origin = 'resource') = (resource_uid IS NOT NULL)),
    ADD CONSTRAINT tenant_retained_wants_nothing
        CHECK (retained_at IS NULL OR (origin = 'resource' AND desired_state = 'None'));

-- What is only retained has no address.
ALTER TABLE tenant DROP CONSTRAINT tenant_slug_key;
CREATE UNIQUE INDEX tenant_slug_key ON tenant (slug) WHERE retained_at IS NULL;
CREATE INDEX tenant_unclaimed ON tenant (administrator_key)
    WHERE account_id = '00000000-0000-7000-8000-000000000000' AND retained_at IS NULL;

-- Owns what nobody has claimed yet. Without credentials and with an address that nobody can type, so nobody signs in to it; proven,
-- so that it is not taken for a signup that was given up.
INSERT INTO account (id, email, email_key, organization, created_at, verified_at)
VALUES ('00000000-0000-7000-8000-000000000000', '', '', 'Platform', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');
