# A channel: a version that never gets ready ends with its canary, which goes back, and the others never leave; a good one
# reaches all.
# shellcheck shell=bash disable=SC2154
platform_up

# channel VERSION [SPEC]: the channel stable, in flow style.
channel() {
  printf 'apiVersion: gotrs.io/v1\nkind: RuntimeChannel\nmetadata: {name: %s}\nspec: {version: "%s"%s}\n' "${3:-stable}" "$1" "${2:+, $2}" |
    kubectl apply --filename - >/dev/null
}
channel_field() { kubectl get runtimechannel stable --output "jsonpath={$1}"; }
# stage STAGE: the channel is there.
stage() { [ "$(channel_field .status.stage)" = "$1" ]; }
image() { kubectl --namespace "tenant-$1" get deployment runtime --output 'jsonpath={.spec.template.spec.containers[0].image}'; }
# on VERSION: so many tenants' runtimes are of it.
on() { kubectl get deployments --all-namespaces --selector app.kubernetes.io/managed-by=gotrs-operator \
  --output 'jsonpath={range .items[*]}{.spec.template.spec.containers[0].image}{"\n"}{end}' | grep -c ":$1\$" || true; }
at_end 'kubectl delete runtimechannels --all --timeout 30s >/dev/null'

# What cannot work is refused, with what to do.
refused 'to move nobody set spec.paused' channel 1 'maxUnavailable: 0'
refused 'from 0 (no canaries) to 100' channel 1 'canary: {percent: 101}'
refused 'at most 168h' channel 1 'canary: {soak: 169h}'
refused 'the first failure ends the rollout' channel 1 'stopAfterFailures: 0'
refused 'the tag of an image' channel 'no tag'
refused 'spec.deadline is from 1m to 24h' channel 1 'deadline: 30s'
refused "a channel's name has at most 63" channel 1 '' a.b
refused 'a time of the day' kubectl apply --filename <(tenant acme 'maintenanceWindow: {start: "24:30"}')

# Tenants that ran before there was a channel keep what they run. The second tag is the same image: a version that is good.
tenants='alpha beta gamma delta'
for name in $tenants; do tenant "$name" | kubectl apply --filename - >/dev/null; done
for name in $tenants; do ready "$name" 120s; done
"$kubernetes_folder/image" --name localhost/gotrs/tenant-runtime:good --out "$GOTRS_TEST_WORK/good.tar" "${GOTRS_PROGRAMS:-$repository/target/debug}/tenant-runtime"
"$kubernetes_folder/cluster" load "$GOTRS_TEST_WORK/good.tar"
rm "$GOTRS_TEST_WORK/good.tar"
channel test 'canary: {percent: 25, soak: 3s}, maxUnavailable: 2, deadline: 1m'
eventually 20 "a channel that has what its tenants run" stage Complete
[ "$(channel_field .status.lastGoodVersion)" = test ]
[ "$(channel_field .status.tenants.total)" = 4 ]
joined() { for name in $tenants; do [ "$(field "$name" .status.channel.version)" = test ] || return 1; done; }
eventually 20 "all tenants have joined" joined

# A tenant with a version of its own, one whose window is closed, and the one that offers itself as a canary.
kubectl patch tenant gamma --type merge --patch '{"spec": {"version": "test"}}' >/dev/null
far=$(date --utc --date '12 hours' +%H:%M)
kubectl patch tenant delta --type merge --patch "{\"spec\": {\"maintenanceWindow\": {\"start\": \"$far\", \"duration\": \"1h\"}}}" >/dev/null
kubectl label tenant beta gotrs.io/canary=true >/dev/null
released() { [ -z "$(field gamma .status.channel)" ]; }
eventually 20 "a pinned tenant is not the channel's" released

# There is no such image. It is seen that nobody but the canary is ever moved, and that the canary serves all the time.
images() { for name in alpha gamma delta; do image "$name"; echo; done; }
before=$(images)
began=$EPOCHREALTIME
channel missing 'canary: {percent: 25, soak: 3s}, maxUnavailable: 2, deadline: 1m'
moved() { [[ $(image beta) == *:missing ]]; }
eventually 20 "the canary is moved" moved
while ! stage Stopped; do
  [ "$(images)" = "$before" ] || fail "somebody beside the canary was moved: $(images)"
  [ "$(field beta .status.readyReplicas)" -ge 1 ] || fail "the canary does not serve"
  [ "$(awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { print (to - from < 180) }')" = 1 ] || fail "not stopped: $(kubectl describe runtimechannel stable)"
  sleep 1
done
echo "measured: a version that never gets ready stopped after $(seconds "$began")"
back() { [[ $(image beta) == *:test ]] && [ "$(field beta .status.channel.cause)" = RollBack ]; }
eventually 20 "the canary is back" back
ready beta
[ "$(images)" = "$before" ]
[ "$(channel_field '.status.failures[0].tenant')" = beta ]
[ "$(channel_field '.status.conditions[?(@.type=="Stalled")].reason')" = UpgradeFailed ]
[ "$(channel_field .status.lastGoodVersion)" = test ]
for reason in RolloutStarted TenantRolledBack RolloutStopped; do
  [ "$(kubectl get events --field-selector involvedObject.kind=RuntimeChannel,reason=$reason --output name | wc -l)" = 1 ] || fail "not exactly one Event $reason"
done

# A leader that knows nothing yet leaves it so.
holder=$(kubectl --namespace platform get lease gotrs-cloud-operator --output 'jsonpath={.spec.holderIdentity}')
kubectl --namespace platform delete pod "${holder%-*}" --wait=false >/dev/null
another() { [ "$(kubectl --namespace platform get lease gotrs-cloud-operator --output 'jsonpath={.spec.holderIdentity}')" != "$holder" ]; }
eventually 60 "another leader" another
never 5 "the failed version is tried again" moved

# A new tenant gets what is known to be good.
tenant late | kubectl apply --filename - >/dev/null
ready late
[ "$(field late .status.runtimeVersion)" = test ]

# The good version: canaries, then all but the one with a version of its own and the one outside of its window.
began=$EPOCHREALTIME
channel good 'canary: {percent: 25, soak: 3s}, maxUnavailable: 2, deadline: 5m'
most=0
arrived() { for name in alpha beta late; do [ "$(field "$name" .status.runtimeVersion)" = good ] || return 1; done; }
while ! arrived; do
  now=$(channel_field .status.tenants.moving)
  if [ "${now:-0}" -gt "$most" ]; then most=$now; fi
  [ "$(awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { print (to - from < 180) }')" = 1 ] || fail "not arrived: $(kubectl describe runtimechannel stable)"
  sleep 0.3
done
echo "measured: a good version with three tenants after $(seconds "$began"), at most $most at once"
[ "$most" -le 2 ]
good() { [ "$(channel_field .status.lastGoodVersion)" = good ]; }
eventually 20 "the version is the last good one" good
[[ $(image gamma) == *:test && $(image delta) == *:test ]] || fail "a pin or a window was not respected"
kubectl get rch stable | grep -q Rolling

# The window opens: the channel is complete. Then it goes, and nothing changes.
kubectl patch tenant delta --type merge --patch '{"spec": {"maintenanceWindow": null}}' >/dev/null
kubectl wait --for=condition=Ready runtimechannel/stable --timeout=120s >/dev/null
[ "$(field delta .status.runtimeVersion)" = good ]
kubectl delete runtimechannel stable --timeout 30s >/dev/null
never 5 "a tenant changes because its channel is gone" sh -c '! kubectl get deployment runtime --namespace tenant-alpha --output yaml | grep -q runtime:good'
kubectl patch tenant alpha --type merge --patch '{"spec": {"displayName": "Alpha"}}' >/dev/null
known() { [ "$(field alpha .status.observedGeneration)" = "$(field alpha .metadata.generation)" ]; }
eventually 20 "the operator works on a tenant without its channel" known
[[ $(image alpha) == *:good ]]
for pod in $(kubectl --namespace platform get pods --selector app.kubernetes.io/component=operator --output name); do
  ! kubectl --namespace platform logs "$pod" | grep -i forbidden || fail "the operator lacks a right"
done
