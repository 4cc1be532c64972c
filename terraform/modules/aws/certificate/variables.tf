variable "base_domain" {
  description = "The certificate is for this name and for *.<base_domain>."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", var.base_domain)) && length(var.base_domain) <= 62
    error_message = "base_domain must be a DNS name in lower case, such as helpdesk.example.com, of at most 62 characters (a certificate's common name has 64)."
  }
}

variable "zone_id" {
  description = "Route 53 zone that answers for base_domain, where the proof of ownership goes."
  type        = string
}
