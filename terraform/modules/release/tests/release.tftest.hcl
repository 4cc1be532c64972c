mock_provider "helm" {}
mock_provider "kubernetes" {}

variables {
  chart                      = "../../../charts/gotrs-cloud"
  values                     = "baseDomain: helpdesk.example.com"
  more_values                = ["operator: {replicas: 3}"]
  tenants_database_url       = "postgres://postgres:secret@tenants-rw.gotrs-database.svc:5432/tenants"
  control_plane_database_url = "postgres://control_plane:secret@db.example.com:5432/control_plane"
  s3_access_key_id           = "AKIAIOSFODNN7EXAMPLE"
  s3_secret_access_key       = "secret"
  mail_url                   = "smtps://user:secret@mail.example.com"
}

run "secrets_are_in_secrets_and_not_in_values" {
  command = apply
  assert {
    condition     = !strcontains(join("", helm_release.gotrs.values), "secret@")
    error_message = "Helm keeps values readable"
  }
  assert {
    condition     = kubernetes_secret_v1.object_store.data["access-key-id"] == "AKIAIOSFODNN7EXAMPLE"
    error_message = "the chart looks for access-key-id"
  }
  assert {
    condition     = helm_release.gotrs.values[1] == "operator: {replicas: 3}"
    error_message = "more_values come last, so that they win"
  }
}

run "a_database_is_a_url" {
  command = plan
  variables { tenants_database_url = "tenants-rw.gotrs-database.svc" }
  expect_failures = [var.tenants_database_url]
}

run "a_chart_from_a_registry_has_a_version" {
  command = plan
  variables { chart = "oci://registry.example.com/charts/gotrs-cloud" }
  expect_failures = [var.chart_version]
}

run "the_namespaces_of_tenants_are_theirs" {
  command = plan
  variables { namespace = "tenant-acme" }
  expect_failures = [var.namespace]
}
