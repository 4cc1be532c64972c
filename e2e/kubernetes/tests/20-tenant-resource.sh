# What the API server takes for a Tenant, and what it says to the rest: the rules of the definition are its own CEL.
# shellcheck shell=bash disable=SC2154
definition=$repository/charts/gotrs-cloud/crds/tenants.yaml
if [ ! -e "$definition" ]; then
  echo "skipped: the Tenant resource: $definition is not there"
  exit 0
fi
define "$definition" tenants.gotrs.io
at_end 'kubectl delete tenants --all --wait=false >/dev/null'

# tenant NAME SPEC: a manifest; SPEC in flow style, without slug unless it says one.
tenant() {
  local slug="slug: $1, "
  if [[ $2 == *slug:* ]]; then slug=''; fi
  printf 'apiVersion: gotrs.io/v1\nkind: Tenant\nmetadata: {name: %s}\nspec: {%s%s}\n' "$1" "$slug" "$2"
}
offer() { tenant "$1" "$2" | kubectl apply --dry-run=server --filename - "${@:3}"; }

# The address of the API server's own schema is known a moment after the definition is.
eventually 10 "a Tenant with a slug only" offer acme ''

# Accepted.
count=0
while IFS='|' read -r name spec; do
  offer "$name" "$spec" >/dev/null || fail "was refused: $name $spec"
  count=$((count + 1))
done <<'TABLE'
acme|
a-1-b|plan: team, replicas: 3
acme|plan: business, replicas: 2, maxReplicas: 10
acme|scaleToZero: {}
acme|scaleToZero: {idleAfter: 168h}, suspended: true
acme|hosts: [help.acme.example, xn--bcher-kva.example]
acme|grace: 2160h, deletionPolicy: Delete
acme|grace: 1h30m
acme|version: 1.2.3-rc.1, displayName: "Acme & Söhne"
acme|resources: {limits: {cpu: "2", memory: 1Gi}, requests: {cpu: 250m}}
acme|id: 0198c0de-0000-7000-8000-000000000001
acme|administrator: {email: you@acme.example, passwordHash: {name: admin, key: hash}}
TABLE

# Refused, each with what to do about it.
while IFS='|' read -r name spec message; do
  refused "$message" offer "$name" "$spec"
  count=$((count + 1))
done <<'TABLE'
acme|slug: other|name the Tenant after its slug
1acme||lower-case letters, digits and single hyphens
ac--me||lower-case letters, digits and single hyphens
ab||at least 3 chars
www||this slug is kept for the platform: choose another
signup||this slug is kept for the platform: choose another
acme|plan: gold|supported values: "free", "team", "business"
acme|replicas: 0|stop a tenant with spec.suspended, or let it sleep with spec.scaleToZero
acme|replicas: 2|at most 1 with plan free, 3 with team and 10 with business
acme|plan: team, replicas: 4|at most 1 with plan free, 3 with team and 10 with business
acme|plan: business, replicas: 11|at most 1 with plan free, 3 with team and 10 with business
acme|plan: team, replicas: 2, scaleToZero: {}|a tenant that scales to zero has one replica
acme|plan: business, maxReplicas: 4, scaleToZero: {}|exclude each other: keep one of them
acme|plan: team, maxReplicas: 3|needs spec.plan business
acme|plan: business, replicas: 5, maxReplicas: 3|must not be below spec.replicas
acme|scaleToZero: {idleAfter: 30s}|from 1m to 168h
acme|scaleToZero: {idleAfter: 169h}|from 1m to 168h
acme|grace: 2161h|at most 2160h (90 days)
acme|grace: forever|spec.grace
acme|hosts: ["Help.acme.example"]|full DNS name in lower case without port, path or wildcard
acme|hosts: ["*.acme.example"]|full DNS name in lower case without port, path or wildcard
acme|hosts: ["help.acme.example:8443"]|full DNS name in lower case without port, path or wildcard
acme|hosts: [acme]|full DNS name in lower case without port, path or wildcard
acme|hosts: [help.acme.example, help.acme.example]|Duplicate value
acme|version: "latest image"|spec.version
acme|deletionPolicy: Keep|supported values: "Retain", "Delete"
acme|resources: {limits: {memory: 1GB}}|spec.resources.limits.memory
acme|id: acme|spec.id
acme|administrator: {email: nobody}|spec.administrator.email
acme|plam: team|unknown field "spec.plam"
TABLE

# Defaults are in the schema, so that what is stored says everything.
tenant acme '' | kubectl apply --filename - >/dev/null
stored=$(kubectl get tenant acme --output json)
[ "$(jq --compact-output --sort-keys '.spec | del(.slug)' <<<"$stored")" = \
  '{"database":{"cluster":"default"},"deletionPolicy":"Retain","grace":"168h","plan":"free","replicas":1,"suspended":false}' ] ||
  fail "defaults: $(jq .spec <<<"$stored")"

# What can never change is refused when it changes.
change() { kubectl patch tenant acme --type merge --patch "$1"; }
refused 'a tenant keeps its slug' change '{"spec": {"slug": "other"}}'
refused 'can neither be changed, set nor removed later' change '{"spec": {"id": "0198c0de-0000-7000-8000-000000000001"}}'
refused "a tenant's data does not move by itself" change '{"spec": {"database": {"cluster": "other"}}}'
change '{"spec": {"plan": "team", "suspended": true}}' >/dev/null

# `scale` is a subresource, and the rules hold there too.
kubectl scale tenant/acme --replicas=3 >/dev/null
[ "$(kubectl get tenant acme --output 'jsonpath={.spec.replicas}')" = 3 ]
refused 'at most 1 with plan free' kubectl scale tenant/acme --replicas=4

# `status` is one as well: who writes the object does not write it, and the other way round.
change '{"status": {"phase": "Active"}}' >/dev/null
[ -z "$(kubectl get tenant acme --output 'jsonpath={.status.phase}')" ]
kubectl patch tenant acme --subresource status --type merge --patch \
  '{"spec": {"plan": "free"}, "status": {"phase": "Active", "url": "https://acme.example.com", "replicas": 3, "selector": "a=b"}}' >/dev/null
[ "$(kubectl get tenant acme --output 'jsonpath={.spec.plan} {.status.phase}')" = 'team Active' ]
refused 'supported values' kubectl patch tenant acme --subresource status --type merge --patch '{"status": {"phase": "Failed"}}'

# People find it: short name, category, columns, documentation.
[ "$(kubectl get tn --no-headers | awk '{print $1, $2, $3}')" = 'acme team Active' ]
[ "$(kubectl get gotrs --output name)" = tenant.gotrs.io/acme ]
[[ $(kubectl explain tenant.spec.scaleToZero.idleAfter) == *'So long after the last request'* ]]
echo "measured: $count manifests offered"
