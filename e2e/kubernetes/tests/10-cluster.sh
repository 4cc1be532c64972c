# The cluster itself does what the tests after this one take for granted.
# shellcheck shell=bash
# A pod that breaks the restricted standard is refused where the namespace asks for it.
scratch_namespace cluster-a pod-security.kubernetes.io/enforce=restricted name=cluster-a
scratch_namespace cluster-b name=cluster-b
refused 'violates PodSecurity "restricted:latest"' kubectl --namespace cluster-a run root --image=localhost/probe:1 --privileged

# Names of services resolve, services lead to pods, and this machine reaches both as a pod does.
probe_pod cluster-a server "serve 8080"
probe_pod cluster-b client wait
kubectl --namespace cluster-a expose pod server --port 80 --target-port 8080 >/dev/null
server=$(pod_address cluster-a server)
address=$(kubectl --namespace cluster-a get service server --output 'jsonpath={.spec.clusterIP}')
eventually 20 "the service by its name from a pod" probe cluster-b client get http://server.cluster-a.svc.cluster.local/
[ "$(probe cluster-b client get "http://$server:8080/")" = '200 server' ]
[ "$(curl --silent --max-time 5 "http://$server:8080/")" = server ]
[ "$(curl --silent --max-time 5 "http://$address/")" = server ]

# NetworkPolicies are enforced: nothing in, then one namespace in, then nothing out.
policy() { kubectl apply --filename - >/dev/null; }
policy <<YAML
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nothing-in, namespace: cluster-a}
spec: {podSelector: {}, policyTypes: [Ingress]}
YAML
refused_now() { ! probe cluster-b client connect "$server:8080"; }
eventually 20 "a denied connection" refused_now
never 2 "a connection that the policy denies" probe cluster-b client connect "$server:8080"
policy <<YAML
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: friends-in, namespace: cluster-a}
spec:
  podSelector: {matchLabels: {app: server}}
  policyTypes: [Ingress]
  ingress:
    - from: [{namespaceSelector: {matchLabels: {name: cluster-b}}}]
      ports: [{port: 8080, protocol: TCP}]
YAML
eventually 20 "an allowed connection" probe cluster-b client connect "$server:8080"
policy <<YAML
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nothing-out, namespace: cluster-b}
spec: {podSelector: {}, policyTypes: [Egress]}
YAML
eventually 20 "a connection that may not leave" refused_now
# The API server and this machine are outside of the pod network; a policy holds them off too.
refused '' probe cluster-b client connect "$GOTRS_CLUSTER_NODE:6443"

# A service account's token for an audience is what TokenReview says it is.
token=$(kubectl --namespace cluster-a create token default --audience control-plane)
review() {
  kubectl create --filename - --output json <<YAML
{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "$token", "audiences": ["$1"]}}
YAML
}
[ "$(review control-plane | jq -r .status.user.username)" = system:serviceaccount:cluster-a:default ]
[ "$(review something-else | jq -r .status.authenticated)" != true ]
