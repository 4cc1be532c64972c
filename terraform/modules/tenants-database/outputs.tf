output "url" {
  description = "URL of the primary, as superuser; for the module release."
  value       = "postgres://postgres:${random_password.superuser.result}@${var.name}-rw.${var.namespace}.svc:5432/tenants?sslmode=require"
  sensitive   = true
  # Whoever uses the address waits for the database.
  depends_on = [helm_release.database]
}

output "place" {
  description = "Where the servers are, for postgres_places of the module values."
  value       = { namespace = var.namespace, labels = { "cnpg.io/cluster" = var.name }, port = 5432 }
}

output "service_account" {
  description = "Service account of the servers, which needs the right to write to the backup's bucket."
  value       = { namespace = var.namespace, name = var.name }
}
