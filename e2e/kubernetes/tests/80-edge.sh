# The way in that the chart makes itself: a real controller in front of the router, by an Ingress and by the Gateway API, each with TLS,
# hosts of tenants' own, answers that stay open, and the clients' addresses.
# Only when asked for by name: building the controller takes as long as all other parts of the cluster.
# shellcheck shell=bash disable=SC2154
if [ ! -e "$edge_bin/traefik.tar" ]; then
  echo 'skipped: there is no Ingress controller (e2e/kubernetes/build --edge)'
  exit 0
fi
"$kubernetes_folder/cluster" load "$edge_bin/traefik.tar"
platform_up "router: {trustedProxies: [10.244.0.0/16]}
controlPlane: {replicas: 1, limits: {signInsPerMinute: 1}}
ingress: {enabled: true, className: edge, tls: {consoleSecret: edge-certificate, tenantsSecret: edge-certificate}, customDomains: {any: true}}"

# One certificate for both ways.
certificate=$GOTRS_TEST_WORK/certificate.pem
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=example.test -addext 'subjectAltName=DNS:example.test,DNS:*.example.test' \
  -keyout "$GOTRS_TEST_WORK/key.pem" -out "$certificate" 2>/dev/null
for definition in "$gateway_definitions"/*.yaml "$edge_bin"/*.yaml; do
  define "$definition" "$(basename "$definition" .yaml).gateway.networking.k8s.io"
done
scratch_namespace edge pod-security.kubernetes.io/enforce=restricted
for namespace in platform edge; do
  kubectl --namespace $namespace create secret tls edge-certificate --cert "$certificate" --key "$GOTRS_TEST_WORK/key.pem" >/dev/null
done
at_end 'kubectl delete clusterrole,clusterrolebinding,ingressclass,gatewayclass edge --ignore-not-found >/dev/null'
kubectl apply --filename - >/dev/null <<'YAML'
apiVersion: v1
kind: ServiceAccount
metadata: {name: edge, namespace: edge}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: edge}
rules:
  - {apiGroups: [""], resources: [services, secrets, configmaps, namespaces, nodes, pods], verbs: [get, list, watch]}
  - {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
  - {apiGroups: [networking.k8s.io], resources: [ingresses, ingressclasses], verbs: [get, list, watch]}
  - apiGroups: [gateway.networking.k8s.io]
    resources: [gatewayclasses, gateways, httproutes, grpcroutes, referencegrants]
    verbs: [get, list, watch]
  - apiGroups: [gateway.networking.k8s.io]
    resources: [gatewayclasses/status, gateways/status, httproutes/status, grpcroutes/status]
    verbs: [update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: edge}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edge}
subjects: [{kind: ServiceAccount, name: edge, namespace: edge}]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: traefik.io/ingress-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: edge}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: edge}
spec:
  gatewayClassName: edge
  listeners:
    - name: https
      protocol: HTTPS
      port: 8443
      tls: {certificateRefs: [{name: edge-certificate}]}
      allowedRoutes: {namespaces: {from: All}}
---
apiVersion: v1
kind: Pod
metadata: {name: edge, namespace: edge}
spec:
  serviceAccountName: edge
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: edge
      image: localhost/traefik:1
      imagePullPolicy: Never
      args:
        - --global.checknewversion=false
        - --global.sendanonymoususage=false
        - --entrypoints.https.address=:8443
        - --entrypoints.https.http.tls=true
        - --ping=true
        - --providers.kubernetesingress=true
        - --providers.kubernetesgateway=true
        - --providers.providersthrottleduration=200ms
      readinessProbe: {httpGet: {path: /ping, port: 8080}, periodSeconds: 1}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
YAML
kubectl --namespace edge wait --for=condition=Ready pod/edge --timeout=60s >/dev/null || fail "no controller: $(kubectl --namespace edge logs edge)"
edge=$(pod_address edge edge)

# at HOST PATH [CURL ARGUMENTS...]: one request by the way in; says the status. The body is in $answer.
answer=$GOTRS_TEST_WORK/answer
at() {
  local host=$1 path=$2
  shift 2
  curl --silent --max-time 20 --cacert "$certificate" --resolve "$host:8443:$edge" --output "$answer" --write-out '%{http_code}' "$@" "https://$host:8443$path" || true
}
answers() { local status=$1; shift; [ "$(at "$@")" = "$status" ]; }
expect() {
  local wanted=$1 status
  shift
  status=$(at "$@")
  [ "$status" = "$wanted" ] || fail "$1$2 answered $status, not $wanted: $(head -c 1000 "$answer"; kubectl --namespace edge logs edge --tail 20; logs_of_platform 10)"
}

password=correct-horse-9-battery
tenant manual 'plan: team, hosts: [help.manual.example], administrator: {email: bob@manual.example}' | kubectl apply --filename - >/dev/null
ready manual

# Clients with other addresses than this machine's.
clients=10.99
ip -netns gotrs-cluster route add $clients.0.0/16 via "$GOTRS_CLUSTER_HOST"
at_end "ip -netns gotrs-cluster route del $clients.0.0/16"
# way_in NAME NUMBER: all that is expected of each of both.
way_in() {
  eventually 30 "the console by $1" answers 200 example.test /schema/module.json
  eventually 30 "a helpdesk by $1" answers 200 manual.example.test /login
  eventually 30 "a helpdesk at a host of its own by $1" answers 200 help.manual.example /login --insecure
  expect 404 nobody.example.test /
  [ "$(jq --raw-output .code "$answer")" = unknown_tenant ]

  # Links and cookies are for https, and pages that are open hear at once what changes.
  expect 200 manual.example.test /api/v1/auth/login --json "{\"login\": \"bob@manual.example\", \"password\": \"$(
    kubectl --namespace tenant-manual get secret administrator --output 'jsonpath={.data.password}' | base64 -d)\"}"
  local agent=(--header "Authorization: Bearer $(jq --raw-output .access_token "$answer")")
  at manual.example.test '/events?seen=nothing' "${agent[@]}" --no-buffer --max-time 3 >/dev/null
  grep --quiet '^event: ' "$answer" || fail "no event came through: $(cat "$answer")"

  # Sign-ins are counted by the client's address, five accounts for each; the controller tells it, and a client cannot.
  local address attempt
  for address in "$clients.$2.1" "$clients.$2.2"; do
    ip address add "$address/32" dev lo
    # shellcheck disable=SC2064 # the address of now
    at_end "ip address del $address/32 dev lo"
    for attempt in 1 2 3 4 5 6; do
      expect $((attempt == 6 ? 429 : 401)) example.test /v1/sessions --interface "$address" --header "X-Forwarded-For: 192.0.2.$attempt" \
        --json "{\"email\": \"$2-$address-$attempt@nova.example\", \"password\": \"$password\"}"
    done
  done
}
way_in 'an Ingress' 1

# The other way, and only that.
printf 'router: {trustedProxies: [10.244.0.0/16]}\ncontrolPlane: {replicas: 1, limits: {signInsPerMinute: 1}}\n%s\n' \
  'httpRoute: {enabled: true, parentRefs: [{name: public, namespace: edge, sectionName: https}], timeouts: {request: 0s}, customDomains: {any: true}}' \
  >"$GOTRS_TEST_WORK/more-values.yaml"
install_platform
[ -z "$(kubectl --namespace platform get ingresses --output name)" ] || fail "the Ingress is left"
kubectl --namespace platform wait httproute --all --for 'jsonpath={.status.parents[0].conditions[?(@.type=="Accepted")].status}=True' --timeout 30s >/dev/null ||
  fail "the Gateway takes no route: $(kubectl --namespace platform get httproutes --output yaml)"
way_in 'the Gateway API' 2
