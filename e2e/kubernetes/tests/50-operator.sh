# The operator in its pod, with the rights that the chart gives it and nothing else: a Tenant becomes a schema, roles, objects
# and a runtime that answers, and everything else that may happen to it. The control plane is a stand-in that knows no
# modules: what a runtime needs to become ready.
# shellcheck shell=bash disable=SC2154
platform_up

# From `kubectl apply` to a helpdesk that answers.
began=$EPOCHREALTIME
tenant acme 'plan: team, administrator: {email: you@acme.example}' | kubectl apply --filename - >/dev/null
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

# Drift: each owned object is back when it was deleted, and as it was when it was edited. (Not the first administrator's
# password: it was told once, and is its owner's to throw away.)
slowest=0
for object in $(kubectl --namespace tenant-acme get "secret,serviceaccount,resourcequota,limitrange,networkpolicy,deployment" \
  --selector app.kubernetes.io/managed-by=gotrs-operator --output name | grep -v /administrator); do
  uid=$(kubectl --namespace tenant-acme get "$object" --output 'jsonpath={.metadata.uid}')
  kubectl --namespace tenant-acme delete "$object" --wait=false >/dev/null
  began=$EPOCHREALTIME
  another() {
    local now
    now=$(kubectl --namespace tenant-acme get "$object" --output 'jsonpath={.metadata.uid}') && [ -n "$now" ] && [ "$now" != "$uid" ]
  }
  eventually 10 "$object of acme is back" another
  slowest=$(awk -v a="$slowest" -v b="$(seconds "$began")" 'BEGIN { print (a + 0 > b + 0) ? a : b }')
done
echo "measured: every deleted object back within $slowest"
ready acme
kubectl --namespace tenant-acme scale deployment/runtime --replicas=3 >/dev/null
one_replica() { [ "$(kubectl --namespace tenant-acme get deployment runtime --output 'jsonpath={.spec.replicas}')" = 1 ]; }
eventually 10 "the number of replicas is the tenant's again" one_replica

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
tenant evil | kubectl apply --filename - >/dev/null

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
ready evil
probe_pod tenant-evil hostile wait
wait $whole_life
one() { [ "$(field acme .status.replicas)" = 1 ] && [ "$(field acme '.status.conditions[?(@.type=="Reconciling")].status')" = False ]; }
eventually 60 "one replica again" one

# Peace: nothing is written when nothing changes. What follows meanwhile is no work for the operator.
sleep 3
version() { kubectl get tenants,namespaces,deployments,secrets,networkpolicies --all-namespaces --output json |
  jq --raw-output '.items[] | select(.kind == "Tenant" or .metadata.labels["app.kubernetes.io/managed-by"] == "gotrs-operator") | .metadata.resourceVersion'; }
before=$(version)
peace_since=$SECONDS

# A hostile pod among tenant A's: nothing of tenant B, not the API server, not the database.
target=$(kubectl --namespace tenant-acme get pods --selector app.kubernetes.io/name=tenant-runtime --output 'jsonpath={.items[0].status.podIP}')
for address in "$target:8080" "$target:9090" "$GOTRS_CLUSTER_NODE:6443" 10.96.0.1:443 "$GOTRS_CLUSTER_NODE:10250" "$GOTRS_CLUSTER_HOST:5432"; do
  never 2 "a hostile pod reaches $address" probe tenant-evil hostile connect "$address"
done
# Dressed as a runtime it reaches what a runtime reaches: the database's door, behind which it has no password of another.
kubectl --namespace tenant-evil label pod hostile app.kubernetes.io/name=tenant-runtime gotrs.io/tenant=evil >/dev/null
eventually 20 "a pod with a runtime's labels reaches PostgreSQL" probe tenant-evil hostile connect "$GOTRS_CLUSTER_HOST:5432"
for address in "$target:8080" "$GOTRS_CLUSTER_NODE:6443" "$GOTRS_CLUSTER_NODE:10250"; do
  refused '' probe tenant-evil hostile connect "$address"
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
install_platform
kubectl patch tenant evil --type merge --patch '{"spec": {"displayName": "Evil"}}' >/dev/null
known() { [ "$(field evil .status.observedGeneration)" = "$(field evil .metadata.generation)" ]; }
eventually 60 "the operator that was installed again works on the tenants of before" known

# No Event for a reconcile, one for each transition; and nothing that the operator was not allowed to do.
[ "$(kubectl get events --field-selector involvedObject.kind=Tenant,involvedObject.name=acme --output name | wc -l)" -lt 20 ] ||
  fail "too many Events: $(kubectl get events)"
for pod in $(kubectl --namespace platform get pods --selector app.kubernetes.io/component=operator --output name); do
  ! kubectl --namespace platform logs "$pod" | grep -i forbidden || fail "the operator lacks a right"
done
