{{- define "batch-agent.name" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "batch-agent.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "batch-agent.labels" -}}
{{ include "batch-agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "batch-agent.claim" -}}
{{ .Values.data.existingClaim | default (printf "%s-data" (include "batch-agent.name" .)) }}
{{- end }}

{{- define "batch-agent.configMap" -}}
{{ .Values.batches.configMap.name | default (printf "%s-batches" (include "batch-agent.name" .)) }}
{{- end }}

{{- define "batch-agent.baseUrl" -}}
{{ ternary "https" "http" (ne .Values.ingress.tlsSecret "") }}://{{ .Values.ingress.host }}{{ .Values.ingress.path | trimSuffix "/" }}
{{- end }}

{{/* What the schema cannot say. */}}
{{- define "batch-agent.check" -}}
{{- with .Values }}
{{- if and (eq .batches.source "git") (not .batches.git.url) }}{{ fail "batches.git.url is needed with batches.source=git" }}{{ end }}
{{- if and (eq .batches.source "claim") (not .batches.claim.name) }}{{ fail "batches.claim.name is needed with batches.source=claim" }}{{ end }}
{{- if and (ne .batches.git.tokenSecret "") (not (hasPrefix "https://" .batches.git.url)) }}{{ fail "batches.git.tokenSecret is for https:// only" }}{{ end }}
{{- if and .ingress.enabled (not .ingress.host) }}{{ fail "ingress.host is needed with ingress.enabled" }}{{ end }}
{{- if and .ingress.enabled (not .token.existingSecret) }}{{ fail "ingress.enabled needs token.existingSecret: without a token everybody could read every log" }}{{ end }}
{{- end }}
{{- end }}
