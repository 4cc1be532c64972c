# The tenants' PostgreSQL runs in the cluster: the operator needs a superuser (it takes away what PostgreSQL grants to
# everybody), and no cloud's managed PostgreSQL gives one.
resource "kubernetes_namespace_v1" "database" {
  metadata {
    name   = var.namespace
    labels = { "pod-security.kubernetes.io/enforce" = "restricted" }
  }
  # With the namespace all customers' data would go. Who means it, says so to Kubernetes: kubectl delete namespace.
  lifecycle {
    prevent_destroy = true
  }
}

resource "random_password" "superuser" {
  length = 40
  # Nothing that a URL would have to escape.
  special = false
}

resource "kubernetes_secret_v1" "superuser" {
  metadata {
    name      = "${var.name}-administrator"
    namespace = kubernetes_namespace_v1.database.metadata[0].name
    labels    = { "cnpg.io/reload" = "true" }
  }
  type = "kubernetes.io/basic-auth"
  data = {
    username = "postgres"
    password = random_password.superuser.result
  }
}

locals {
  values = {
    instances      = var.instances
    image          = var.image
    storage        = { size = "${var.storage_gibibytes}Gi", class = var.storage_class }
    resources      = { cpu = tostring(var.cpus), memory = "${var.memory_gibibytes}Gi" }
    sharedBuffers  = "${var.memory_gibibytes * 256}MB"
    maxConnections = var.max_connections
    backup = var.backup == null ? null : {
      destination   = var.backup.destination
      retentionDays = var.backup.retention_days
      schedule      = var.backup.schedule
    }
    superuserSecret = kubernetes_secret_v1.superuser.metadata[0].name
  }
}

# A chart rather than kubernetes_manifest: that wants CloudNativePG's definitions at plan time, before they are installed.
resource "helm_release" "database" {
  name      = var.name
  namespace = kubernetes_namespace_v1.database.metadata[0].name
  chart     = "${path.module}/chart"
  values    = [yamlencode(local.values)]
  wait      = true
  timeout   = 900
}
