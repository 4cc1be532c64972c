# The chart, before anything of it runs: its schema, and what each file in ci/ makes of it, as the API server sees it.
# shellcheck shell=bash disable=SC2154
chart=$repository/charts/gotrs-cloud
[ -d "$chart" ] || fail "there is no $chart"

for kind in servicemonitors podmonitors prometheusrules; do
  define "$monitoring_definitions/$kind.yaml" "$kind.monitoring.coreos.com"
done
define "$gateway_definitions/httproutes.yaml" httproutes.gateway.networking.k8s.io
scratch_namespace chart

objects=0
for values in "$chart"/ci/*-values.yaml; do
  helm lint --strict --quiet "$chart" --values "$values"
  helm template platform "$chart" --namespace chart --values "$values" --api-versions monitoring.coreos.com/v1 >"$GOTRS_TEST_WORK/rendered.yaml"
  # Unknown fields, wrong types, names that are too long, rules that do not compile: the server says so, and stores nothing.
  output=$(kubectl apply --dry-run=server --validate=strict --filename "$GOTRS_TEST_WORK/rendered.yaml" 2>&1) || fail "$values: $output"
  [[ $output != *Warning* ]] || fail "$values: $output"
  objects=$((objects + $(wc -l <<<"$output")))
  # Pods would start under the strictest standard, and no right is a wildcard.
  if [[ $(kubectl create --dry-run=client --filename "$GOTRS_TEST_WORK/rendered.yaml" --output json |
    jq --raw-output 'select(.kind == "ClusterRole" or .kind == "Role") | .rules[] | .apiGroups + .resources + .verbs | .[]') == *'*'* ]]; then
    fail "$values: a role with a wildcard"
  fi
done
echo "measured: $objects objects of the chart offered"

# What is missing or wrong is said, all at once, before anything is installed.
message=$(helm template platform "$chart" 2>&1 || true)
for word in baseDomain network.clusterRanges database.tenants.existingSecret database.controlPlane.existingSecret network.postgres \
  s3.existingSecret network.s3 mail.existingSecret; do
  [[ $message == *"- $word"* ]] || fail "not said that $word is missing: $message"
done
wrong() { helm template platform "$chart" --values "$chart/ci/trial-values.yaml" "$@"; }
refused 'baseDomain' wrong --set baseDomain=Example.com:80
refused 'replicas' wrong --set operator.replicas=0
refused 'operatr' wrong --set operatr.replicas=2
refused 'pullPolicy' wrong --set image.pullPolicy=Sometimes
refused 'network.telemetry' wrong --set telemetry.otlpEndpoint=http://collector.monitoring.svc:4317
refused 'clusterRanges' wrong --set 'network.clusterRanges={10.0.0.0}'
refused 'trustedProxies' wrong --set 'router.trustedProxies={load-balancer}'
refused 'below the base domain' wrong --set controlPlane.publicUrl=https://console.example.test
refused 'one pod' wrong --set controlPlane.replicas=2
refused 'tenantChannel' wrong --set controlPlane.tenantChannel=not_a_name
refused 'is switched off' wrong --set ingress.enabled=true,router.enabled=false
refused 'publicScheme is http' wrong --set ingress.enabled=true,ingress.tls.tenantsSecret=certificate
refused 'leads names only' wrong --set ingress.enabled=true,controlPlane.publicUrl=http://10.0.0.1:8080
refused 'customDomains/hosts/0/host' wrong --set 'ingress.enabled=true,ingress.customDomains.hosts[0].host=*.acme.example'
refused 'no domain of a tenant' wrong --set 'ingress.enabled=true,ingress.customDomains.hosts[0].host=help.example.test'
refused 'parentRefs is empty' wrong --set httpRoute.enabled=true
refused 'leave that list empty' wrong --set 'httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,httpRoute.customDomains.any=true,httpRoute.customDomains.hosts[0]=help.acme.example'
# Who switches the parts off that need them is not asked for what they need.
wrong --set controlPlane.enabled=false,router.enabled=false,s3Server.enabled=false,mail.mailbox=false >/dev/null

same() { [ "$1" = "$2" ] || fail "$3: $1 instead of $2"; }

# One value for the traces of all: each part is told where they go, the operator tells the runtimes, and the walls let them through.
traces=$(helm template platform "$chart" --namespace chart --values "$chart/ci/production-values.yaml" |
  kubectl create --dry-run=client --filename - --output json | jq --slurp --compact-output .)
for part in operator control-plane router; do
  name=platform-gotrs-cloud-$part
  same "$(jq --compact-output "[.[] | select(.kind == \"Deployment\" and .metadata.name == \"$name\") | .spec.template.spec.containers[].env[] |
    select(.name == \"GOTRS_OTLP_ENDPOINT\").value]" <<<"$traces")" '["http://collector.monitoring.svc:4317"]' "where $part is told to send its traces"
  same "$(jq --compact-output "[.[] | select(.kind == \"NetworkPolicy\" and .metadata.name == \"$name\") | .spec.egress[] |
    select(.ports[0].port == 4317).to[0].podSelector.matchLabels.app]" <<<"$traces")" '["collector"]' "the way of traces out of $part"
done
same "$(jq --raw-output '.[] | select(.kind == "ConfigMap").data["cluster.json"] // empty | fromjson.otlpEndpoint' <<<"$traces")" \
  http://collector.monitoring.svc:4317 'where the operator tells the runtimes to send their traces'

# The way in: nothing of it unless it is asked for, and then all hosts to the router's Service and nowhere else.
entries() { # VALUES FILE, JQ FILTER over all Ingresses and HTTPRoutes
  helm template platform "$chart" --namespace chart --values "$chart/ci/$1-values.yaml" |
    kubectl create --dry-run=client --filename - --output json |
    jq --slurp --compact-output "[.[] | select(.kind == \"Ingress\" or .kind == \"HTTPRoute\")] | $2"
}
same "$(entries production length)" 0 'objects of a way in that nobody asked for'
same "$(entries ingress '[.[].spec.rules[].host]')" \
  '["console.example.com","*.helpdesk.example.com","help.acme.example","support.umbrella.example",null]' 'hosts of the Ingresses'
same "$(entries ingress '[.[].spec.tls[] | [.secretName] + .hosts]')" \
  '[["console-certificate","console.example.com"],["tenants-certificate","*.helpdesk.example.com"],["acme-certificate","help.acme.example"]]' \
  'certificates of the Ingresses'
same "$(entries ingress '[.[].spec.rules[].http.paths[].backend.service | [.name, .port.name]] | unique')" \
  '[["platform-gotrs-cloud-router","http"]]' 'where the Ingresses lead'
same "$(entries ingress '[.[].metadata.annotations["cert-manager.io/cluster-issuer"]]')" '["letsencrypt-dns","letsencrypt-http"]' 'issuers'
same "$(entries gateway '[.[].spec.hostnames | length]')" '[2,16,1]' 'hosts of each HTTPRoute'
same "$(entries gateway '.[0].spec.hostnames')" '["helpdesk.example.com","*.helpdesk.example.com"]' 'hosts of the first HTTPRoute'
same "$(entries gateway '[.[].spec.rules[].backendRefs[] | [.name, .port]] | unique')" '[["platform-gotrs-cloud-router",80]]' 'where the HTTPRoutes lead'
# One certificate for both, and a platform without console.
one=$(wrong --set publicScheme=https,ingress.enabled=true,ingress.tls.consoleSecret=one,ingress.tls.tenantsSecret=one | grep -A 2 'tls:')
[[ $one == *'hosts: ["example.test", "*.example.test"]'*'secretName: one'* ]] || fail "one certificate for both: $one"

# Alerts and dashboards speak of metrics that somebody writes, and an alert's runbook is there.
metrics=$(find "$repository"/{control-plane,tenant-runtime,operator,crates/service-kit} -name '*.rs' -exec \
  grep --no-filename --only-matching --extended-regexp '"[a-z]+(_[a-z]+)+"' {} + 2>/dev/null | tr -d '"' | sort --unique || true)
used=$(grep --no-filename --only-matching --extended-regexp '\b(operator|http|module|modules|router|kubernetes)_[a-z_]+(\{|\[|\))' --recursive \
  "$chart/templates/monitoring.yaml" "$chart/dashboards" | tr -d '{[)' | sed -E 's/_(count|sum|bucket)$//' | sort --unique)
[ "$(wc -l <<<"$used")" -ge 5 ] || fail "which metrics are used? $used"
for metric in $used; do
  grep -qx "$metric" <<<"$metrics" || fail "nobody writes the metric $metric"
done
grep --only-matching 'runbookUrl }}/[a-z-]*\.md' "$chart/templates/monitoring.yaml" | sed 's#^.*/##' | while read -r runbook; do
  [ -e "$repository/docs/runbooks/$runbook" ] || fail "there is no runbook $runbook"
done
