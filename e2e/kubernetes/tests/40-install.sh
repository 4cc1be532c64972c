# `helm install` with images of this tree and a PostgreSQL outside of the cluster: what production does.
# shellcheck shell=bash disable=SC2154
chart=$repository/charts/gotrs-cloud
program_image control-plane
postgres_up
sql postgres 'CREATE DATABASE gotrs_control_plane'
sql postgres 'CREATE DATABASE gotrs_tenants'
scratch_namespace platform pod-security.kubernetes.io/enforce=restricted
kubectl --namespace platform create secret generic control-plane-database --from-literal="url=$postgres_url/gotrs_control_plane" >/dev/null
kubectl --namespace platform create secret generic tenants-database --from-literal="url=$postgres_url/gotrs_tenants" >/dev/null

values=$GOTRS_TEST_WORK/values.yaml
cat >"$values" <<YAML
image: {registry: localhost/gotrs, tag: test, pullPolicy: Never}
baseDomain: example.test
database:
  tenants: {existingSecret: tenants-database}
  controlPlane: {existingSecret: control-plane-database}
operator: {enabled: false}
controlPlane: {enabled: false}
router: {enabled: false}
network:
  clusterRanges: [10.244.0.0/16, 10.96.0.0/16, $GOTRS_CLUSTER_NODE/32]
  postgres:
    - {to: {range: $GOTRS_CLUSTER_HOST/32}, port: 5432}
YAML
at_end 'helm uninstall platform --namespace platform --wait --timeout 60s >/dev/null'
began=$EPOCHREALTIME
helm install platform "$chart" --namespace platform --values "$values" --wait --wait-for-jobs --timeout 120s >/dev/null
echo "measured: installed in $(awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }')"
migrations=$(find "$repository/migrations/control-plane" -name '*.sql' | wc -l)
[ "$(sql gotrs_control_plane 'SELECT count(*) FROM _sqlx_migrations WHERE success')" = "$migrations" ] ||
  fail "the control plane's database does not have its $migrations migrations"
helm test platform --namespace platform --timeout 60s >/dev/null

# The same again changes nothing; another version is another Job.
jobs() { kubectl --namespace platform get jobs --output name; }
before=$(jobs)
helm upgrade platform "$chart" --namespace platform --values "$values" --wait --timeout 60s >/dev/null
[ "$(jobs)" = "$before" ] || fail "an upgrade that changes nothing made another Job"

# Walls: a pod of the release reaches the database and not the API server; one that is not of the release is not walled in.
walled() {
  kubectl --namespace platform label pod "$1" --overwrite app.kubernetes.io/name=gotrs-cloud \
    app.kubernetes.io/instance=platform app.kubernetes.io/component=migrate >/dev/null
}
probe_pod platform prober wait
reach() { probe platform prober connect "$1"; }
reach "$GOTRS_CLUSTER_NODE:6443"
walled prober
walled_off() { ! reach "$GOTRS_CLUSTER_NODE:6443"; }
eventually 20 "a pod of the release that does not reach the API server" walled_off
reach "$GOTRS_CLUSTER_HOST:5432"
