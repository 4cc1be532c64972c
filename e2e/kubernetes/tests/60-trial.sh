# Everything in one release, with the small PostgreSQL and the small S3 server of the chart: what somebody does who tries it out,
# signup and module included. No registry is reached from here, so Debian's PostgreSQL takes the place of the official image,
# with the same interface.
# shellcheck shell=bash disable=SC2154
chart=$repository/charts/gotrs-cloud
for image in operator control-plane tenant-runtime gotrs; do program_image "$image"; done
server=/usr/lib/postgresql/15
if [ ! -x $server/bin/postgres ]; then
  echo "skipped: PostgreSQL 15 is not installed"
  exit 0
fi
printf 'postgres:x:999:999::/var/lib/postgresql:/bin/sh\n' >"$GOTRS_TEST_WORK/passwd"
programs=()
for program in postgres initdb pg_ctl psql pg_isready; do programs+=(--add "$server/bin/$program:$server/bin/$program"); done
"$kubernetes_folder/image" --name localhost/postgres:15 --out "$GOTRS_TEST_WORK/postgres.tar" --command entrypoint "${programs[@]}" \
  --add "$server/bin/pg_isready:/usr/local/bin/pg_isready" --add /bin/sh:/usr/bin/sh --copy "$server/lib:$server/lib" \
  --copy /usr/share/postgresql/15:/usr/share/postgresql/15 --copy /usr/share/zoneinfo/UTC:/usr/share/zoneinfo/UTC \
  --copy "$GOTRS_TEST_WORK/passwd:/etc/passwd" "$kubernetes_folder/postgres-entrypoint.sh"
"$kubernetes_folder/cluster" load "$GOTRS_TEST_WORK/postgres.tar"
rm "$GOTRS_TEST_WORK/postgres.tar"

define "$chart/crds/tenants.yaml" tenants.gotrs.io
scratch_namespace trial pod-security.kubernetes.io/enforce=restricted
at_end 'kubectl --namespace trial scale deployment/trial-gotrs-cloud-control-plane --replicas=0 >/dev/null
  kubectl delete tenants --all --timeout 60s >/dev/null; helm uninstall trial --namespace trial --wait --timeout 60s >/dev/null'
install() {
  helm upgrade --install trial "$chart" --namespace trial --values "$chart/ci/trial-values.yaml" --wait --wait-for-jobs --timeout 180s \
    --set image.registry=localhost/gotrs,image.tag=test,image.pullPolicy=Never,postgresql.image=localhost/postgres:15,controlPlane.deletionGraceDays=0 >/dev/null
}
began=$EPOCHREALTIME
install || fail "$(kubectl --namespace trial get pods,jobs; kubectl --namespace trial describe pods; kubectl --namespace trial logs statefulset/trial-gotrs-cloud-postgresql --tail 20)"
echo "measured: a trial installed in $(awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }')"
helm test trial --namespace trial --timeout 60s >/dev/null

# From the first look to a module: mail is read at the console, the module goes through the small S3 server.
router=$(kubectl --namespace trial get service trial-gotrs-cloud-router --output 'jsonpath={.spec.clusterIP}')
at() { curl --silent --fail-with-body --max-time 20 --header "Host: $1" "http://$router$2" "${@:3}"; }
who='"email": "ann@nova.example", "password": "correct-horse-9-battery"'
at example.test /v1/signup --json "{\"organization\": \"Nova\", \"slug\": \"nova\", \"plan\": \"free\", $who}" >/dev/null
link() { at example.test /dev/mail --header accept:application/json | grep --only-matching 'verify?token=[A-Za-z0-9._-]*'; }
eventually 20 "the mail with the link" link
at example.test /v1/signup/verify --json "{\"token\": \"$(link | head -1 | sed 's/^.*=//')\"}" >/dev/null
eventually 60 "a helpdesk" at nova.example.test /login
token=$(at example.test /v1/sessions --json "{$who}" | jq --raw-output .access_token)
live=$(at example.test '/v1/tenants/nova/modules/laptop?wait=live' --header "Authorization: Bearer $token" --request PUT \
  --header content-type:application/yaml --data-binary "@$repository/examples/laptop.yaml" | jq --compact-output '[.live.ready, .live.acknowledged]')
[ "$live" = '[1,1]' ] || fail "the module is not live: $live"

# Passwords and keys are made once: an upgrade and a reinstallation find them, and what they open.
secrets() {
  kubectl --namespace trial get secrets trial-gotrs-cloud-postgresql trial-gotrs-cloud-s3 trial-gotrs-cloud-control-plane \
    --output 'jsonpath={.items[*].data}'
}
before=$(secrets)
install
[ "$(secrets)" = "$before" ] || fail "an upgrade made other secrets"
at example.test /v1/tenants/nova --header "Authorization: Bearer $token" >/dev/null
# Nothing is kept here, so the tenant goes first.
at example.test /v1/tenants/nova --header "Authorization: Bearer $token" --request DELETE >/dev/null
gone() { ! kubectl get tenant nova && ! kubectl get namespace tenant-nova; }
eventually 90 "a tenant that is gone" gone
helm uninstall trial --namespace trial --wait --timeout 60s >/dev/null
[ "$(secrets)" = "$before" ] || fail "secrets are gone with the release"
install
[ "$(secrets)" = "$before" ] || fail "a reinstallation made other secrets"
helm test trial --namespace trial --timeout 60s >/dev/null

# Nobody but the release and the tenants reaches what they store.
probe_pod trial stranger wait
for place in postgresql:5432 s3:9000; do
  refused '' probe trial stranger connect "$(pod_address trial "trial-gotrs-cloud-${place%:*}-0"):${place#*:}"
done
