# The whole platform in its pods, with the rights and behind the walls that the chart gives it: from signup to a helpdesk that
# answers through the router, what may happen to it in its life, and what happens while parts of the platform are away.
# shellcheck shell=bash disable=SC2154
platform_up 'controlPlane: {deletionGraceDays: 0, tenantChannel: beta}'
printf 'apiVersion: gotrs.io/v1\nkind: RuntimeChannel\nmetadata: {name: beta}\nspec: {version: test}\n' | kubectl apply --filename - >/dev/null
at_end 'kubectl delete runtimechannels --all --timeout 30s >/dev/null'
helm test gotrs-cloud --namespace platform --timeout 60s >/dev/null
router=$(kubectl --namespace platform get service gotrs-cloud-router --output 'jsonpath={.spec.clusterIP}')
answer=$GOTRS_TEST_WORK/answer

# at HOST PATH [CURL ARGUMENTS...]: one request through the router; says the status. The body is in $answer, headers in $answer.headers.
at() {
  local host=$1 path=$2
  shift 2
  curl --silent --max-time 40 --output "$answer" --dump-header "$answer.headers" --write-out '%{http_code}' \
    --header "Host: $host" "$@" "http://$router$path" || true
}
# expect STATUS HOST PATH [CURL ARGUMENTS...]
expect() {
  local wanted=$1 status
  shift
  status=$(at "$@")
  [ "$status" = "$wanted" ] || fail "$1$2 answered $status, not $wanted: $(head -c 1000 "$answer"; logs_of_platform 10)"
}
body() { jq --raw-output "$1" "$answer"; }
header() { sed -n "s/^$1: \\(.*\\)\r$/\\1/Ip" "$answer.headers"; }

# The console is the router's for every host that is no tenant's; what is below the base domain and nobody's is told so.
expect 200 example.test /schema/module.json
expect 404 nobody.example.test /
[ "$(body .code)" = unknown_tenant ]

# From signup to a helpdesk: the mail has the link, the link makes the Tenant, the operator the pods, the router the route.
password=correct-horse-9-battery
expect 201 example.test /v1/signup --json '{"organization": "Nova", "slug": "nova", "email": "ann@nova.example", "password": "'$password'", "plan": "team"}'
mailed() { grep --recursive --quiet 'signup/verify?token=' "$mails"; }
eventually 20 "the mail with the link" mailed
[ -z "$(kubectl get tenants --output name)" ] || fail "a tenant before its owner's address is proven"
token=$(cat "$mails"/*.eml | tr -d '\r' | sed -e ':join' -e '/=$/{N;s/=\n//;b join' -e '}' | grep --only-matching 'https://example.test/signup/verify?token[^ ]*' | sed 's/^.*token=\(3D\)\?//')
began=$EPOCHREALTIME
expect 200 example.test /v1/signup/verify --json "{\"token\": \"$token\"}"
serves() { [ "$(at "$1" /login)" = 200 ]; }
eventually 60 "the helpdesk of nova" serves nova.example.test
echo "measured: from the click on the link to a helpdesk that answers $(seconds "$began")"
ready nova
condition() { field "$1" ".status.conditions[?(@.type==\"$2\")].$3"; }
[ "$(condition nova Routed status)" = True ]
[ "$(kubectl --namespace platform get secret tenant-nova-administrator --output name)" = secret/tenant-nova-administrator ]

# Its owner signs in, at the console and at the helpdesk, with the password of the signup.
expect 201 example.test /v1/sessions --json "{\"email\": \"ann@nova.example\", \"password\": \"$password\"}"
console=(--header "Authorization: Bearer $(body .access_token)")
phase() { [ "$(at example.test /v1/tenants/nova "${console[@]}")" = 200 ] && [ "$(body .phase)" = "$1" ]; }
eventually 20 "a tenant that the console calls active" phase Active
sign_in() { # HOST LOGIN PASSWORD: sets agent
  expect 200 "$1" /api/v1/auth/login --json "{\"login\": \"$2\", \"password\": \"$3\"}"
  agent=(--header "Authorization: Bearer $(body .access_token)")
}
sign_in nova.example.test ann@nova.example $password
expect 200 nova.example.test /api/v1/auth/me "${agent[@]}"
expect 401 nova.example.test /api/v1/auth/me

# A Tenant that nobody signed up is served as well, also at a host of its own, and it falls asleep when nobody uses it.
tenant manual 'plan: team, hosts: [help.manual.example], scaleToZero: {idleAfter: 1m}, administrator: {email: bob@manual.example}' | kubectl apply --filename - >/dev/null
ready manual
idle_since=$SECONDS
eventually 20 "a helpdesk without signup" serves manual.example.test
serves help.manual.example
sign_in manual.example.test bob@manual.example "$(kubectl --namespace tenant-manual get secret administrator --output 'jsonpath={.data.password}' | base64 -d)"

# What runtimes come for is nobody else's, and runtimes come to nothing else: a pod of nova's that looks like its runtime.
expect 404 example.test /v1/runtime/modules/watch
kubectl --namespace tenant-nova run visitor --image localhost/probe:1 --image-pull-policy Never --restart Never \
  --labels "$(kubectl --namespace tenant-nova get deployment runtime --output json | jq --raw-output '.spec.selector.matchLabels | to_entries | map("\(.key)=\(.value)") | join(",")')" \
  --overrides '{"spec": {"automountServiceAccountToken": false, "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}, "containers": [{"name": "visitor", "image": "localhost/probe:1", "imagePullPolicy": "Never", "args": ["wait"], "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "32Mi"}}, "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}}' >/dev/null
kubectl --namespace tenant-nova wait --for=condition=Ready pod/visitor --timeout=60s >/dev/null
inside=$(kubectl --namespace platform get service gotrs-cloud-control-plane --output 'jsonpath={.spec.clusterIP}')
eventually 20 "the port of runtimes" probe tenant-nova visitor connect "$inside:8081"
never 3 "the port of the console" probe tenant-nova visitor connect "$inside:8080"
kubectl --namespace tenant-nova delete pod visitor --grace-period=0 --force >/dev/null 2>&1

# A module goes from the API to every runtime without a restart.
sign_in nova.example.test ann@nova.example $password
pods() { kubectl --namespace tenant-nova get pods --output 'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].restartCount}{"\n"}{end}'; }
before=$(pods)
module() { sed "s/singular: Laptop/singular: $1/" "$repository/examples/laptop.yaml" >"$GOTRS_TEST_WORK/laptop.yaml"; }
module Laptop
began=$EPOCHREALTIME
expect 201 example.test '/v1/tenants/nova/modules/laptop?wait=live' "${console[@]}" --request PUT --header content-type:application/yaml --data-binary "@$GOTRS_TEST_WORK/laptop.yaml"
[ "$(body '[.live.ready, .live.acknowledged, (.live.refused | length)] | join(" ")')" = '1 1 0' ] || fail "not live: $(cat "$answer")"
echo "measured: module live after $(seconds "$began")"
expect 201 nova.example.test /admin/laptop "${agent[@]}" --header accept:application/json --json '{"model": "X1", "price": 100}'
expect 200 nova.example.test /admin/laptop "${agent[@]}" --header accept:application/json
[[ $(cat "$answer") == *119* ]] || fail "no computed field in $(cat "$answer")"
module Notebook
expect 200 example.test '/v1/tenants/nova/modules/laptop?wait=live' "${console[@]}" --request PUT --header content-type:application/yaml --data-binary "@$GOTRS_TEST_WORK/laptop.yaml"
[ "$(pods)" = "$before" ] || fail "a module restarted the runtime: $before, now $(pods)"

# Suspended by its owner: a page for people, a problem for programs, and everything is there again afterwards.
expect 200 example.test /v1/tenants/nova/suspend "${console[@]}" --request POST
suspended() { [ "$(at nova.example.test /agent)" = 402 ] && [ "$(body .code)" = tenant_suspended ] && [ "$(field nova .status.phase)" = Suspended ]; }
eventually 60 "a suspended helpdesk" suspended
expect 402 nova.example.test /agent --header accept:text/html
[[ $(header content-type) == text/html* ]]
eventually 20 "a tenant that the console calls suspended" phase Suspended
expect 200 example.test /v1/tenants/nova/resume "${console[@]}" --request POST
eventually 60 "a helpdesk that was resumed" serves nova.example.test
expect 200 nova.example.test /admin/laptop "${agent[@]}" --header accept:application/json
eventually 20 "a tenant that the console calls active again" phase Active

# What talks to the internet changes what it must and nothing beside it, whoever has taken it over: not the passwords of the
# release (an answer to a change would show them), not what a tenant is.
as() { # PART OBJECT [KUBECTL ARGUMENTS...]
  local part=$1 object=$2
  shift 2
  kubectl --as "system:serviceaccount:platform:gotrs-cloud-$part" apply --server-side --force-conflicts "$@" --filename - <<<"$object"
}
for secret in $(kubectl --namespace platform get secrets --output name | grep --invert-match /tenant-); do
  refused 'and no other' as control-plane "{apiVersion: v1, kind: Secret, metadata: {name: ${secret#secret/}, namespace: platform, labels: {mine: now}}}"
done
[ -n "${secret:-}" ] || fail "the release has no Secret"
# Nor does it have Kubernetes put the token of the operator's account into a Secret of the right name.
refused 'type Opaque' as control-plane '{apiVersion: v1, kind: Secret, metadata: {name: tenant-x-administrator, namespace: platform, annotations: {kubernetes.io/service-account.name: gotrs-cloud-operator}}, type: kubernetes.io/service-account-token}'
refused 'skip-final-export' as control-plane '{apiVersion: gotrs.io/v1, kind: Tenant, metadata: {name: nova, annotations: {gotrs.io/skip-final-export: "true"}}}'
# What the operator obeys in a status is the operator's own.
for part in control-plane router; do
  for status in '{failedVersion: test}' '{tenantId: 0198c0de-0000-7000-8000-000000000001}' '{conditions: [{type: Ready, status: "False", reason: Mine, message: "", lastTransitionTime: "2026-01-01T00:00:00Z"}]}'; do
    refused 'nothing else' as $part "{apiVersion: gotrs.io/v1, kind: Tenant, metadata: {name: nova}, status: $status}" --subresource status
  done
done
refused 'nothing else' as router '{apiVersion: gotrs.io/v1, kind: Tenant, metadata: {name: nova}, spec: {plan: business}}'
refused 'nothing else' as router '{apiVersion: gotrs.io/v1, kind: Tenant, metadata: {name: nova, annotations: {gotrs.io/export: "1"}}}'

# Its channel came with its making and is shown to its owner. Suspending and resuming has applied it again, and it is there still.
[ "$(field nova .spec.channel)" = beta ] || fail "the channel of new tenants: $(kubectl get tenant nova --output yaml --show-managed-fields)"
runtime() { [ "$(at example.test /v1/tenants/nova "${console[@]}")" = 200 ] && [ "$(body '.runtime | [.version, .channel, .pinned, .change.state] | map(tostring) | join(" ")')" = "$1" ]; }
eventually 20 "version and channel at the console" runtime 'test beta false none'
# Moved and pinned by hand, it stays so when its owner changes something.
printf 'apiVersion: gotrs.io/v1\nkind: RuntimeChannel\nmetadata: {name: slow}\nspec: {version: test}\n' | kubectl apply --filename - >/dev/null
kubectl patch tenant nova --type merge --patch '{"spec": {"channel": "slow"}}' >/dev/null
expect 200 example.test /v1/tenants/nova/suspend "${console[@]}" --request POST
eventually 60 "a helpdesk that is suspended again" suspended
[ "$(field nova .spec.channel)" = slow ] || fail "the control plane moved it back: $(kubectl get tenant nova --output yaml --show-managed-fields)"
kubectl patch tenant nova --type merge --patch '{"spec": {"version": "test"}}' >/dev/null
expect 200 example.test /v1/tenants/nova/resume "${console[@]}" --request POST
eventually 60 "a helpdesk that was resumed once more" serves nova.example.test
[ "$(field nova .spec.channel) $(field nova .spec.version)" = 'slow test' ] || fail "the control plane changed a pin: $(kubectl get tenant nova --output yaml --show-managed-fields)"
eventually 20 "the pin at the console" runtime 'test null true none'
kubectl patch tenant nova --type merge --patch '{"spec": {"version": null, "channel": null}}' >/dev/null
expect 200 example.test /v1/tenants/nova/suspend "${console[@]}" --request POST
eventually 60 "a helpdesk that is suspended without a channel" suspended
expect 200 example.test /v1/tenants/nova/resume "${console[@]}" --request POST
eventually 60 "a helpdesk that was resumed without a channel" serves nova.example.test
[ -z "$(field nova .spec.channel)$(field nova .spec.version)" ] || fail "the control plane gave it a channel again: $(kubectl get tenant nova --output yaml --show-managed-fields)"
eventually 20 "a tenant that the console calls active after all that" phase Active

# Deleted by somebody with kubectl and not by its owner: it is made again, with everything that it had.
uid=$(field nova .metadata.uid)
kubectl delete tenant nova --timeout 60s >/dev/null
again() { [ "$(field nova .metadata.uid)" != "$uid" ] && [ "$(at nova.example.test /admin/laptop "${agent[@]}" --header accept:application/json)" = 200 ]; }
eventually 90 "a tenant that was deleted by mistake" again
[[ $(cat "$answer") == *119* ]] || fail "records are lost: $(cat "$answer")"
eventually 20 "a tenant that the console calls active once more" phase Active

# Nothing is asked of a helpdesk whose control plane is away; the console says that it is.
kubectl --namespace platform scale deployment/gotrs-cloud-control-plane --replicas=0 >/dev/null
away() { [ "$(at example.test /schema/module.json)" = 503 ]; }
eventually 30 "a console that is away" away
expect 200 nova.example.test /admin/laptop "${agent[@]}" --header accept:application/json
sign_in nova.example.test ann@nova.example $password
kubectl --namespace platform scale deployment/gotrs-cloud-control-plane --replicas=2 >/dev/null
kubectl --namespace platform rollout status deployment/gotrs-cloud-control-plane --timeout 60s >/dev/null
eventually 30 "the session of before" phase Active

# Every part of the platform is replaced under load, one after the other, and no request is lost.
requests() {
  local status
  while [ ! -e "$GOTRS_TEST_WORK/enough" ]; do
    for host in nova.example.test example.test; do
      status=$(curl --silent --max-time 20 --output /dev/null --write-out '%{http_code}' --header "Host: $host" "http://$router/livez-not") || true
      [ "$status" = 404 ] || printf '%s answered %s at %s\n' "$host" "$status" "$(date +%T)" >>"$GOTRS_TEST_WORK/lost"
      echo >>"$GOTRS_TEST_WORK/sent"
    done
  done
}
requests &
for part in router control-plane; do
  kubectl --namespace platform rollout restart "deployment/gotrs-cloud-$part" >/dev/null
  kubectl --namespace platform rollout status "deployment/gotrs-cloud-$part" --timeout 90s >/dev/null
done
touch "$GOTRS_TEST_WORK/enough"
wait $!
[ ! -e "$GOTRS_TEST_WORK/lost" ] || fail "requests were lost: $(cat "$GOTRS_TEST_WORK/lost")"
echo "measured: $(wc -l <"$GOTRS_TEST_WORK/sent") requests while router and control plane were replaced, none lost"
expect 200 example.test /v1/tenants/nova/modules/laptop "${console[@]}"
[ "$(body .version)" = 2 ]
eventually 20 "the runtime is heard of again" phase Active

# Exports: asked for with kubectl and at the console, both are in the console's list; the link leads to the archive, and to nothing else.
began=$EPOCHREALTIME
export_id=0198c0de-0000-7000-8000-00000000002a
kubectl annotate tenant nova gotrs.io/export=$export_id >/dev/null
# export_is ID STATE: as the console says
export_is() { [ "$(at example.test "/v1/tenants/nova/exports/$1" "${console[@]}")" = 200 ] && [ "$(body .state)" = "$2" ]; }
eventually 30 "an export that was asked for with kubectl" export_is $export_id ready
[ -s "$GOTRS_TEST_WORK/s3/gotrs/tenants/$(field nova .spec.id)/exports/$export_id.tar.zst" ] || fail "no archive of $export_id"
expect 200 example.test /v1/tenants/nova/export "${console[@]}" --request POST --header 'idempotency-key: nova'
asked_for=$(body .last_export.id)
[ "$asked_for" != "$export_id" ]
eventually 30 "an export that was asked for at the console" export_is "$asked_for" ready
digest=$(body .sha256)
[ "$(field nova .status.lastExport.id) $(field nova .status.lastExport.sha256)" = "$asked_for $digest" ]
expect 200 example.test "/v1/tenants/nova/exports/$asked_for/download" "${console[@]}"
url=$(body .url)
curl --silent --fail --max-time 20 --output "$GOTRS_TEST_WORK/nova.tar.zst" "$url" || fail "no download from ${url%%\?*}"
[ "$(sha256sum <"$GOTRS_TEST_WORK/nova.tar.zst")" = "$digest  -" ] || fail "another archive than $digest"
refused '' curl --silent --fail --max-time 20 --output /dev/null "${url%%\?*}"
echo "measured: two exports made and one downloaded in $(seconds "$began")"

# Asleep: robots wake nobody; the first who wants something is held and answered, many at once are one wake.
asleep() { [ "$(condition manual RuntimeAvailable reason)" = Asleep ] && [ -z "$(kubectl --namespace tenant-manual get pods --output name)" ]; }
eventually $((120 - (SECONDS - idle_since) > 60 ? 120 - (SECONDS - idle_since) : 60)) "a tenant that sleeps" asleep
[ "$(kubectl get tenant manual --no-headers | awk '{ print $3, $4 }')" = 'Active True' ]
expect 503 manual.example.test /robots.txt
began=$EPOCHREALTIME
for request in 1 2 3 4 5 6 7 8; do
  curl --silent --max-time 40 --output /dev/null --dump-header "$GOTRS_TEST_WORK/held.$request" --header 'Host: manual.example.test' "http://$router/login" &
done
# shellcheck disable=SC2046
wait $(jobs -p | tail -8)
echo "measured: a sleeping helpdesk answered after $(seconds "$began")"
[ "$(cat "$GOTRS_TEST_WORK"/held.* | grep --count '^HTTP/1.1 200')" = 8 ] || fail "not all were answered: $(cat "$GOTRS_TEST_WORK"/held.*)"
[ "$(cat "$GOTRS_TEST_WORK"/held.* | grep --count --ignore-case '^gotrs-cold-start: [0-9]')" = 8 ] || fail "not told: $(cat "$GOTRS_TEST_WORK"/held.*)"

# Across the moment of falling asleep: who comes meanwhile waits until somebody is there again, and nobody is refused.
visits() {
  local status
  while [ ! -e "$GOTRS_TEST_WORK/slept" ]; do
    status=$(curl --silent --max-time 40 --output /dev/null --write-out '%{http_code}' --header 'Host: manual.example.test' "http://$router/login") || true
    [ "$status" = 200 ] || printf 'answered %s at %s\n' "$status" "$(date +%T)" >>"$GOTRS_TEST_WORK/refused"
    echo >>"$GOTRS_TEST_WORK/visits"
  done
}
pod_of_manual() { kubectl --namespace tenant-manual get pods --output "jsonpath={.items[*]['metadata.name', 'metadata.deletionTimestamp']}"; }
before=$(pod_of_manual)
# As if it had not been used for long. The router says the opposite at its time, so it may take more than once.
falls_asleep() {
  kubectl annotate tenant manual --overwrite "gotrs.io/last-active=$(field manual .metadata.creationTimestamp)"
  sleep 2
  [ "$(pod_of_manual)" != "$before" ]
}
awake_again() { [ "$(condition manual RuntimeAvailable reason)" = Available ] && [ "$(at manual.example.test /login)" = 200 ]; }
visits &
visits &
eventually 30 "a tenant in use that is put to sleep" falls_asleep
eventually 60 "a tenant that is awake again" awake_again
touch "$GOTRS_TEST_WORK/slept"
# shellcheck disable=SC2046
wait $(jobs -p | tail -2)
[ ! -e "$GOTRS_TEST_WORK/refused" ] || fail "requests were lost in the moment of falling asleep: $(cat "$GOTRS_TEST_WORK/refused")"
echo "measured: $(wc -l <"$GOTRS_TEST_WORK/visits") requests while a tenant fell asleep and was woken, none lost"

# The end: what was deleted is gone, with everything of it.
lost=$(schema nova) lost_id=$(field nova .spec.id)
expect 200 example.test /v1/tenants/nova "${console[@]}" --request DELETE
gone() { ! kubectl get tenant nova && ! kubectl get namespace tenant-nova && [ "$(at example.test /v1/tenants/nova "${console[@]}")" = 404 ]; }
eventually 90 "a tenant that is gone" gone
[ "$(in_database "SELECT count(*) FROM pg_namespace WHERE nspname = '$lost'")" = 0 ]
refused NotFound kubectl --namespace platform get secret tenant-nova-administrator
# But for the archives of its data, which its owner has from now on: the two of before and the final one.
objects() { find "$GOTRS_TEST_WORK/s3/gotrs/tenants" -type f "$@"; }
[ "$(objects -path "*/$lost_id/exports/*.tar.zst" | wc -l)" = 3 ] || fail "archives are lost: $(objects)"
[ "$(objects | wc -l)" = 3 ] || fail "objects are left: $(objects)"
expect 200 example.test /v1/exports "${console[@]}"
[ "$(body '[.items[].kind] | sort | join(" ")')" = 'final on_request on_request' ] || fail "not in the list: $(cat "$answer")"
final=$(body '.items[] | select(.kind == "final") | .id')
expect 200 example.test "/v1/exports/$final/download" "${console[@]}"
curl --silent --fail --max-time 20 --output "$GOTRS_TEST_WORK/nova.tar.zst" "$(body .url)" || fail "no download of the final export"
[ "$(stat --format %s "$GOTRS_TEST_WORK/nova.tar.zst")" = "$(body .size)" ]
expect 404 nova.example.test /login

# Nobody was refused anything.
for pod in $(kubectl --namespace platform get pods --selector app.kubernetes.io/instance=gotrs-cloud --output name); do
  ! kubectl --namespace platform logs "$pod" | grep -i forbidden || fail "$pod lacks a right"
done
