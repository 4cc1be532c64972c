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
{{- if and .Values.controlPlane.migrate.enabled (not .Values.database.controlPlane.existingSecret) -}}
{{- $missing = append $missing "database.controlPlane.existingSecret: a Secret with the URL of the control plane's PostgreSQL" -}}
{{- end -}}
{{- if not .Values.network.postgres -}}
{{- $missing = append $missing "network.postgres: where the tenants' PostgreSQL is, such as [{to: {range: 10.1.0.5/32}, port: 5432}]" -}}
{{- end -}}
{{- end -}}
{{- if $missing -}}
{{- fail (printf "these values are missing:\n  - %s" (join "\n  - " $missing)) -}}
{{- end -}}
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

{{/* The operator's view of the cluster: one JSON document. */}}
{{- define "gotrs.clusterConfig" -}}
{{- $runtime := .Values.tenants.runtime -}}
{{- $repository := $runtime.repository | default (printf "%s/tenant-runtime" (.Values.image.registry | trimSuffix "/")) -}}
{{- $version := $runtime.version | default .Values.image.tag | default .Chart.AppVersion -}}
{{- $network := dict
      "router" (include "gotrs.selector" (dict "root" . "part" "router") | fromYaml)
      "postgres" (include "gotrs.postgresPlaces" . | fromJsonArray)
      "s3" .Values.network.s3
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
      "controlPlane" (dict
        "url" (printf "http://%s-control-plane.%s.svc:8080" (include "gotrs.fullname" .) .Release.Namespace)
        "port" 8080
        "pods" (include "gotrs.selector" (dict "root" . "part" "control-plane") | fromYaml))
      "network" $network
      "scheduling" $scheduling
      "log" .Values.tenants.log
      "databases" $databases -}}
{{- with .Values.publicPort -}}
{{- $_ := set $config "publicPort" (int .) -}}
{{- end -}}
{{- with .Values.tenants.otlpEndpoint -}}
{{- $_ := set $config "otlpEndpoint" . -}}
{{- end -}}
{{- toPrettyJson $config -}}
{{- end -}}
