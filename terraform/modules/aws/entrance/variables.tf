variable "name" {
  description = "Name of the load balancer and of what belongs to it."
  type        = string
  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,26}[a-z0-9])?$", var.name)) && !startswith(var.name, "internal-")
    error_message = "name must be 1 to 28 lower-case letters, digits and dashes, begin with a letter and not with internal-."
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

variable "public_subnet_ids" {
  description = "Public subnets in at least two zones."
  type        = list(string)
  validation {
    condition     = length(distinct(var.public_subnet_ids)) >= 2
    error_message = "public_subnet_ids must be at least two subnets of different zones: a load balancer takes no fewer."
  }
}

variable "node_security_group_id" {
  description = "Security group of the cluster's nodes; it gets a rule that lets the load balancer in."
  type        = string
  validation {
    condition     = startswith(var.node_security_group_id, "sg-")
    error_message = "node_security_group_id must be the id of a security group, such as sg-0a1b2c3d."
  }
}

variable "autoscaling_groups" {
  description = "Auto Scaling groups of the nodes, by a name of your choice; nodes that they start are attached by themselves."
  type        = map(string)
  validation {
    condition     = length(var.autoscaling_groups) > 0
    error_message = "autoscaling_groups must not be empty: the load balancer would have no targets. A node group names its own in resources[0].autoscaling_groups[0].name."
  }
}

variable "node_port" {
  description = "Port of the router's Service on every node."
  type        = number
  default     = 30080
  validation {
    condition     = var.node_port >= 30000 && var.node_port <= 32767
    error_message = "node_port must be between 30000 and 32767, and the same as in the router's Service."
  }
}

variable "certificate_arn" {
  description = "Issued certificate for the base domain and its wildcard, of the module certificate."
  type        = string
  validation {
    condition     = startswith(var.certificate_arn, "arn:")
    error_message = "certificate_arn must be the ARN of a certificate in ACM."
  }
}

variable "base_domain" {
  description = "Gets records for itself and its wildcard."
  type        = string
}

variable "zone_id" {
  description = "Route 53 zone that answers for base_domain."
  type        = string
}

variable "allowed_ranges" {
  description = "Who may connect."
  type        = set(string)
  default     = ["0.0.0.0/0"]
  validation {
    condition     = length(var.allowed_ranges) > 0 && alltrue([for range in var.allowed_ranges : can(cidrnetmask(range))])
    error_message = "allowed_ranges must be IPv4 ranges such as 203.0.113.0/24."
  }
}

variable "deletion_protection" {
  description = "Whether a destroy is refused. Switch it off in an apply of its own before you mean it."
  type        = bool
  default     = true
}
