# Everything in one release, with the small PostgreSQL of the chart: what somebody does who tries it out. No registry is
# reached from here, so Debian's PostgreSQL takes the place of the official image, with the same interface.
# shellcheck shell=bash disable=SC2154
chart=$repository/charts/gotrs-cloud
program_image control-plane
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

scratch_namespace trial pod-security.kubernetes.io/enforce=restricted
at_end 'helm uninstall trial --namespace trial --wait --timeout 60s >/dev/null'
install() {
  helm upgrade --install trial "$chart" --namespace trial --values "$chart/ci/trial-values.yaml" --wait --wait-for-jobs --timeout 180s \
    --set image.registry=localhost/gotrs,image.tag=test,image.pullPolicy=Never,postgresql.image=localhost/postgres:15,operator.enabled=false >/dev/null
}
began=$EPOCHREALTIME
install || fail "$(kubectl --namespace trial get pods,jobs; kubectl --namespace trial describe pods; kubectl --namespace trial logs statefulset/trial-gotrs-cloud-postgresql --tail 20)"
echo "measured: a trial installed in $(awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }')"
helm test trial --namespace trial --timeout 60s >/dev/null

# The password is made once: an upgrade and a reinstallation find it, and the database of before with it.
password() { kubectl --namespace trial get secret trial-gotrs-cloud-postgresql --output 'jsonpath={.data.password}'; }
before=$(password)
install
[ "$(password)" = "$before" ] || fail "an upgrade made another password"
helm uninstall trial --namespace trial --wait --timeout 60s >/dev/null
[ "$(password)" = "$before" ] || fail "the password is gone with the release"
install
[ "$(password)" = "$before" ] || fail "a reinstallation made another password"
helm test trial --namespace trial --timeout 60s >/dev/null

# Nobody but the release and the tenants reaches it.
probe_pod trial stranger wait
address=$(kubectl --namespace trial get pod trial-gotrs-cloud-postgresql-0 --output 'jsonpath={.status.podIP}')
refused '' probe trial stranger connect "$address:5432"
