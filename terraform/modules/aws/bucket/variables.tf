variable "name" {
  description = "Name of the bucket; unique in the world."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 lower-case letters, digits and dashes (no dots: they break TLS to <bucket>.s3.amazonaws.com)."
  }
}

variable "noncurrent_days" {
  description = "How long overwritten and deleted objects can be brought back."
  type        = number
  default     = 30
  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 3650
    error_message = "noncurrent_days must be between 1 and 3650. Longer than your contracts allow you to keep deleted customers' data is too long."
  }
}

variable "infrequent_days" {
  description = "After how many days objects move to cheaper storage with dearer reads. Never if null."
  type        = number
  default     = null
  validation {
    condition     = var.infrequent_days == null || try(var.infrequent_days >= 30, false)
    error_message = "infrequent_days must be at least 30: S3 takes no less for STANDARD_IA."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the objects. S3's own (AES-256) if null."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether a destroy also deletes what is in the bucket. Only for trials."
  type        = bool
  default     = false
}
