output "dns_name" {
  description = "Name of the load balancer; custom domains point to it by CNAME."
  value       = aws_lb.this.dns_name
}

output "https_listener_arn" {
  description = "Listener that takes further certificates, for custom domains."
  value       = aws_lb_listener.https.arn
}
