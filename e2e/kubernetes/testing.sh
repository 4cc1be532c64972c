# What tests on the cluster use. Sourced before each of them.
# shellcheck shell=bash

kubernetes_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$kubernetes_folder/../.." && pwd)
export repository

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

# at_end COMMAND: runs when the test ends, the last one first.
ends=()
at_end() { ends=("$1" "${ends[@]}"); }
run_ends() {
  local command
  for command in "${ends[@]}"; do eval "$command" || true; done
}
trap run_ends EXIT

# tools_image: the image localhost/tools:1, busybox, for pods that ask and answer.
tools_image() {
  command -v busybox >/dev/null 2>&1 || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends busybox-static >/dev/null
  "$kubernetes_folder/image" --name localhost/tools:1 --out "$GOTRS_TEST_WORK/tools.tar" "$(command -v busybox)" >/dev/null
  "$kubernetes_folder/cluster" load "$GOTRS_TEST_WORK/tools.tar"
}

# tools_pod NAMESPACE NAME BUSYBOX-COMMAND...: a pod under the restricted Pod Security standard that runs it.
tools_pod() {
  local namespace=$1 name=$2
  shift 2
  kubectl apply --filename - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $name, namespace: $namespace, labels: {app: $name}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: tools
      image: localhost/tools:1
      imagePullPolicy: Never
      args: $(jq --null-input --compact-output '$ARGS.positional' --args -- "$@")
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
YAML
  kubectl --namespace "$namespace" wait --for=condition=Ready "pod/$name" --timeout=60s >/dev/null
}

# in_pod NAMESPACE NAME BUSYBOX-COMMAND...
in_pod() {
  local namespace=$1 name=$2
  shift 2
  kubectl --namespace "$namespace" exec "$name" -- /usr/local/bin/busybox "$@"
}

pod_address() { kubectl --namespace "$1" get pod "$2" --output 'jsonpath={.status.podIP}'; }
