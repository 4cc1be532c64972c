output "console" {
  description = "Where people sign up and sign in."
  value       = "https://${var.base_domain}"
}

output "name_servers" {
  description = "Set these as NS records of base_domain in its parent zone; the certificate waits for it. Empty if the zone was there."
  value       = module.dns.name_servers
}

output "custom_domains_target" {
  description = "Custom domains of tenants point here by CNAME."
  value       = module.entrance.dns_name
}

output "https_listener_arn" {
  description = "Listener that takes the certificates of custom domains (aws_lb_listener_certificate)."
  value       = module.entrance.https_listener_arn
}

output "values" {
  description = "Values that the chart is installed with."
  value       = module.values.yaml
}
