# The chart, before anything of it runs: its schema, and what each file in ci/ makes of it, as the API server sees it.
# shellcheck shell=bash disable=SC2154
chart=$repository/charts/gotrs-cloud
[ -d "$chart" ] || fail "there is no $chart"

for kind in servicemonitors podmonitors prometheusrules; do
  define "$monitoring_definitions/$kind.yaml" "$kind.monitoring.coreos.com"
done
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
refused 'clusterRanges' wrong --set 'network.clusterRanges={10.0.0.0}'
refused 'trustedProxies' wrong --set 'router.trustedProxies={load-balancer}'
refused 'below the base domain' wrong --set controlPlane.publicUrl=https://console.example.test
refused 'one pod' wrong --set controlPlane.replicas=2
# Who switches the parts off that need them is not asked for what they need.
wrong --set controlPlane.enabled=false,router.enabled=false,s3Server.enabled=false,mail.mailbox=false >/dev/null

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
