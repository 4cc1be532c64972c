output "storage_class" {
  description = "Storage class with encrypted disks; for the module tenants-database."
  value       = kubernetes_storage_class_v1.encrypted.metadata[0].name
}

output "ready" {
  description = "Known once CloudNativePG and its plugin are installed; depend on it."
  value       = helm_release.barman.status
}
