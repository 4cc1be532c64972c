# The values of the chart as data, without any provider: so they can be tested where there is no cloud. What is null is left
# out, and the chart's own default holds.
locals {
  image = { for name, value in {
    registry = var.image_registry
    tag      = var.image_tag
  } : name => value if value != null }

  tenants = { for name, value in {
    runtimeClass = var.runtime_class
  } : name => value if value != null }

  # As the chart writes a place: a range, or pods.
  places = { for list, places in {
    postgres   = var.postgres_places
    telemetry  = var.telemetry_places
    monitoring = [for place in var.monitoring_places : merge(place, { port = null })]
    } : list => [for place in places : {
      to = {
        for kind, value in {
          range = place.range
          pods  = place.namespace == null ? null : { namespace = place.namespace, labels = place.labels }
        } : kind => value if value != null
      }
      port = place.port
  }] }

  values = {
    image      = local.image
    baseDomain = var.base_domain
    database = {
      tenants      = { existingSecret = var.tenants_database_secret.name, key = var.tenants_database_secret.key }
      controlPlane = { existingSecret = var.control_plane_database_secret.name, key = var.control_plane_database_secret.key }
    }
    s3 = { for name, value in {
      endpoint       = var.s3.endpoint
      bucket         = var.s3.bucket
      region         = var.s3.region
      existingSecret = var.s3.secret
    } : name => value if value != null }
    mail = { for name, value in {
      existingSecret = var.mail.secret
      key            = var.mail.key
      from           = var.mail.from
    } : name => value if value != null }
    operator = { replicas = var.operator_replicas }
    router = {
      service        = { type = "NodePort", nodePort = var.node_port }
      trustedProxies = var.trusted_proxies
    }
    tenants   = local.tenants
    telemetry = { for name, value in { otlpEndpoint = var.otlp_endpoint } : name => value if value != null }
    network = {
      clusterRanges = var.cluster_ranges
      apiServer     = var.api_server_ranges
      postgres      = local.places.postgres
      s3            = [for range in var.s3_ranges : { to = { range = range }, port = 443 }]
      telemetry     = local.places.telemetry
      monitoring    = local.places.monitoring[*].to
    }
    monitoring = { labels = var.monitor_labels }
  }
}
