variable "name" {
  description = "Name of the PostgreSQL cluster, and of the service account of its pods."
  type        = string
  default     = "tenants"
  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,48}[a-z0-9])?$", var.name))
    error_message = "name must be 1 to 50 lower-case letters, digits and dashes, and begin with a letter."
  }
}

variable "namespace" {
  description = "Namespace of the database; made by this module."
  type        = string
  default     = "gotrs-database"
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace)) && !startswith(var.namespace, "tenant-")
    error_message = "namespace must be a DNS label and must not begin with tenant-: those are the tenants' own."
  }
}

variable "instances" {
  description = "PostgreSQL servers: one is the primary, the others follow and take over."
  type        = number
  default     = 3
  validation {
    condition     = contains([1, 2, 3, 4, 5], var.instances)
    error_message = "instances must be from 1 to 5; 3 survive the loss of a zone with a follower left."
  }
}

variable "image" {
  description = "PostgreSQL's image for CloudNativePG. The operator's default if null."
  type        = string
  default     = null
}

variable "storage_gibibytes" {
  description = "Disk of each server. It can grow, never shrink."
  type        = number
  default     = 100
  validation {
    condition     = var.storage_gibibytes >= 10 && floor(var.storage_gibibytes) == var.storage_gibibytes
    error_message = "storage_gibibytes must be a whole number of at least 10."
  }
}

variable "storage_class" {
  description = "Storage class of the disks; it should encrypt them. The cluster's default if null."
  type        = string
  default     = null
}

variable "memory_gibibytes" {
  description = "Memory of each server; a quarter of it becomes shared_buffers."
  type        = number
  default     = 8
  validation {
    condition     = var.memory_gibibytes >= 2 && floor(var.memory_gibibytes) == var.memory_gibibytes
    error_message = "memory_gibibytes must be a whole number of at least 2."
  }
}

variable "cpus" {
  description = "Processors of each server."
  type        = number
  default     = 2
  validation {
    condition     = var.cpus >= 1
    error_message = "cpus must be at least 1."
  }
}

variable "max_connections" {
  description = "Connections of all tenants together; each takes some 10 MiB."
  type        = number
  default     = 400
  validation {
    condition     = var.max_connections >= 100 && var.max_connections <= var.memory_gibibytes * 100
    error_message = "max_connections must be at least 100, and at most 100 for each GiB of memory_gibibytes: raise that first."
  }
}

variable "backup" {
  description = "Where base backups and write-ahead logs go: an s3:// path that the pods may write to by the role of their service account. None if null."
  type = object({
    destination    = string
    retention_days = optional(number, 30)
    schedule       = optional(string, "0 0 2 * * *")
  })
  validation {
    condition     = var.backup == null || can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$", var.backup.destination))
    error_message = "backup.destination must be a path in a bucket such as s3://gotrs-backups/tenants."
  }
  validation {
    condition     = var.backup == null || try(var.backup.retention_days >= 7 && var.backup.retention_days <= 3650, false)
    error_message = "backup.retention_days must be between 7 and 3650."
  }
  validation {
    condition     = var.backup == null || try(length(split(" ", var.backup.schedule)) == 6, false)
    error_message = "backup.schedule must have six fields, the first of them seconds: 0 0 2 * * * is every night at two."
  }
}
