variable "name" {
  description = "Name of the instance and of what belongs to it."
  type        = string
  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,48}[a-z0-9])?$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must be 1 to 50 lower-case letters, digits and single dashes, and begin with a letter."
  }
}

variable "vpc_id" {
  description = "Network of the cluster."
  type        = string
  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "vpc_id must be the id of a VPC, such as vpc-0a1b2c3d."
  }
}

variable "subnet_ids" {
  description = "Private subnets in at least two zones."
  type        = list(string)
  validation {
    condition     = length(distinct(var.subnet_ids)) >= 2 && alltrue([for id in var.subnet_ids : startswith(id, "subnet-")])
    error_message = "subnet_ids must be at least two subnets of different zones: RDS takes no fewer."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name of your choice: that of the cluster's nodes."
  type        = map(string)
  validation {
    condition     = length(var.client_security_group_ids) > 0
    error_message = "client_security_group_ids must not be empty, or nobody could connect. Give the security group of the cluster's nodes."
  }
}

variable "engine_version" {
  description = "Major version of PostgreSQL; minor versions come in the maintenance window."
  type        = string
  default     = "17"
  validation {
    condition     = can(tonumber(var.engine_version)) && try(tonumber(var.engine_version) >= 15 && floor(tonumber(var.engine_version)) == tonumber(var.engine_version), false)
    error_message = "engine_version must be a major version from 15 on, such as 17."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.medium"
  validation {
    condition     = startswith(var.instance_class, "db.")
    error_message = "instance_class must be a class of RDS such as db.t4g.medium."
  }
}

variable "storage_gibibytes" {
  description = "Disk at first; it grows by itself to ten times that."
  type        = number
  default     = 20
  validation {
    condition     = var.storage_gibibytes >= 20 && var.storage_gibibytes <= 6553
    error_message = "storage_gibibytes must be between 20 and 6553 (gp3, and ten times that is the limit of RDS)."
  }
}

variable "multi_az" {
  description = "A standby in another zone."
  type        = bool
  default     = true
}

variable "backup_days" {
  description = "How far back the database can be restored to any second."
  type        = number
  default     = 14
  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days must be between 1 and 35; for longer copy snapshots to AWS Backup."
  }
}

variable "deletion_protection" {
  description = "Whether a destroy is refused. Switch it off in an apply of its own before you mean it."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Key that encrypts the disk and the backups. AWS' own for RDS if null."
  type        = string
  default     = null
}
