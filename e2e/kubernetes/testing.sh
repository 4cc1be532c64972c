# What tests on the cluster use. Sourced before each of them.
# shellcheck shell=bash

# shellcheck source-path=SCRIPTDIR source=parts.sh
source "$(dirname "${BASH_SOURCE[0]}")/parts.sh"

fail() {
  printf 'failed: %s\n' "$*" >&2
  exit 1
}

# Which command it was, where it is not a function that says so itself.
trap 'printf "failed: line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR

# eventually SECONDS WHAT COMMAND...: repeats the command until it succeeds.
eventually() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt "$deadline" ] || fail "not within the time: $what"
    sleep 0.2
  done
}

# never SECONDS WHAT COMMAND...: the command fails all the time.
never() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  while [ $SECONDS -lt "$deadline" ]; do
    if "$@" >/dev/null 2>&1; then fail "happened and must not: $what"; fi
    sleep 0.2
  done
}

# refused MESSAGE COMMAND...: the command fails, and says MESSAGE.
refused() {
  local message=$1 output
  shift
  if output=$("$@" 2>&1); then fail "was accepted: $* (expected: $message)"; fi
  [[ $output == *"$message"* ]] || fail "refused, but for another reason than \"$message\": $output"
}

# scratch_namespace NAME [LABEL=VALUE...]: a namespace that is gone when the test ends.
scratch_namespace() {
  local name=$1
  shift
  # Another test's may be on its way out.
  kubectl wait --for=delete "namespace/$name" --timeout=60s >/dev/null
  kubectl create namespace "$name" >/dev/null
  if [ $# -gt 0 ]; then kubectl label namespace "$name" "$@" >/dev/null; fi
  # shellcheck disable=SC2064 # the name of now
  at_end "kubectl delete namespace $name --wait=false --ignore-not-found >/dev/null"
  # Pods are refused until it is there.
  eventually 20 "the service account of namespace $name" kubectl --namespace "$name" get serviceaccount default
}

# define FILE NAME: a definition of resources, known to the API server when this returns.
define() {
  kubectl apply --server-side --force-conflicts --filename "$1" >/dev/null
  # `wait` fails at once while there is no condition at all.
  eventually 30 "the definition $2 is established" kubectl wait --for=condition=Established --timeout=5s "crd/$2"
}

# at_end COMMAND: runs when the test ends, the last one first.
ends=()
at_end() { ends=("$1" "${ends[@]}"); }
run_ends() {
  local command
  for command in "${ends[@]}"; do eval "$command" || true; done
}
trap run_ends EXIT

# probe_pod NAMESPACE NAME ARGUMENTS: a pod under the restricted Pod Security standard that runs components/network/probe, such as
# with the arguments "serve 8080".
probe_pod() {
  kubectl apply --filename - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $2, namespace: $1, labels: {app: $2}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: probe
      image: localhost/probe:1
      imagePullPolicy: Never
      # Numbers must be texts there.
      args: ["${3// /\", \"}"]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
YAML
  kubectl --namespace "$1" wait --for=condition=Ready "pod/$2" --timeout=60s >/dev/null
}

# probe NAMESPACE POD ARGUMENTS...: runs it in that pod.
probe() {
  local namespace=$1 pod=$2
  shift 2
  kubectl --namespace "$namespace" exec "$pod" -- /usr/local/bin/probe "$@"
}

# postgres_up: a PostgreSQL of this machine for the pods, for as long as the test runs; sets postgres_url (superuser) and
# defines sql DATABASE STATEMENT. postgres_stop and postgres_start are for tests of failures.
postgres_up() {
  local data=$GOTRS_TEST_WORK/postgres password
  postgres_bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -1) || fail "PostgreSQL is missing: apt-get install postgresql"
  # It refuses to run as root, and its user must get to the folder.
  mkdir -p "$data"
  chmod 755 "$(dirname "$GOTRS_TEST_WORK")" "$GOTRS_TEST_WORK"
  password=$(openssl rand -hex 16)
  printf '%s' "$password" >"$data/password"
  chown -R postgres: "$data"
  setpriv --reuid postgres --regid postgres --clear-groups "$postgres_bin/initdb" --pgdata "$data/data" --username postgres \
    --auth scram-sha-256 --pwfile "$data/password" --encoding UTF8 --no-sync >/dev/null
  printf 'host all all %s/16 scram-sha-256\nhost all all %s/30 scram-sha-256\n' 10.244.0.0 "$GOTRS_CLUSTER_HOST" >>"$data/data/pg_hba.conf"
  postgres_url=postgres://postgres:$password@$GOTRS_CLUSTER_HOST:5432
  at_end postgres_stop
  postgres_start
}
postgres_start() {
  local data=$GOTRS_TEST_WORK/postgres
  setpriv --reuid postgres --regid postgres --clear-groups "$postgres_bin/postgres" -D "$data/data" -h "$GOTRS_CLUSTER_HOST" -p 5432 \
    -c unix_socket_directories="$data" -c fsync=off -c max_connections=200 >>"$data/log" 2>&1 &
  postgres_process=$!
  eventually 20 "a PostgreSQL that answers" sql postgres 'SELECT 1'
}
postgres_stop() {
  # At once: its clients' connections break.
  kill -INT "$postgres_process"
  wait "$postgres_process" || true
}
sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --command "$2" "$postgres_url/$1"; }

# program NAME: where a program of this tree is, as it was built last; GOTRS_PROGRAMS names another folder than target/debug.
program() { printf '%s/%s' "${GOTRS_PROGRAMS:-$repository/target/debug}" "$1"; }

# needs NAME...: the test is skipped where these programs were not built.
needs() {
  local name
  for name in "$@"; do
    if [ ! -x "$(program "$name")" ]; then
      echo "skipped: $(program "$name") is not built (cargo build)"
      exit 0
    fi
  done
}

# program_image NAME: the image localhost/gotrs/NAME:test of a program of this tree. The cluster keeps it until the program is another.
program_image() {
  local loaded=${GOTRS_CLUSTER_DIR:-/tmp/gotrs-cluster}/program-$1 stamp
  needs "$1"
  stamp=$(stat --format '%n %s %y' "$(program "$1")")
  if [ -e "$loaded" ] && [ "$(cat "$loaded")" = "$stamp" ]; then return; fi
  "$kubernetes_folder/image" --name "localhost/gotrs/$1:test" --out "$GOTRS_TEST_WORK/$1.tar" "$(program "$1")"
  "$kubernetes_folder/cluster" load "$GOTRS_TEST_WORK/$1.tar"
  rm "$GOTRS_TEST_WORK/$1.tar"
  printf '%s' "$stamp" >"$loaded"
}

pod_address() { kubectl --namespace "$1" get pod "$2" --output 'jsonpath={.status.podIP}'; }

# s3_up: an S3 server of this machine for the pods, for as long as the test runs; sets s3_url. Its bucket is gotrs.
s3_up() {
  s3_url=http://$GOTRS_CLUSTER_HOST:9000
  s3_key=$(openssl rand -hex 20)
  GOTRS_S3_SECRET_ACCESS_KEY=$s3_key "$(program gotrs)" internal s3 --listen "$GOTRS_CLUSTER_HOST:9000" --folder "$GOTRS_TEST_WORK/s3" \
    --bucket gotrs --access-key-id test >>"$GOTRS_TEST_WORK/s3.log" 2>&1 &
  # shellcheck disable=SC2064 # the process of now
  at_end "kill $! && wait $!"
  answers() { [ "$(curl --silent --output /dev/null --write-out '%{http_code}' "$s3_url/gotrs")" = 403 ]; }
  eventually 20 "an S3 server that refuses who does not sign" answers
}

# mail_up: a mail server of this machine that keeps what it is given in the folder $mails, for as long as the test runs.
mail_up() {
  mails=$GOTRS_TEST_WORK/mails
  mkdir -p "$mails"
  "$network_bin/probe" mail "$GOTRS_CLUSTER_HOST:2525" "$mails" >>"$GOTRS_TEST_WORK/mail.log" 2>&1 &
  # shellcheck disable=SC2064 # the process of now
  at_end "kill $! && wait $!"
}

# platform_up [VALUES]: what tests of the platform begin with. PostgreSQL, S3 and a mail server on this machine, images of this
# tree, and the chart in the namespace platform, as the release gotrs-cloud; VALUES are laid over those of all tests.
platform_up() {
  local image database
  needs gotrs
  for image in operator tenant-runtime control-plane; do program_image "$image"; done
  postgres_up
  s3_up
  mail_up
  for database in gotrs_control_plane gotrs_tenants; do sql postgres "CREATE DATABASE $database"; done
  define "$repository/charts/gotrs-cloud/crds/tenants.yaml" tenants.gotrs.io
  define "$repository/charts/gotrs-cloud/crds/runtimechannels.yaml" runtimechannels.gotrs.io
  scratch_namespace platform pod-security.kubernetes.io/enforce=restricted
  secret() { kubectl --namespace platform create secret generic "$@" >/dev/null; }
  secret control-plane-database --from-literal="url=$postgres_url/gotrs_control_plane"
  secret tenants-database --from-literal="url=$postgres_url/gotrs_tenants"
  secret object-store --from-literal=access-key-id=test --from-literal="secret-access-key=$s3_key"
  secret mail-server --from-literal="url=smtp://$GOTRS_CLUSTER_HOST:2525"
  cat >"$GOTRS_TEST_WORK/values.yaml" <<YAML
image: {registry: localhost/gotrs, tag: test, pullPolicy: Never}
baseDomain: example.test
database:
  tenants: {existingSecret: tenants-database}
  controlPlane: {existingSecret: control-plane-database}
s3: {endpoint: "$s3_url", existingSecret: object-store}
mail: {existingSecret: mail-server}
network:
  clusterRanges: [10.244.0.0/16, 10.96.0.0/16, $GOTRS_CLUSTER_NODE/32]
  postgres:
    - {to: {range: $GOTRS_CLUSTER_HOST/32}, port: 5432}
  s3:
    - {to: {range: $GOTRS_CLUSTER_HOST/32}, port: 9000}
  mail:
    - {to: {range: $GOTRS_CLUSTER_HOST/32}, port: 2525}
YAML
  printf '%s\n' "${1:-}" >"$GOTRS_TEST_WORK/more-values.yaml"
  at_end platform_down
  install_platform
}

# platform_down: a graceful end is for those tests that look at one, so here no pod gets any.
platform_down() {
  # Tenants before the operator that ends them, and nobody who would make them again.
  kubectl --namespace platform scale deployment/gotrs-cloud-control-plane --replicas=0 >/dev/null 2>&1 || true
  kubectl delete tenants --all --wait=false >/dev/null
  local deadline=$((SECONDS + 60))
  until kubectl wait --for=delete tenants --all --timeout 3s >/dev/null 2>&1 || [ $SECONDS -ge $deadline ]; do
    kubectl delete pods --all-namespaces --selector app.kubernetes.io/name=tenant-runtime --grace-period=0 --force >/dev/null 2>&1
  done
  helm uninstall gotrs-cloud --namespace platform >/dev/null
  kubectl --namespace platform delete pods --all --grace-period=0 --force >/dev/null 2>&1
}

install_platform() {
  helm upgrade --install gotrs-cloud "$repository/charts/gotrs-cloud" --namespace platform --values "$GOTRS_TEST_WORK/values.yaml" \
    --values "$GOTRS_TEST_WORK/more-values.yaml" --wait --wait-for-jobs --timeout 180s >/dev/null || fail "not installed: $(
    kubectl --namespace platform get pods
    logs_of_platform
  )"
}

# logs_of_platform: the last lines of every part of it.
logs_of_platform() {
  local part
  for part in operator control-plane router; do
    kubectl --namespace platform logs --selector "app.kubernetes.io/component=$part" --prefix --tail "${1:-20}"
  done
}

# tenant NAME [SPEC]: a manifest; SPEC in flow style.
tenant() { printf 'apiVersion: gotrs.io/v1\nkind: Tenant\nmetadata: {name: %s}\nspec: {slug: %s, %s}\n' "$1" "$1" "${2:-}"; }

# ready NAME [TIMEOUT]: waits for it, and says everything that is known if it does not come.
ready() {
  kubectl wait --for=condition=Ready "tenant/$1" --timeout="${2:-60s}" >/dev/null || fail "$1 is not ready: $(
    kubectl describe tenant "$1"
    kubectl --namespace "tenant-$1" describe pods
    kubectl --namespace "tenant-$1" logs deployment/runtime --tail 20
    logs_of_platform
  )"
}

# field NAME JSONPATH: a field of a Tenant.
field() { kubectl get tenant "$1" --output "jsonpath={$2}"; }
in_database() { sql gotrs_tenants "$1"; }
# schema NAME: the tenant's schema.
schema() { printf 't_%s' "$(field "$1" .status.tenantId | tr -d -)"; }
# roles NAME true|false: how many roles it has; only those that may sign in if true.
roles() { in_database "SELECT count(*) FROM pg_roles WHERE rolname LIKE '$(schema "$1")\\_%' AND (NOT $2 OR rolcanlogin)"; }
# seconds BEGIN: how long it has been.
seconds() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }'; }
