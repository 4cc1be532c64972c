variable "base_domain" {
  description = "Tenants are served at <slug>.<base_domain>."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", var.base_domain))
    error_message = "base_domain must be a DNS name in lower case, such as helpdesk.example.com."
  }
}

variable "zone_id" {
  description = "Zone that holds base_domain already. A zone of its own is made if null; delegate it at its parent by the output name_servers."
  type        = string
  default     = null
  validation {
    condition     = var.zone_id == null || can(regex("^Z[A-Z0-9]+$", var.zone_id))
    error_message = "zone_id must be the id of a Route 53 zone, such as Z0123456789ABCDEFGHIJ."
  }
}

variable "certificate_authorities" {
  description = "Who may issue certificates for base_domain (CAA)."
  type        = list(string)
  default     = ["amazon.com"]
  validation {
    condition     = contains(var.certificate_authorities, "amazon.com")
    error_message = "certificate_authorities must contain amazon.com, or the module certificate gets none; add others beside it."
  }
}
