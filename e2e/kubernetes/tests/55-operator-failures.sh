# What the operator depends on goes away and comes back: the API server, PostgreSQL, a version, a password.
# shellcheck shell=bash disable=SC2154
platform_up
tenant acme 'plan: team' | kubectl apply --filename - >/dev/null
ready acme
containers() { kubectl --namespace tenant-acme get pods --output 'jsonpath={range .items[*]}{.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount}{"\n"}{end}'; }
condition() { field "$1" ".status.conditions[?(@.type==\"$2\")].$3"; }

# Without the API server for 30 s nothing that serves is touched; afterwards work goes on.
before=$(containers)
"$kubernetes_folder/cluster" stop apiserver
sleep 30
"$kubernetes_folder/cluster" start apiserver
began=$EPOCHREALTIME
# With leader election (a cluster of one controller-manager and one scheduler does without) these two end with their lease and begin anew; so
# they do here. What they would wait otherwise, up to a minute, is the pause of their own client.
for part in controller-manager scheduler; do
  "$kubernetes_folder/cluster" stop "$part"
  "$kubernetes_folder/cluster" start "$part"
done
eventually 60 "an API server that is ready again" kubectl get --raw /readyz
tenant born-late | kubectl apply --filename - >/dev/null
# Pods reach the API server as soon as kube-proxy does, which has pauses of its own. The operator's part begins there: it renews its Lease.
back=$(date --utc +%Y-%m-%dT%H:%M:%S)
renewed() { [[ $(kubectl --namespace platform get lease --output 'jsonpath={.items[*].spec.renewTime}') > $back ]]; }
eventually 90 "an operator that reaches the API server again" renewed
reached=$EPOCHREALTIME
eventually 30 "the next tenant's Deployment, soon after the operator's return" kubectl --namespace tenant-born-late get deployment runtime
echo "measured: API server back after 30 s, next tenant applied $(seconds "$reached") after the operator reaches it"
ready born-late 120s
echo "measured: Ready $(seconds "$began") after the API server's start"
[ "$(containers)" = "$before" ] || fail "the runtime was restarted: $before, now $(containers)"

# Without PostgreSQL for 30 s: what is new waits and says for what; what is there comes back by itself.
postgres_stop
tenant waiting | kubectl apply --filename - >/dev/null
says_why() { [ "$(condition waiting Ready status)" = False ] && [ -n "$(condition waiting Ready message)" ]; }
eventually 60 "a tenant that says what it waits for" says_why
echo "said: $(condition waiting Ready reason): $(condition waiting Ready message)"
sleep 25
[ "$(condition waiting Ready status)" = False ]
postgres_start
began=$EPOCHREALTIME
ready waiting 120s
ready acme
echo "measured: PostgreSQL back after 30 s, waiting tenant Ready after $(seconds "$began")"

# New passwords when asked, and the old ones open nothing.
# Without the parameters that only the runtime's own client knows.
url() { kubectl --namespace tenant-acme get secret runtime --output 'jsonpath={.data.database-url}' | base64 -d | sed 's/?.*//'; }
old=$(url)
psql --no-psqlrc --quiet --command 'SELECT 1' "$old" >/dev/null
kubectl annotate tenant acme gotrs.io/rotate-credentials=first >/dev/null
rotated() { [ "$(field acme .status.credentialsRotation)" = first ] && [ "$(url)" != "$old" ]; }
eventually 60 "other credentials" rotated
refused 'password authentication failed' psql --no-psqlrc --quiet --command 'SELECT 1' "$old"
ready acme
kubectl --namespace tenant-acme rollout status deployment/runtime --timeout 60s >/dev/null

# A version that does not exist: the old one goes on serving, and it is said what is wrong.
served() { kubectl --namespace tenant-acme get pods --field-selector status.phase=Running --output 'jsonpath={.items[*].status.containerStatuses[?(@.ready==true)].image}'; }
kubectl patch tenant acme --type merge --patch '{"spec": {"version": "no-such"}}' >/dev/null
not_ready() { [ "$(condition acme Ready status)" != True ] || [ "$(condition acme Stalled status)" = True ] || [ "$(field acme .status.runtimeVersion)" = test ]; }
eventually 60 "a tenant that does not claim the version that does not exist" not_ready
[[ $(served) == *:test* ]] || fail "nothing serves any more: $(kubectl --namespace tenant-acme get pods)"
kubectl patch tenant acme --type merge --patch '{"spec": {"version": "test"}}' >/dev/null
ready acme 120s
