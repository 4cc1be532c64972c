output "namespace" {
  description = "Namespace of the release."
  value       = kubernetes_namespace_v1.release.metadata[0].name
}

output "chart_version" {
  description = "Version of the chart that is installed."
  value       = helm_release.gotrs.version
}

output "status" {
  description = "What Helm says about the release, such as deployed."
  value       = helm_release.gotrs.status
}
