resource "kubernetes_namespace_v1" "release" {
  metadata {
    name = var.namespace
    labels = {
      "pod-security.kubernetes.io/enforce" = "restricted"
    }
  }
}

# Changed in place when a password changes: the pods read it at their next start.
resource "kubernetes_secret_v1" "tenants_database" {
  metadata {
    name      = "tenants-database"
    namespace = kubernetes_namespace_v1.release.metadata[0].name
  }
  data = { url = var.tenants_database_url }
}

resource "kubernetes_secret_v1" "control_plane_database" {
  metadata {
    name      = "control-plane-database"
    namespace = kubernetes_namespace_v1.release.metadata[0].name
  }
  data = { url = var.control_plane_database_url }
}

resource "kubernetes_secret_v1" "object_store" {
  metadata {
    name      = "object-store"
    namespace = kubernetes_namespace_v1.release.metadata[0].name
  }
  data = {
    access-key-id     = var.s3_access_key_id
    secret-access-key = var.s3_secret_access_key
  }
}

resource "kubernetes_secret_v1" "mail" {
  metadata {
    name      = "mail"
    namespace = kubernetes_namespace_v1.release.metadata[0].name
  }
  data = { url = var.mail_url }
}

resource "helm_release" "gotrs" {
  name      = var.name
  namespace = kubernetes_namespace_v1.release.metadata[0].name
  chart     = var.chart
  version   = var.chart_version
  values    = concat([var.values], var.more_values)

  # An upgrade that does not come up is rolled back; one that never ends is a failure.
  atomic      = true
  wait        = true
  timeout     = var.timeout_seconds
  max_history = 10
  # What values.schema.json refuses is said at plan already.
  lint = !startswith(var.chart, "oci://")

  depends_on = [
    kubernetes_secret_v1.tenants_database,
    kubernetes_secret_v1.control_plane_database,
    kubernetes_secret_v1.object_store,
    kubernetes_secret_v1.mail,
  ]
}
