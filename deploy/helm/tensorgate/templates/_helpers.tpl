{{- define "tensorgate.labels" -}}
app.kubernetes.io/name: tensorgate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "tensorgate.gatewayLabels" -}}
app.kubernetes.io/name: tensorgate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "tensorgate.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end }}

{{/* Name of a model's objects: names of models have more characters than those of Kubernetes. */}}
{{- define "tensorgate.modelName" -}}
{{- $name := lower .model.name | replace "_" "-" | replace "." "-" | replace ">" "-" -}}
{{- printf "%s-%s" .root.Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "tensorgate.modelLabels" -}}
app.kubernetes.io/name: tensorgate
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: model
tensorgate.dev/model: {{ include "tensorgate.modelName" . }}
{{- end }}

{{/* A model with the defaults of all models, as YAML. */}}
{{- define "tensorgate.model" -}}
{{- toYaml (mergeOverwrite (deepCopy .root.Values.modelDefaults) (deepCopy .model)) -}}
{{- end }}

{{/* Whether replicas are devices that hold one model, and of which no spare one can be expected. */}}
{{- define "tensorgate.isDevice" -}}
{{- if ne (.resource | default "none") "none" -}}true{{- end -}}
{{- end }}

{{- define "tensorgate.isExclusive" -}}
{{- if contains "fpga" (.resource | default "none") -}}true{{- end -}}
{{- end }}

{{/* The gateway's configuration: what this chart runs, and what is given. */}}
{{- define "tensorgate.config" -}}
{{- $root := . -}}
{{- $gateway := .Values.gateway -}}
{{- if not (or $gateway.keys $gateway.allowAnonymous) -}}
{{- fail "set gateway.keys (tensorgate key new --id app), or gateway.allowAnonymous to let every client call" -}}
{{- end -}}
{{- $listen := dict "host" "0.0.0.0" "port" 8080 "maxConnectionsPerAddress" 4096 "drainDelayMs" 5000 -}}
{{- if $gateway.tls.secretName -}}
{{- $_ := set $listen "tls" (dict "cert" "/etc/tensorgate-tls/tls.crt" "key" "/etc/tensorgate-tls/tls.key") -}}
{{- end -}}
{{- $models := list -}}
{{- $pools := list -}}
{{- range .Values.models -}}
{{- $models = append $models (merge (dict "name" .name) (.release | default dict)) -}}
{{- $backbone := .name -}}
{{- range .heads -}}
{{- $models = append $models (dict "name" .name "head" (merge (dict "of" $backbone) (omit . "name"))) -}}
{{- end -}}
{{- $name := include "tensorgate.modelName" (dict "root" $root "model" .) -}}
{{- $form := ternary "kubernetes:///%s.%s:%d" "dns:///%s.%s.svc.cluster.local:%d" (eq $gateway.discovery "kubernetes") -}}
{{- $address := printf $form $name $root.Release.Namespace (int (.port | default 8500)) -}}
{{- $pool := dict "model" .name "region" $gateway.region "replicas" (list $address) -}}
{{- if include "tensorgate.isExclusive" . -}}{{- $_ := set $pool "parallelism" 1 -}}{{- end -}}
{{- $pools = append $pools (merge $pool (.pool | default dict)) -}}
{{- end -}}
{{- $config := dict "region" $gateway.region "listen" $listen "models" (concat $models $gateway.models) "pools" (concat $pools $gateway.pools) "upstream" (dict "resolveIntervalMs" 1000) -}}
{{- if $gateway.keys -}}
{{- $_ := set $config "keys" $gateway.keys -}}
{{- if not $gateway.tls.secretName -}}{{- $_ := set $config "allowPlaintextKeys" true -}}{{- end -}}
{{- else -}}
{{- $_ := set $config "allowAnonymous" true -}}
{{- end -}}
{{- if include "tensorgate.isSharing" . -}}
{{- $lease := dict "kubernetes" (dict "name" .Release.Name "namespace" .Release.Namespace) -}}
{{- $_ := set $config "sharing" (dict "address" (dict "env" "TENSORGATE_SHARING_ADDRESS") "secret" (dict "env" "TENSORGATE_SHARING_SECRET") "lease" $lease) -}}
{{- else if include "tensorgate.isMany" . -}}
{{- /* Two that pace by what each sees do worse than none. */ -}}
{{- $_ := set $config "routing" (dict "pacing" false) -}}
{{- end -}}
{{- if $gateway.capacity.enabled -}}
{{- $resources := $gateway.capacity.resources -}}
{{- range .Values.models -}}
{{- if include "tensorgate.isDevice" . -}}{{- $resources = append $resources .resource -}}{{- end -}}
{{- end -}}
{{- if not $resources -}}
{{- fail "gateway.capacity needs resources, such as [xilinx.com/fpga], or a model with a resource" -}}
{{- end -}}
{{- $_ := set $config "capacity" (dict "resources" ($resources | uniq | sortAlpha)) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $config (deepCopy $gateway.config)) -}}
{{- end }}

{{/* Whether there may be several gateways, and whether they share the slots of replicas. */}}
{{- define "tensorgate.isMany" -}}
{{- with .Values.gateway -}}
{{- if or (gt (int .replicas) 1) (ne .autoscaling.kind "none") -}}true{{- end -}}
{{- end -}}
{{- end }}

{{- define "tensorgate.isSharing" -}}
{{- if and .Values.gateway.sharing.enabled (include "tensorgate.isMany" .) -}}true{{- end -}}
{{- end }}

{{- define "tensorgate.sharingSecret" -}}
{{- .Values.gateway.sharing.secretName | default (printf "%s-sharing" .Release.Name) -}}
{{- end }}

{{/* Whether the region is that of each node, and whether gateways read nodes for it: zones come with the endpoints. */}}
{{- define "tensorgate.hasNodeRegion" -}}
{{- if hasPrefix "kubernetes:///" .Values.gateway.region -}}true{{- end -}}
{{- end }}

{{- define "tensorgate.readsNodes" -}}
{{- with .Values.gateway -}}
{{- if and .nodes (eq .discovery "kubernetes") (eq .region "kubernetes:///region") -}}true{{- end -}}
{{- end -}}
{{- end }}

{{/* Whether gateways call the API server. */}}
{{- define "tensorgate.hasAccount" -}}
{{- if or (include "tensorgate.hasRole" .) .Values.gateway.capacity.enabled -}}true{{- end -}}
{{- end }}

{{/* Whether they call it for objects of their own namespace. */}}
{{- define "tensorgate.hasRole" -}}
{{- if or (eq .Values.gateway.discovery "kubernetes") (include "tensorgate.isSharing" .) -}}true{{- end -}}
{{- end }}

{{- define "tensorgate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "tensorgate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}
