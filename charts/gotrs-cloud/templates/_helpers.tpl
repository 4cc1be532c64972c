{{/* Name of the release's objects: the release, and the chart unless the release is named after it. */}}
{{- define "gotrs.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels of every object; called with a dict of the root context and the component. */}}
{{- define "gotrs.labels" -}}
{{ include "gotrs.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: gotrs-cloud
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels that never change while the release lives: selectors cannot be changed. */}}
{{- define "gotrs.selector" -}}
app.kubernetes.io/name: gotrs-cloud
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{/* An image of ours; called with a dict of the root context and the name of the image. */}}
{{- define "gotrs.image" -}}
{{- printf "%s/%s:%s" (.root.Values.image.registry | trimSuffix "/") .image (.root.Values.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}

{{- define "gotrs.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What the restricted Pod Security standard asks of a pod and of a container. */}}
{{- define "gotrs.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "gotrs.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Probes of a program of ours: alive when its ports are bound, ready when it can do its work. */}}
{{- define "gotrs.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: internal}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: internal}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: internal}
  periodSeconds: 5
  timeoutSeconds: 5
lifecycle:
  preStop:
    # Requests come until everybody knows that this pod ends.
    sleep: {seconds: 5}
{{- end -}}

{{/* Pods of one part keep off each other's nodes and zones where there are several. */}}
{{- define "gotrs.spread" -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "gotrs.selector" $ | nindent 8 }}
  {{- end }}
{{- end -}}

{{/* What cannot be guessed, all of it at once and with what to write. */}}
{{- define "gotrs.required" -}}
{{- $missing := list -}}
{{- if not .Values.baseDomain -}}
{{- $missing = append $missing "baseDomain: tenants are served at <slug>.<baseDomain>, such as example.com" -}}
{{- end -}}
{{- if not .Values.network.clusterRanges -}}
{{- $missing = append $missing "network.clusterRanges: the ranges of pods, services, nodes and the API server, such as [10.0.0.0/8]" -}}
{{- end -}}
{{- if not .Values.postgresql.enabled -}}
{{- if not .Values.database.tenants.existingSecret -}}
{{- $missing = append $missing "database.tenants.existingSecret: a Secret with the URL of the tenants' PostgreSQL (or postgresql.enabled=true to try it out)" -}}
{{- end -}}
{{- if and (or .Values.controlPlane.enabled .Values.controlPlane.migrate.enabled) (not .Values.database.controlPlane.existingSecret) -}}
{{- $missing = append $missing "database.controlPlane.existingSecret: a Secret with the URL of the control plane's PostgreSQL" -}}
{{- end -}}
{{- if not .Values.network.postgres -}}
{{- $missing = append $missing "network.postgres: where the tenants' PostgreSQL is, such as [{to: {range: 10.1.0.5/32}, port: 5432}]" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.telemetry.otlpEndpoint (not .Values.network.telemetry) -}}
{{- $missing = append $missing "network.telemetry: where the collector of telemetry.otlpEndpoint is, such as [{to: {pods: {namespace: monitoring, labels: {app: collector}}}, port: 4317}]; nothing reaches it otherwise" -}}
{{- end -}}
{{- if .Values.controlPlane.enabled -}}
{{- if not .Values.s3Server.enabled -}}
{{- if not .Values.s3.existingSecret -}}
{{- $missing = append $missing "s3.existingSecret: a Secret with access-key-id and secret-access-key of the object store (or s3Server.enabled=true to try it out)" -}}
{{- end -}}
{{- if not .Values.network.s3 -}}
{{- $missing = append $missing "network.s3: where the object store is, such as [{to: {range: 10.1.0.6/32}, port: 443}]" -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.mail.mailbox .Values.mail.existingSecret) -}}
{{- $missing = append $missing "mail.existingSecret: a Secret with the URL of a mail server (or mail.mailbox=true to try it out)" -}}
{{- end -}}
{{- end -}}
{{- if $missing -}}
{{- fail (printf "these values are missing:\n  - %s" (join "\n  - " $missing)) -}}
{{- end -}}
{{- if and .Values.mail.mailbox .Values.controlPlane.enabled (gt (int .Values.controlPlane.replicas) 1) -}}
{{- fail "mail.mailbox is a folder of one pod: set controlPlane.replicas to 1, or name a mail server in mail.existingSecret" -}}
{{- end -}}
{{- if hasSuffix (printf ".%s" .Values.baseDomain) (regexReplaceAll "^https?://|:[0-9]+$" .Values.controlPlane.publicUrl "") -}}
{{- fail (printf "controlPlane.publicUrl is below the base domain, where the router looks for tenants: leave it empty for %s itself, or take another domain" .Values.baseDomain) -}}
{{- end -}}
{{- end -}}

{{/* What an Ingress or an HTTPRoute cannot do, and what was given that does not fit together. */}}
{{- define "gotrs.entry" -}}
{{- range list "ingress" "httpRoute" -}}
{{- $given := get $.Values . -}}
{{- if $given.enabled -}}
{{- if not $.Values.router.enabled -}}
{{- fail (printf "%s.enabled leads to the router, which is switched off: set router.enabled to true, or %s.enabled to false" . .) -}}
{{- end -}}
{{- $console := include "gotrs.consoleHost" $ -}}
{{- if regexMatch "^[0-9.]+$|[^a-z0-9.-]" $console -}}
{{- fail (printf "controlPlane.publicUrl has %s for a host, and %s leads names only: give a DNS name in lower case, or leave it empty for %s" $console . $.Values.baseDomain) -}}
{{- end -}}
{{- $custom := $given.customDomains -}}
{{- if and $custom.any $custom.hosts (eq . "httpRoute") -}}
{{- fail "httpRoute.customDomains.any leads every host to the router, also those of httpRoute.customDomains.hosts: leave that list empty" -}}
{{- end -}}
{{- range $custom.hosts -}}
{{- $host := kindIs "string" . | ternary . (get (kindIs "map" . | ternary . dict) "host") -}}
{{- if or (eq $host $.Values.baseDomain) (eq $host $console) (hasSuffix (printf ".%s" $.Values.baseDomain) $host) -}}
{{- fail (printf "%s is no domain of a tenant's own: the console's host and names below %s are the platform's. Take it out of customDomains.hosts" $host $.Values.baseDomain) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.ingress.enabled -}}
{{- if and (eq .Values.publicScheme "http") (or .Values.ingress.tls.consoleSecret .Values.ingress.tls.tenantsSecret) -}}
{{- fail "ingress.tls names certificates and publicScheme is http: links and cookies would be for http. Set publicScheme to https, or leave ingress.tls empty" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty: name the Gateway that the route belongs to, such as [{name: public, namespace: gateways, sectionName: https}]" -}}
{{- end -}}
{{- end -}}

{{/* The console's host without scheme and port; empty where there is no console. */}}
{{- define "gotrs.consoleHost" -}}
{{- if .Values.controlPlane.enabled -}}
{{- regexReplaceAll "^https?://|:[0-9]+$" (include "gotrs.publicUrl" .) "" -}}
{{- end -}}
{{- end -}}

{{/* All of a host's paths, as a path of an Ingress: to the router. */}}
{{- define "gotrs.ingressPath" -}}
- path: /
  pathType: Prefix
  backend:
    service:
      name: {{ include "gotrs.fullname" . }}-router
      port: {name: http}
{{- end -}}

{{/* An HTTPRoute to the router; a dict of the root context, its name and its hosts, which are all of the listener's if empty. */}}
{{- define "gotrs.httpRoute" }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "gotrs.labels" (dict "root" .root "part" "router") | nindent 4 }}
  {{- with .root.Values.httpRoute.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs:
    {{- toYaml .root.Values.httpRoute.parentRefs | nindent 4 }}
  {{- with .hosts }}
  hostnames:
    {{- range . }}
    - {{ . | quote }}
    {{- end }}
  {{- end }}
  rules:
    - matches:
        - path: {type: PathPrefix, value: /}
      {{- with .root.Values.httpRoute.timeouts }}
      timeouts:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      backendRefs:
        - name: {{ include "gotrs.fullname" .root }}-router
          port: {{ .root.Values.router.service.port }}
{{- end -}}

{{/* Where browsers find the console. */}}
{{- define "gotrs.publicUrl" -}}
{{- if .Values.controlPlane.publicUrl -}}
{{- .Values.controlPlane.publicUrl | trimSuffix "/" -}}
{{- else -}}
{{- printf "%s://%s" .Values.publicScheme .Values.baseDomain -}}
{{- with .Values.publicPort }}:{{ int . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The object store's key: the name of a Secret, and the entries with both halves. */}}
{{- define "gotrs.s3Secret" -}}
{{- if .Values.s3Server.enabled -}}
name: {{ include "gotrs.fullname" . }}-s3
id: access-key-id
secret: secret-access-key
{{- else -}}
name: {{ .Values.s3.existingSecret }}
id: {{ .Values.s3.accessKeyIdKey }}
secret: {{ .Values.s3.secretAccessKeyKey }}
{{- end -}}
{{- end -}}

{{/* Whether there is an object store. */}}
{{- define "gotrs.hasS3" -}}
{{- if or .Values.s3Server.enabled .Values.s3.existingSecret -}}true{{- end -}}
{{- end -}}

{{/* The object store as environment of a container that mounts the secret half of its key at /etc/gotrs/s3. */}}
{{- define "gotrs.s3Env" -}}
{{- $s3 := include "gotrs.s3Secret" . | fromYaml -}}
{{- with include "gotrs.s3Endpoint" . }}
- name: GOTRS_S3_ENDPOINT
  value: {{ . | quote }}
{{- end }}
- name: GOTRS_S3_BUCKET
  value: {{ .Values.s3.bucket | quote }}
- name: GOTRS_S3_REGION
  value: {{ .Values.s3.region | quote }}
- name: GOTRS_S3_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ $s3.name }}
      key: {{ $s3.id }}
- name: GOTRS_S3_SECRET_ACCESS_KEY_FILE
  value: /etc/gotrs/s3/secret-access-key
{{- end -}}

{{/* Where the traces of a program of ours go, as environment of its container; empty where they go nowhere. */}}
{{- define "gotrs.telemetryEnv" -}}
{{- with .Values.telemetry.otlpEndpoint -}}
- name: GOTRS_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end -}}
{{- end -}}

{{/* The object store's address; empty for AWS. */}}
{{- define "gotrs.s3Endpoint" -}}
{{- if .Values.s3Server.enabled -}}
http://{{ include "gotrs.fullname" . }}-s3.{{ .Release.Namespace }}.svc:9000
{{- else -}}
{{- .Values.s3.endpoint -}}
{{- end -}}
{{- end -}}

{{/* The object store as NetworkPolicies see it, as JSON: what is given, and the trial's own. */}}
{{- define "gotrs.s3Places" -}}
{{- $places := .Values.network.s3 -}}
{{- if .Values.s3Server.enabled -}}
{{- $labels := include "gotrs.selector" (dict "root" . "part" "s3") | fromYaml -}}
{{- $places = append $places (dict "to" (dict "pods" (dict "namespace" .Release.Namespace "labels" $labels)) "port" 9000) -}}
{{- end -}}
{{- toJson $places -}}
{{- end -}}

{{/* Where a database's URL lies: a dict of the root context and "tenants" or "controlPlane". As the fields of a secretKeyRef. */}}
{{- define "gotrs.databaseSecret" -}}
{{- $given := index .root.Values.database .database -}}
{{- if $given.existingSecret -}}
name: {{ $given.existingSecret }}
key: {{ $given.key }}
{{- else -}}
name: {{ include "gotrs.fullname" .root }}-postgresql
key: {{ eq .database "tenants" | ternary "tenants-url" "control-plane-url" }}
{{- end -}}
{{- end -}}

{{/* PostgreSQL as NetworkPolicies see it, as JSON: what is given, and the trial's own. */}}
{{- define "gotrs.postgresPlaces" -}}
{{- $places := .Values.network.postgres -}}
{{- if .Values.postgresql.enabled -}}
{{- $labels := include "gotrs.selector" (dict "root" . "part" "postgresql") | fromYaml -}}
{{- $places = append $places (dict "to" (dict "pods" (dict "namespace" .Release.Namespace "labels" $labels)) "port" 5432) -}}
{{- end -}}
{{- toJson $places -}}
{{- end -}}

{{/* One peer of a NetworkPolicy from a place of the values. */}}
{{- define "gotrs.peer" -}}
{{- if .range -}}
- ipBlock:
    cidr: {{ .range }}
{{- else -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .pods.namespace }}
  podSelector:
    matchLabels:
      {{- toYaml .pods.labels | nindent 6 }}
{{- end -}}
{{- end -}}

{{/* A rule of a NetworkPolicy that lets out to a destination of the values. */}}
{{- define "gotrs.to" -}}
- to:
    {{- include "gotrs.peer" .to | nindent 4 }}
  ports:
    - {port: {{ .port }}, protocol: TCP}
{{- end -}}

{{/* Out to the API server: policies see its own address and port, not those of its Service. */}}
{{- define "gotrs.toApiServer" -}}
- to:
    {{- range .Values.network.apiServer | default .Values.network.clusterRanges }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  ports:
    - {port: 443, protocol: TCP}
    - {port: 6443, protocol: TCP}
{{- end -}}

{{/* In for who reads /metrics; empty where nobody does. */}}
{{- define "gotrs.scraped" -}}
{{- with .Values.network.monitoring -}}
- from:
    {{- range . }}
    {{- include "gotrs.peer" . | nindent 4 }}
    {{- end }}
  ports:
    - {port: internal, protocol: TCP}
{{- end -}}
{{- end -}}

{{/* The tenants' runtimes, which are in namespaces of their own, as a peer of a NetworkPolicy. */}}
{{- define "gotrs.runtimes" -}}
- namespaceSelector:
    matchLabels:
      app.kubernetes.io/managed-by: gotrs-operator
  podSelector:
    matchLabels:
      app.kubernetes.io/name: tenant-runtime
{{- end -}}

{{/* The operator's view of the cluster: one JSON document. */}}
{{- define "gotrs.clusterConfig" -}}
{{- $runtime := .Values.tenants.runtime -}}
{{- $repository := $runtime.repository | default (printf "%s/tenant-runtime" (.Values.image.registry | trimSuffix "/")) -}}
{{- $version := $runtime.version | default .Values.image.tag | default .Chart.AppVersion -}}
{{- $network := dict
      "router" (include "gotrs.selector" (dict "root" . "part" "router") | fromYaml)
      "postgres" (include "gotrs.postgresPlaces" . | fromJsonArray)
      "s3" (include "gotrs.s3Places" . | fromJsonArray)
      "telemetry" .Values.network.telemetry
      "monitoring" .Values.network.monitoring
      "clusterRanges" .Values.network.clusterRanges -}}
{{- if .Values.network.dns -}}
{{- $_ := set $network "dns" .Values.network.dns -}}
{{- end -}}
{{- $scheduling := dict "nodeSelector" .Values.tenants.nodeSelector -}}
{{- with .Values.tenants.priorityClass -}}
{{- $_ := set $scheduling "priorityClass" . -}}
{{- end -}}
{{- with .Values.tenants.runtimeClass -}}
{{- $_ := set $scheduling "runtimeClass" . -}}
{{- end -}}
{{- $databases := dict -}}
{{- range .Values.database.clusters -}}
{{- $_ := set $databases .name (printf "/etc/gotrs/databases/%s/url" .name) -}}
{{- end -}}
{{- $config := dict
      "baseDomain" .Values.baseDomain
      "publicScheme" .Values.publicScheme
      "namespace" .Release.Namespace
      "runtime" (dict "repository" $repository "version" $version "pullPolicy" .Values.image.pullPolicy)
      "network" $network
      "scheduling" $scheduling
      "log" .Values.tenants.log
      "exports" (dict "required" .Values.exports.required)
      "databases" $databases -}}
{{- if .Values.controlPlane.enabled -}}
{{- $_ := set $config "controlPlane" (dict
      "url" (printf "http://%s-control-plane.%s.svc:8081" (include "gotrs.fullname" .) .Release.Namespace)
      "port" 8081
      "pods" (include "gotrs.selector" (dict "root" . "part" "control-plane") | fromYaml)) -}}
{{- end -}}
{{- with .Values.publicPort -}}
{{- $_ := set $config "publicPort" (int .) -}}
{{- end -}}
{{- with .Values.telemetry.otlpEndpoint -}}
{{- $_ := set $config "otlpEndpoint" . -}}
{{- end -}}
{{- toPrettyJson $config -}}
{{- end -}}

{{/*
What of a Tenant's status one part may write; the operator does as the rest says. A dict of the root context, the part, the name of its
service account, and the fields and types of conditions that are its own.
*/}}
{{- define "gotrs.statusPolicy" }}
{{- $quoted := list }}
{{- range .conditions }}{{ $quoted = append $quoted (quote .) }}{{ end }}
{{- $conditions := printf "[%s]" (join ", " $quoted) }}
{{- $quoted = list (quote "conditions") }}
{{- range .fields }}{{ $quoted = append $quoted (quote .) }}{{ end }}
{{- $fields := printf "[%s]" (join ", " $quoted) }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .root.Release.Namespace }}-{{ .name }}-status
  labels:
    {{- include "gotrs.labels" .part | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [gotrs.io]
        apiVersions: [v1]
        resources: [tenants/status]
        operations: [UPDATE]
  matchConditions:
    - name: this-part
      expression: request.userInfo.username == "system:serviceaccount:{{ .root.Release.Namespace }}:{{ .name }}"
  variables:
    - name: before
      expression: dyn(oldObject.?status.orValue({}))
    - name: after
      expression: dyn(object.?status.orValue({}))
    - name: conditionsBefore
      expression: oldObject.?status.?conditions.orValue([]).filter(one, !(one.type in {{ $conditions }}))
    - name: conditionsAfter
      expression: object.?status.?conditions.orValue([]).filter(one, !(one.type in {{ $conditions }}))
  validations:
    - expression: >-
        variables.before.all(field, field in {{ $fields }} || field in variables.after)
        && variables.after.all(field, field in {{ $fields }} || (field in variables.before && variables.before[field] == variables.after[field]))
        && variables.conditionsBefore == variables.conditionsAfter
      message: {{ printf "Of a Tenant's status this part may write the conditions %s%s, and nothing else." (join ", " .conditions) (empty .fields | ternary "" (printf " and %s" (join ", " .fields))) }}
      reason: Forbidden
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .root.Release.Namespace }}-{{ .name }}-status
  labels:
    {{- include "gotrs.labels" .part | nindent 4 }}
spec:
  policyName: {{ .root.Release.Namespace }}-{{ .name }}-status
  validationActions: [Deny]
{{- end }}
