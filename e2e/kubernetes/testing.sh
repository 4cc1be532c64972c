# What tests on the cluster use. Sourced before each of them.
# shellcheck shell=bash

# shellcheck source-path=SCRIPTDIR source=parts.sh
source "$(dirname "${BASH_SOURCE[0]}")/parts.sh"

fail() {
  printf 'failed: %s\n' "$*" >&2
  exit 1
}

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
# defines sql [DATABASE] STATEMENT.
postgres_up() {
  local bin data=$GOTRS_TEST_WORK/postgres password
  bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -1) || fail "PostgreSQL is missing: apt-get install postgresql"
  # It refuses to run as root, and its user must get to the folder.
  mkdir -p "$data"
  chmod 755 "$(dirname "$GOTRS_TEST_WORK")" "$GOTRS_TEST_WORK"
  password=$(openssl rand -hex 16)
  printf '%s' "$password" >"$data/password"
  chown -R postgres: "$data"
  setpriv --reuid postgres --regid postgres --clear-groups "$bin/initdb" --pgdata "$data/data" --username postgres \
    --auth scram-sha-256 --pwfile "$data/password" --encoding UTF8 --no-sync >/dev/null
  printf 'host all all %s/16 scram-sha-256\nhost all all %s/30 scram-sha-256\n' 10.244.0.0 "$GOTRS_CLUSTER_HOST" >>"$data/data/pg_hba.conf"
  setpriv --reuid postgres --regid postgres --clear-groups "$bin/postgres" -D "$data/data" -h "$GOTRS_CLUSTER_HOST" -p 5432 \
    -c unix_socket_directories="$data" -c fsync=off -c max_connections=200 >"$data/log" 2>&1 &
  # shellcheck disable=SC2064 # the number of now
  at_end "kill -INT $!; wait $!"
  postgres_url=postgres://postgres:$password@$GOTRS_CLUSTER_HOST:5432
  eventually 20 "a PostgreSQL that answers" sql postgres 'SELECT 1'
}
sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --command "$2" "$postgres_url/$1"; }

# program_image NAME: the image localhost/gotrs/NAME:test of a program of this tree, as it was built last. The test is skipped
# where it was not: GOTRS_PROGRAMS names another folder than target/debug.
program_image() {
  local program=${GOTRS_PROGRAMS:-$repository/target/debug}/$1
  if [ ! -x "$program" ]; then
    echo "skipped: $program is not built (cargo build)"
    exit 0
  fi
  "$kubernetes_folder/image" --name "localhost/gotrs/$1:test" --out "$GOTRS_TEST_WORK/$1.tar" "$program"
  "$kubernetes_folder/cluster" load "$GOTRS_TEST_WORK/$1.tar"
  rm "$GOTRS_TEST_WORK/$1.tar"
}

pod_address() { kubectl --namespace "$1" get pod "$2" --output 'jsonpath={.status.podIP}'; }
