variable "base_domain" {
  description = "Tenants are served at <slug>.<base_domain>."
  type        = string
  validation {
    condition     = length(var.base_domain) <= 200 && can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", var.base_domain))
    error_message = "base_domain must be a DNS name in lower case without port, such as helpdesk.example.com."
  }
}

variable "image_registry" {
  description = "Where the images are, without a tag. The chart's own registry if null."
  type        = string
  default     = null
  validation {
    condition     = var.image_registry == null || can(regex("^[^/].*[^/]$", var.image_registry))
    error_message = "image_registry must be a registry and a path, such as registry.example.com/gotrs, without slashes around it."
  }
}

variable "image_tag" {
  description = "Version of the platform's images. The chart's appVersion if null."
  type        = string
  default     = null
  validation {
    condition     = var.image_tag == null || can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag))
    error_message = "image_tag must be the tag of an image, such as 1.2.3."
  }
}

variable "tenants_database_secret" {
  description = "Secret of the release's namespace with the URL of the tenants' database, as superuser."
  type        = object({ name = string, key = optional(string, "url") })
}

variable "control_plane_database_secret" {
  description = "Secret of the release's namespace with the URL of the control plane's database."
  type        = object({ name = string, key = optional(string, "url") })
}

variable "cluster_ranges" {
  description = "Ranges of pods, services, nodes and the API server: tenants reach none of them as if they were the internet."
  type        = list(string)
  validation {
    condition     = length(var.cluster_ranges) > 0
    error_message = "cluster_ranges must not be empty: without it tenants could reach other pods. Give the ranges of pods, services and nodes."
  }
  validation {
    condition     = alltrue([for range in var.cluster_ranges : can(cidrhost(range, 0))])
    error_message = "cluster_ranges must be ranges of addresses such as 10.0.0.0/16."
  }
}

variable "api_server_ranges" {
  description = "Where the operator reaches the API server. Any address of cluster_ranges if empty."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for range in var.api_server_ranges : can(cidrhost(range, 0))])
    error_message = "api_server_ranges must be ranges of addresses such as 10.0.0.1/32."
  }
}

variable "postgres_places" {
  description = "Where PostgreSQL is: for each, either a range of addresses, or a namespace with labels of its pods."
  type = list(object({
    range     = optional(string)
    namespace = optional(string)
    labels    = optional(map(string))
    port      = optional(number, 5432)
  }))
  validation {
    condition     = length(var.postgres_places) > 0
    error_message = "postgres_places must name at least one place: the walls around tenants let nothing else through."
  }
  validation {
    condition = alltrue([for place in var.postgres_places :
      (place.range != null) != (place.namespace != null && try(length(place.labels), 0) > 0)
    ])
    error_message = "Each of postgres_places must have either range, or namespace and labels."
  }
  validation {
    condition     = alltrue([for place in var.postgres_places : place.range == null || can(cidrhost(place.range, 0))])
    error_message = "A range of postgres_places must be a range of addresses such as 10.0.0.5/32."
  }
}

variable "s3_ranges" {
  description = "Addresses of the object store: runtimes fetch their modules there, and the walls around them let nothing else through."
  type        = list(string)
  validation {
    condition     = length(var.s3_ranges) > 0 && alltrue([for range in var.s3_ranges : can(cidrhost(range, 0))])
    error_message = "s3_ranges must be ranges of addresses such as 10.0.0.6/32. On AWS: the entries of the managed prefix list com.amazonaws.REGION.s3."
  }
}

variable "operator_replicas" {
  description = "Replicas of the operator: one leads, the others stand by."
  type        = number
  default     = 2
  validation {
    condition     = var.operator_replicas >= 1 && var.operator_replicas <= 5 && floor(var.operator_replicas) == var.operator_replicas
    error_message = "operator_replicas must be a whole number from 1 to 5; one leads, so more than 2 rarely help."
  }
}

variable "runtime_class" {
  description = "A runtime class with a stronger sandbox for tenants' pods, such as gvisor. The cluster's own if null."
  type        = string
  default     = null
}

variable "otlp_endpoint" {
  description = "Where the traces of all parts and of the tenants' runtimes go (OTLP over gRPC). Nowhere if null. Needs telemetry_places."
  type        = string
  default     = null
  validation {
    condition     = var.otlp_endpoint == null || can(regex("^https?://.+$", var.otlp_endpoint))
    error_message = "otlp_endpoint must be a URL such as http://collector.monitoring.svc:4317."
  }
  validation {
    condition     = var.otlp_endpoint == null || length(var.telemetry_places) > 0
    error_message = "otlp_endpoint needs telemetry_places, the pods or addresses of the collector: the walls around the platform and its tenants let nothing else through."
  }
}

variable "telemetry_places" {
  description = "Where the collector of traces is: for each place, either a range of addresses, or a namespace with labels of its pods."
  type = list(object({
    range     = optional(string)
    namespace = optional(string)
    labels    = optional(map(string))
    port      = optional(number, 4317)
  }))
  default = []
  validation {
    condition = alltrue([for place in var.telemetry_places :
      (place.range != null) != (place.namespace != null && try(length(place.labels), 0) > 0)
    ])
    error_message = "Each of telemetry_places must have either range, or namespace and labels."
  }
  validation {
    condition     = alltrue([for place in var.telemetry_places : place.range == null || can(cidrhost(place.range, 0))])
    error_message = "A range of telemetry_places must be a range of addresses such as 10.0.0.5/32."
  }
}

variable "monitoring_places" {
  description = "Who may read the metrics, such as the pods of Prometheus: for each place, either a range of addresses, or a namespace with labels of its pods. Nobody if empty."
  type = list(object({
    range     = optional(string)
    namespace = optional(string)
    labels    = optional(map(string))
  }))
  default = []
  validation {
    condition = alltrue([for place in var.monitoring_places :
      (place.range != null) != (place.namespace != null && try(length(place.labels), 0) > 0)
    ])
    error_message = "Each of monitoring_places must have either range, or namespace and labels."
  }
  validation {
    condition     = alltrue([for place in var.monitoring_places : place.range == null || can(cidrhost(place.range, 0))])
    error_message = "A range of monitoring_places must be a range of addresses such as 10.0.0.5/32."
  }
}

variable "monitor_labels" {
  description = "Labels that your Prometheus object selects monitors and rules by. Needs monitoring_places."
  type        = map(string)
  default     = {}
  validation {
    condition     = length(var.monitor_labels) == 0 || length(var.monitoring_places) > 0
    error_message = "monitor_labels needs monitoring_places, such as [{ namespace = \"monitoring\", labels = { \"app.kubernetes.io/name\" = \"prometheus\" } }]: Prometheus would find the monitors, and the walls would let none of its requests through."
  }
}

variable "s3" {
  description = "The object store: bucket, region, and a Secret of the release's namespace with access-key-id and secret-access-key. endpoint only for other servers than AWS."
  type = object({
    bucket   = string
    region   = string
    secret   = string
    endpoint = optional(string)
  })
  validation {
    condition     = var.s3.endpoint == null || can(regex("^https?://[^/]+$", var.s3.endpoint))
    error_message = "s3.endpoint must be a URL without a path, such as https://s3.example.com; leave it out for AWS."
  }
}

variable "mail" {
  description = "Mail of the control plane: a Secret of the release's namespace with the URL of the server, and the sender if it is not no-reply@<base_domain>."
  type = object({
    secret = string
    key    = optional(string, "url")
    from   = optional(string)
  })
}

variable "node_port" {
  description = "Port on every node at which the load balancer reaches the router."
  type        = number
  default     = 30080
  validation {
    condition     = var.node_port >= 30000 && var.node_port <= 32767
    error_message = "node_port must be between 30000 and 32767, and the same as the load balancer's."
  }
}

variable "trusted_proxies" {
  description = "Ranges of the load balancer: what it says in X-Forwarded-For about the client is believed."
  type        = list(string)
  validation {
    condition     = alltrue([for range in var.trusted_proxies : can(cidrhost(range, 0))])
    error_message = "trusted_proxies must be ranges of addresses such as 10.0.0.0/16."
  }
}
