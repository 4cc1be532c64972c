# The cluster's certificates and kubeconfigs. Sourced by `cluster`, which sets $state, $node_address and $service_address.
# shellcheck shell=bash disable=SC2154

# key_pair NAME SUBJECT [ALTERNATIVE NAMES]: $state/pki/NAME.{key,crt}, signed by the cluster's authority.
key_pair() {
  local name=$1 subject=$2 names=${3:-}
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" \
    -keyout "$state/pki/$name.key" -out "$state/pki/$name.csr" 2>/dev/null
  openssl x509 -req -in "$state/pki/$name.csr" -days 30 -out "$state/pki/$name.crt" \
    -CA "$state/pki/ca.crt" -CAkey "$state/pki/ca.key" -CAcreateserial -extfile <(
      printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n'
      if [ -n "$names" ]; then printf 'subjectAltName=%s\n' "$names"; fi
    ) 2>/dev/null
  rm "$state/pki/$name.csr"
}

# kubeconfig NAME: $state/NAME.kubeconfig, which signs in with the key pair of that name. Everything is inside of it, so
# that it may be copied.
kubeconfig() {
  local pki=$state/pki
  cat >"$state/$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters:
  - name: gotrs-cluster
    cluster:
      server: https://$node_address:6443
      certificate-authority-data: $(base64 -w0 <"$pki/ca.crt")
users:
  - name: $1
    user:
      client-certificate-data: $(base64 -w0 <"$pki/$1.crt")
      client-key-data: $(base64 -w0 <"$pki/$1.key")
contexts:
  - name: gotrs-cluster
    context: {cluster: gotrs-cluster, user: $1}
current-context: gotrs-cluster
YAML
  chmod 600 "$state/$1.kubeconfig"
}

make_certificates() {
  local client
  umask 077
  mkdir -p "$state/pki"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=gotrs-cluster \
    -addext keyUsage=critical,keyCertSign,digitalSignature -keyout "$state/pki/ca.key" -out "$state/pki/ca.crt" 2>/dev/null
  # Signs the tokens of service accounts.
  openssl ecparam -name prime256v1 -genkey -noout -out "$state/pki/service-accounts.key"
  key_pair apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:$service_address,IP:$node_address,IP:127.0.0.1"
  key_pair apiserver-to-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
  key_pair kubelet "/O=system:nodes/CN=system:node:$node_name" "DNS:$node_name,IP:$node_address"
  key_pair admin /O=system:masters/CN=admin
  key_pair controller-manager /CN=system:kube-controller-manager
  key_pair scheduler /CN=system:kube-scheduler
  key_pair proxy /CN=system:kube-proxy
  key_pair network-policies /CN=gotrs:network-policies
  for client in admin kubelet controller-manager scheduler proxy network-policies; do kubeconfig "$client"; done
  umask 022
}
