variable "chart" {
  description = "Path of the chart gotrs-cloud (charts/gotrs-cloud of this repository), or an oci:// address."
  type        = string
  validation {
    condition     = startswith(var.chart, "oci://") || fileexists("${var.chart}/Chart.yaml")
    error_message = "chart must be an oci:// address or a folder with a Chart.yaml, such as charts/gotrs-cloud of this repository."
  }
}

variable "chart_version" {
  description = "Exact version of the chart; only for an oci:// address."
  type        = string
  default     = null
  validation {
    condition     = startswith(var.chart, "oci://") == (var.chart_version != null)
    error_message = "Set chart_version for an oci:// address, so that an apply never changes the version by itself; a folder has its own version."
  }
}

variable "name" {
  description = "Name of the release."
  type        = string
  default     = "gotrs"
  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.name))
    error_message = "name must be 1 to 40 lower-case letters, digits and dashes, and begin with a letter."
  }
}

variable "namespace" {
  description = "Namespace of the release; made by this module."
  type        = string
  default     = "gotrs-system"
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace)) && !startswith(var.namespace, "tenant-")
    error_message = "namespace must be a DNS label and must not begin with tenant-: those are the tenants' own."
  }
}

variable "values" {
  description = "Values of the chart as YAML, from the module values."
  type        = string
  validation {
    condition     = can(yamldecode(var.values).baseDomain)
    error_message = "values must be YAML with at least baseDomain; take the output yaml of the module values."
  }
}

variable "more_values" {
  description = "Further YAML documents with values, later ones win. No secrets: Helm keeps them readable in the release."
  type        = list(string)
  default     = []
}

variable "tenants_database_url" {
  description = "URL of the tenants' database, as superuser and without a pooler in between."
  type        = string
  sensitive   = true
  validation {
    condition     = can(regex("^postgres(ql)?://", var.tenants_database_url))
    error_message = "tenants_database_url must begin with postgres:// or postgresql://."
  }
}

variable "control_plane_database_url" {
  description = "URL of the control plane's database."
  type        = string
  sensitive   = true
  validation {
    condition     = can(regex("^postgres(ql)?://", var.control_plane_database_url))
    error_message = "control_plane_database_url must begin with postgres:// or postgresql://."
  }
}

variable "s3_access_key_id" {
  description = "Access key for the bucket."
  type        = string
  sensitive   = true
}

variable "s3_secret_access_key" {
  description = "Secret of the access key."
  type        = string
  sensitive   = true
}

variable "mail_url" {
  description = "URL of the mail server with user and password, such as smtps://user:password@mail.example.com."
  type        = string
  sensitive   = true
  validation {
    condition     = can(regex("^smtps?://", var.mail_url))
    error_message = "mail_url must begin with smtp:// or smtps://."
  }
}

variable "timeout_seconds" {
  description = "How long an installation or upgrade may take before it counts as failed and is undone."
  type        = number
  default     = 600
  validation {
    condition     = var.timeout_seconds >= 60 && var.timeout_seconds <= 3600
    error_message = "timeout_seconds must be between 60 and 3600."
  }
}
