output "arn" {
  description = "The issued certificate; for the module entrance."
  value       = aws_acm_certificate_validation.this.certificate_arn
}
