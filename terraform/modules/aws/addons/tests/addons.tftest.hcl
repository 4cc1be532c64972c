mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Statement\": []}" }
  }
}
mock_provider "helm" {}
mock_provider "kubernetes" {}

variables {
  cluster_name           = "production"
  cloudnative_pg_version = "0.26.0"
  barman_plugin_version  = "0.3.0"
  backup                 = { service_account = { namespace = "gotrs-database", name = "tenants" }, access_policy = "{\"Statement\": []}" }
}

run "walls_are_enforced_and_disks_encrypted" {
  command = plan
  assert {
    condition     = jsondecode(aws_eks_addon.network.configuration_values).enableNetworkPolicy == "true"
    error_message = "without it NetworkPolicies do nothing"
  }
  assert {
    condition     = kubernetes_storage_class_v1.encrypted.parameters["encrypted"] == "true"
    error_message = "disks of customers"
  }
  assert {
    condition     = aws_eks_pod_identity_association.backup.service_account == "tenants"
    error_message = "the servers write the backups"
  }
}

run "a_version_is_exact" {
  command = plan
  variables { cloudnative_pg_version = ">= 0.26" }
  expect_failures = [var.cloudnative_pg_version]
}

run "an_unknown_addon_is_refused" {
  command = plan
  variables { addon_versions = { cilium = "v1.16.0" } }
  expect_failures = [var.addon_versions]
}
