output "zone_id" {
  description = "Zone that holds base_domain."
  value       = local.zone_id
}

output "name_servers" {
  description = "To be set as NS records of base_domain in its parent zone; empty for a zone that was there."
  value       = flatten(aws_route53_zone.this[*].name_servers)
}
