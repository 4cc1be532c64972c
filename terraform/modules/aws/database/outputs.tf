output "url" {
  description = "URL of the database; for the module release."
  value       = "postgres://${aws_db_instance.this.username}:${random_password.this.result}@${aws_db_instance.this.endpoint}/${aws_db_instance.this.db_name}?sslmode=require"
  sensitive   = true
}

output "endpoint" {
  description = "Host and port."
  value       = aws_db_instance.this.endpoint
}

output "security_group_id" {
  description = "Security group of the instance."
  value       = aws_security_group.this.id
}
