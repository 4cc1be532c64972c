variable "region" {
  description = "Where everything is."
  type        = string
  default     = "eu-central-1"
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region of AWS such as eu-central-1."
  }
}

variable "name" {
  description = "Begins the names of all that is made here."
  type        = string
  default     = "gotrs"
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{0,15}$", var.name))
    error_message = "name must be 1 to 16 lower-case letters and digits, and begin with a letter."
  }
}

variable "cluster_name" {
  description = "An EKS cluster of Kubernetes 1.30 or newer that is there already."
  type        = string
}

variable "node_groups" {
  description = "Its managed node groups, whose nodes take requests."
  type        = set(string)
  validation {
    condition     = length(var.node_groups) > 0
    error_message = "node_groups must name at least one managed node group: aws eks list-nodegroups --cluster-name NAME."
  }
}

variable "private_subnet_ids" {
  description = "Private subnets of the cluster's network, in at least two zones."
  type        = list(string)
}

variable "public_subnet_ids" {
  description = "Public subnets of the cluster's network, in at least two zones."
  type        = list(string)
}

variable "base_domain" {
  description = "Tenants are served at <slug>.<base_domain>."
  type        = string
}

variable "zone_id" {
  description = "Route 53 zone that holds base_domain already; one is made if null."
  type        = string
  default     = null
}

variable "bucket" {
  description = "Name of the bucket for modules and exports; unique in the world. The backups' is called the same with -backups."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,53}[a-z0-9]$", var.bucket))
    error_message = "bucket must be 3 to 55 lower-case letters, digits and dashes (-backups is added to one of two)."
  }
}

variable "cloudnative_pg_version" {
  description = "Exact version of the chart cloudnative-pg."
  type        = string
}

variable "barman_plugin_version" {
  description = "Exact version of the chart plugin-barman-cloud."
  type        = string
}

variable "monitoring_places" {
  description = "Who may read the metrics, such as the pods of Prometheus; nobody if empty. See modules/values."
  type = list(object({
    range     = optional(string)
    namespace = optional(string)
    labels    = optional(map(string))
  }))
  default = []
}

variable "monitor_labels" {
  description = "Labels that your Prometheus object selects monitors and rules by. Needs monitoring_places."
  type        = map(string)
  default     = {}
}

variable "otlp_endpoint" {
  description = "Where traces go (OTLP over gRPC); nowhere if null. Needs telemetry_places."
  type        = string
  default     = null
}

variable "telemetry_places" {
  description = "Where the collector of traces is. See modules/values."
  type = list(object({
    range     = optional(string)
    namespace = optional(string)
    labels    = optional(map(string))
    port      = optional(number, 4317)
  }))
  default = []
}

variable "mail_url" {
  description = "URL of the mail server with user and password; better by TF_VAR_mail_url than in a file."
  type        = string
  sensitive   = true
}

variable "mail_from" {
  description = "Sender of the platform's mail, such as Helpdesk <no-reply@example.com>."
  type        = string
  default     = null
}
