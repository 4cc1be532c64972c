# The operator in its pod, with the rights that the chart gives it and nothing else: a Tenant becomes a schema, roles, objects
# and a runtime that answers, and everything else that may happen to it. Nobody here signs up or uploads a module.
# shellcheck shell=bash disable=SC2154
platform_up

# From `kubectl apply` to a helpdesk that answers.
began=$EPOCHREALTIME
tenant acme 'plan: team, replicas: 2, administrator: {email: you@acme.example}' | kubectl apply --filename - >/dev/null
ready acme
echo "measured: from apply to Ready in $(seconds "$began")"
[ "$(field acme .status.phase)" = Active ]
[ "$(field acme .status.url)" = https://acme.example.test ]
[ "$(in_database "SELECT count(*) FROM pg_namespace WHERE nspname = '$(schema acme)'")" = 1 ]
[ "$(roles acme false)" = 3 ]
[ "$(in_database "SELECT count(*) FROM $(schema acme).users WHERE login = 'you@acme.example'")" = 1 ]
kubectl --namespace tenant-acme get secret administrator >/dev/null
runtime=$(kubectl --namespace tenant-acme get pods --output 'jsonpath={.items[0].status.podIP}')
# The machine is not the router: the tenant's walls hold it off, and the node's own kubelet is let in.
! curl --silent --max-time 2 "http://$runtime:8080/" >/dev/null || fail "a runtime answers somebody who is not the router"

# Drift: each owned object is back within 2 s when it was deleted, and as it was when it was edited. acme has two runtimes and so a
# disruption budget, evil an autoscaler beside it. (Not the first administrator's password: it was told once, and is its owner's to
# throw away.)
tenant evil 'plan: business, maxReplicas: 3' | kubectl apply --filename - >/dev/null
ready evil 90s
limit=2
slowest=0
# within SINCE WHAT: the time it took since then.
within() {
  local took
  took=$(seconds "$1")
  slowest=$(awk -v a="$slowest" -v b="$took" 'BEGIN { print (a + 0 > b + 0) ? a : b }')
  awk -v took="$took" -v limit=$limit 'BEGIN { exit !(took + 0 <= limit) }' || fail "$2 after $took, not within $limit s"
}
kinds=secret,serviceaccount,resourcequota,limitrange,networkpolicy,deployment,poddisruptionbudget,horizontalpodautoscaler
owned() { kubectl --namespace "tenant-$1" get "$2" --selector app.kubernetes.io/managed-by=gotrs-operator --output name | grep -v /administrator; }
drifted=0
# deleted TENANT OBJECT
deleted() {
  local name=$1 object=$2 uid
  uid=$(kubectl --namespace "tenant-$name" get "$object" --output 'jsonpath={.metadata.uid}')
  kubectl --namespace "tenant-$name" delete "$object" --wait=false >/dev/null
  began=$EPOCHREALTIME
  another() {
    local now
    now=$(kubectl --namespace "tenant-$name" get "$object" --output 'jsonpath={.metadata.uid}') && [ -n "$now" ] && [ "$now" != "$uid" ]
  }
  eventually 10 "$object of $name is back" another
  within "$began" "$object of $name is back"
  drifted=$((drifted + 1))
}
# edited TENANT OBJECT PATCH JSONPATH: what is there is there again.
edited() {
  local name=$1 object=$2 patch=$3 path=$4 before
  field_of() { kubectl --namespace "tenant-$name" get "$object" --output "jsonpath=$path"; }
  before=$(field_of)
  # In the answer, since it may be as it was a moment later.
  [ "$(kubectl --namespace "tenant-$name" patch "$object" --type merge --patch "$patch" --output "jsonpath=$path")" != "$before" ] ||
    fail "$patch changes nothing in $object"
  began=$EPOCHREALTIME
  as_it_was() { [ "$(field_of)" = "$before" ]; }
  eventually 10 "$object of $name is as it was before $patch" as_it_was
  within "$began" "$object of $name is as it was before $patch"
  drifted=$((drifted + 1))
}
owned=$(owned acme $kinds)
[ "$(wc -l <<<"$owned")" = 8 ] || fail "what does acme own? $owned"
for object in $owned; do deleted acme "$object"; done
for object in $(owned evil poddisruptionbudget,horizontalpodautoscaler); do deleted evil "$object"; done
ready acme
while IFS='|' read -r name object patch path; do edited "$name" "$object" "$patch" "$path"; done <<'TABLE'
acme|namespace/tenant-acme|{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}|{.metadata.labels.pod-security\.kubernetes\.io/enforce}
acme|secret/runtime|{"data":{"database-url":"bm9uZQ=="}}|{.data.database-url}
acme|serviceaccount/runtime|{"automountServiceAccountToken":true}|{.automountServiceAccountToken}
acme|resourcequota/runtime|{"spec":{"hard":{"pods":"1000"}}}|{.spec.hard.pods}
acme|limitrange/runtime|{"spec":{"limits":[{"type":"Container","default":{"memory":"64Gi"}}]}}|{.spec.limits}
acme|networkpolicy/deny-all|{"spec":{"podSelector":{"matchLabels":{"of":"nobody"}}}}|{.spec.podSelector}
acme|networkpolicy/deny-all|{"spec":{"egress":[{}]}}|{.spec.egress}
acme|networkpolicy/runtime|{"spec":{"egress":[{}]}}|{.spec.egress}
acme|networkpolicy/runtime|{"spec":{"ingress":[{}]}}|{.spec.ingress}
acme|deployment/runtime|{"spec":{"replicas":3}}|{.spec.replicas}
acme|poddisruptionbudget/runtime|{"spec":{"maxUnavailable":2}}|{.spec.maxUnavailable}
evil|horizontalpodautoscaler/runtime|{"spec":{"maxReplicas":9}}|{.spec.maxReplicas}
TABLE
echo "measured: $drifted objects deleted or edited, each as it was within $slowest"
kubectl patch tenant acme --type merge --patch '{"spec": {"replicas": 1}}' >/dev/null
# The whole namespace of evil: it comes back with new passwords to the same data, while other things happen here.
evils=$(kubectl get namespace tenant-evil --output 'jsonpath={.metadata.uid}') evils_data=$(schema evil)
in_database "UPDATE $evils_data.users SET title = 'witness' WHERE id = 1"
kubectl delete namespace tenant-evil --wait=false >/dev/null
kubectl --namespace tenant-evil delete pods --all --grace-period=0 --force >/dev/null 2>&1

# hostile_pods: one in evil's namespace, which also has a client of PostgreSQL, and one behind no walls; and beside them what the first
# one must not reach: at an address where clouds give credentials, and at the ports of mail servers.
metadata=169.254.169.254
hostile_pods() {
  local port
  "$kubernetes_folder/image" --name localhost/hostile:1 --out "$GOTRS_TEST_WORK/hostile.tar" --add "$postgres_bin/psql:/usr/local/bin/psql" \
    "$network_bin/probe" >/dev/null
  "$kubernetes_folder/cluster" load "$GOTRS_TEST_WORK/hostile.tar"
  nsenter --net="$GOTRS_CLUSTER_NETNS" -- ip address add $metadata/32 dev lo
  at_end 'nsenter --net="$GOTRS_CLUSTER_NETNS" -- ip address del $metadata/32 dev lo'
  for port in 25 80; do
    nsenter --net="$GOTRS_CLUSTER_NETNS" -- "$network_bin/probe" serve $port &
    # shellcheck disable=SC2064 # the process of now
    at_end "kill $! && wait $!"
  done
  mkdir "$GOTRS_TEST_WORK/mail"
  "$network_bin/probe" mail "$GOTRS_CLUSTER_HOST:25" "$GOTRS_TEST_WORK/mail" &
  # shellcheck disable=SC2064 # the process of now
  at_end "kill $! && wait $!"
  scratch_namespace elsewhere
  kubectl apply --filename - >/dev/null <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: bystander, namespace: elsewhere}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext:
    sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}]
  containers:
    - {name: probe, image: "localhost/probe:1", imagePullPolicy: Never, args: [serve, "25"]}
---
apiVersion: v1
kind: Pod
metadata: {name: hostile, namespace: tenant-evil}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: probe
      image: localhost/hostile:1
      imagePullPolicy: Never
      args: [wait]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
YAML
  kubectl --namespace tenant-evil wait --for=condition=Ready pod/hostile --timeout=60s >/dev/null
  kubectl --namespace elsewhere wait --for=condition=Ready pod/bystander --timeout=60s >/dev/null
}

# Beside acme another tenant lives its whole life. Kept with Retain, taken up again by the same id; dropped with Delete after its grace.
whole_life() {
  local kept id
  tenant kept | kubectl apply --filename - >/dev/null
  ready kept 90s
  kept=$(schema kept)
  id=$(field kept .status.tenantId)
  kubectl delete tenant kept --timeout 60s >/dev/null
  refused NotFound kubectl get namespace tenant-kept
  [ "$(in_database "SELECT count(*) FROM pg_namespace WHERE nspname = '$kept'")" = 1 ]
  tenant kept "id: $id, deletionPolicy: Delete, grace: 0s" | kubectl apply --filename - >/dev/null
  ready kept 90s
  [ "$(schema kept)" = "$kept" ]
  kubectl delete tenant kept --timeout 60s >/dev/null
  [ "$(in_database "SELECT count(*) FROM pg_namespace WHERE nspname = '$kept'")" = 0 ]
  [ "$(in_database "SELECT count(*) FROM pg_roles WHERE rolname LIKE '$kept\\_%'")" = 0 ]
}
whole_life &
whole_life=$!
at_end "kill $whole_life 2>/dev/null"

# Suspended: data stays, nobody signs in, nothing runs. And back.
kubectl patch tenant acme --type merge --patch '{"spec": {"suspended": true}}' >/dev/null
suspended() { [ "$(field acme .status.phase)" = Suspended ] && [ "$(roles acme true)" = 0 ] && [ -z "$(kubectl --namespace tenant-acme get pods --output name)" ]; }
eventually 60 "a suspended tenant without pods and sign-ins" suspended
kubectl patch tenant acme --type merge --patch '{"spec": {"suspended": false}}' >/dev/null
resumed() { [ "$(field acme .status.phase)" = Active ] && [ "$(roles acme true)" -gt 0 ]; }
eventually 60 "a resumed tenant" resumed
ready acme

# Scaling by the subresource, with what belongs to more than one replica.
kubectl scale tenant/acme --replicas=2 >/dev/null
two() { [ "$(field acme .status.readyReplicas)" = 2 ] && kubectl --namespace tenant-acme get poddisruptionbudget runtime; }
eventually 60 "two replicas and a disruption budget" two
kubectl scale tenant/acme --replicas=1 >/dev/null
another_namespace() { [ "$(kubectl get namespace tenant-evil --output 'jsonpath={.status.phase} {.metadata.uid}')" != "Active $evils" ] &&
  kubectl --namespace tenant-evil get deployment runtime; }
eventually 60 "the namespace of evil is back" another_namespace
[ "$(kubectl get namespace tenant-evil --output 'jsonpath={.metadata.uid}')" != "$evils" ]
kubectl --namespace tenant-evil rollout status deployment/runtime --timeout 60s >/dev/null
ready evil
[ "$(schema evil)" = "$evils_data" ]
[ "$(in_database "SELECT count(*) FROM $evils_data.users WHERE title = 'witness'")" = 1 ]
hostile_pods
wait $whole_life
one() { [ "$(field acme .status.replicas)" = 1 ] && [ "$(field acme '.status.conditions[?(@.type=="Reconciling")].status')" = False ]; }
eventually 60 "one replica again" one

# Peace: nothing is written when nothing changes. What follows meanwhile is no work for the operator.
sleep 3
version() { kubectl get tenants,namespaces,deployments,secrets,networkpolicies --all-namespaces --output json |
  jq --raw-output '.items[] | select(.kind == "Tenant" or .metadata.labels["app.kubernetes.io/managed-by"] == "gotrs-operator") | .metadata.resourceVersion'; }
before=$(version)
peace_since=$SECONDS

# A hostile pod among tenant evil's: nothing of another tenant, not the API server, not the database, not the cloud's metadata.
target=$(kubectl --namespace tenant-acme get pods --selector app.kubernetes.io/name=tenant-runtime --output 'jsonpath={.items[0].status.podIP}')
bystander=$(pod_address elsewhere bystander)
for address in "$target:8080" "$target:9090" "$GOTRS_CLUSTER_NODE:6443" 10.96.0.1:443 "$GOTRS_CLUSTER_NODE:10250" "$GOTRS_CLUSTER_HOST:5432" \
  "$metadata:80" "$metadata:25" "$GOTRS_CLUSTER_HOST:25"; do
  never 1 "a hostile pod reaches $address" probe tenant-evil hostile connect "$address"
done
# Dressed as a runtime it reaches what a runtime reaches: the database's door, and mail servers on the internet, which are all that
# is no address of the cluster or of its cloud. What it must not reach listens at a mail server's port, and answers others.
kubectl --namespace tenant-evil label pod hostile app.kubernetes.io/name=tenant-runtime gotrs.io/tenant=evil >/dev/null
eventually 20 "a pod with a runtime's labels reaches PostgreSQL" probe tenant-evil hostile connect "$GOTRS_CLUSTER_HOST:5432"
eventually 20 "a pod with a runtime's labels reaches a mail server" probe tenant-evil hostile connect "$GOTRS_CLUSTER_HOST:25"
for address in "$metadata:80" "$metadata:25" "$GOTRS_CLUSTER_NODE:25" "$bystander:25"; do
  eventually 5 "somebody who listens at $address, without whom nothing is proven" probe elsewhere bystander connect "$address"
done
for address in "$target:8080" "$target:25" "$GOTRS_CLUSTER_NODE:6443" "$GOTRS_CLUSTER_NODE:10250" "$GOTRS_CLUSTER_NODE:25" "$metadata:80" "$metadata:25" \
  "$bystander:25"; do
  refused '' probe tenant-evil hostile connect "$address"
done
# Through the database's door with evil's own passwords, from inside of the pod: its own schema, and nothing of acme's or of the platform's.
ask() { kubectl --namespace tenant-evil exec hostile -- /usr/local/bin/psql --no-psqlrc --quiet --tuples-only --no-align --command "$2" "$1"; }
for entry in database-url lambda-database-url; do
  own=$(kubectl --namespace tenant-evil get secret runtime --output "jsonpath={.data.$entry}" | base64 -d | sed 's/?.*//')
  role=$(sed -E 's#^.*//([^:]*):.*$#\1#' <<<"$own")
  [ "$(ask "$own" 'SELECT current_user')" = "$role" ]
  theirs=$(schema acme)
  refused "permission denied for schema $theirs" ask "$own" "SELECT count(*) FROM $theirs.users"
  refused 'permission denied to set role' ask "$own" "SET ROLE ${theirs}_runtime"
  refused 'password authentication failed' ask "${own/$role/${role/$(schema evil)/$theirs}}" 'SELECT 1'
  # The control plane's tables are another database of the same server here, which is the most that anybody may put together.
  refused 'permission denied for table account' ask "${own%/*}/gotrs_control_plane" 'SELECT count(*) FROM public.account'
  refused 'permission denied for' ask "$own" 'SELECT * FROM gotrs_operator.note'
  refused 'external program' ask "$own" "COPY (SELECT 1) TO PROGRAM 'true'"
done
remaining=$((peace_since + 15 - SECONDS))
if [ $remaining -gt 0 ]; then sleep $remaining; fi
[ "$(version)" = "$before" ] || fail "something was written although nothing changed"
kubectl --namespace tenant-evil delete pod hostile --wait=false >/dev/null

# The leader dies without a word: another goes on.
leader() { kubectl --namespace platform get lease gotrs-cloud-operator --output 'jsonpath={.spec.holderIdentity}'; }
old=$(leader)
kubectl --namespace platform delete pod "${old%-*}" --grace-period=0 --force >/dev/null 2>&1
began=$EPOCHREALTIME
tenant late | kubectl apply --filename - >/dev/null
ready late 90s
[ "$(leader)" != "$old" ] || fail "the leader that was killed still leads"
echo "measured: leader killed, next tenant Ready after $(seconds "$began")"

# Uninstalling the platform keeps the definition, the tenants and what serves them; installing it again takes them up.
helm uninstall gotrs-cloud --namespace platform --wait --timeout 60s >/dev/null
[ "$(kubectl get tenants --output name | sort | tr '\n' ' ')" = 'tenant.gotrs.io/acme tenant.gotrs.io/evil tenant.gotrs.io/late ' ]
kubectl --namespace tenant-acme rollout status deployment/runtime --timeout 10s >/dev/null
# Without the control plane this time: who needs no signup, console and uploads does without, and Tenants come by kubectl.
printf 'controlPlane: {enabled: false}\n' >"$GOTRS_TEST_WORK/more-values.yaml"
install_platform
kubectl patch tenant evil --type merge --patch '{"spec": {"displayName": "Evil"}}' >/dev/null
known() { [ "$(field evil .status.observedGeneration)" = "$(field evil .metadata.generation)" ]; }
eventually 60 "the operator that was installed again works on the tenants of before" known
without_control_plane() { [ -z "$(kubectl --namespace platform get pods --selector app.kubernetes.io/component=control-plane --output name)" ]; }
eventually 60 "the control plane of before has ended" without_control_plane
tenant alone 'administrator: {email: ann@alone.example}' | kubectl apply --filename - >/dev/null
ready alone 90s
router=$(kubectl --namespace platform get service gotrs-cloud-router --output 'jsonpath={.spec.clusterIP}')
page() { curl --silent --max-time 5 --header "Host: $1.example.test" "http://$router/login"; }
serves() { [[ $(page "$1") == *'<form'* ]]; }
eventually 20 "the helpdesk of a tenant that has no control plane" serves alone
eventually 20 "the helpdesk of a tenant of before, without the control plane" serves acme
password=$(kubectl --namespace tenant-alone get secret administrator --output 'jsonpath={.data.password}' | base64 -d)
[ "$(curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' --header 'Host: alone.example.test' \
  --json "{\"login\": \"ann@alone.example\", \"password\": \"$password\"}" "http://$router/api/v1/auth/login")" = 200 ] ||
  fail 'the administrator of alone cannot sign in'

# No Event for a reconcile, one for each transition; and nothing that the operator was not allowed to do.
[ "$(kubectl get events --field-selector involvedObject.kind=Tenant,involvedObject.name=acme --output name | wc -l)" -lt 20 ] ||
  fail "too many Events: $(kubectl get events)"
for pod in $(kubectl --namespace platform get pods --selector app.kubernetes.io/component=operator --output name); do
  ! kubectl --namespace platform logs "$pod" | grep -i forbidden || fail "the operator lacks a right"
done
