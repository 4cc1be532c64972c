# The whole example, planned against the providers' schemas; nothing is asked of AWS.
mock_provider "helm" {}
mock_provider "kubernetes" {}
mock_provider "random" {}
mock_provider "aws" {
  mock_data "aws_eks_cluster" {
    defaults = {
      endpoint                  = "https://0123456789.gr7.eu-central-1.eks.amazonaws.com"
      certificate_authority     = [{ data = "LS0tLS1CRUdJTi0tLS0t" }]
      vpc_config                = [{ vpc_id = "vpc-0a", cluster_security_group_id = "sg-0a" }]
      kubernetes_network_config = [{ service_ipv4_cidr = "172.20.0.0/16" }]
    }
  }
  mock_data "aws_eks_node_group" {
    defaults = { resources = [{ autoscaling_groups = [{ name = "eks-workers-1" }] }] }
  }
  mock_data "aws_vpc" {
    defaults = { id = "vpc-0a", cidr_block_associations = [{ cidr_block = "10.0.0.0/16" }] }
  }
  mock_data "aws_ec2_managed_prefix_list" {
    defaults = { entries = [{ cidr = "52.219.0.0/16" }] }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Statement\": []}" }
  }
  mock_resource "aws_acm_certificate_validation" {
    defaults        = { certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
    override_during = plan
  }
}

variables {
  cluster_name           = "production"
  node_groups            = ["workers"]
  private_subnet_ids     = ["subnet-0a", "subnet-0b"]
  public_subnet_ids      = ["subnet-0c", "subnet-0d"]
  base_domain            = "helpdesk.example.com"
  zone_id                = "Z0123456789ABCDEFGHIJ"
  bucket                 = "example-gotrs"
  cloudnative_pg_version = "0.26.0"
  barman_plugin_version  = "0.3.0"
  mail_url               = "smtps://user:secret@mail.example.com"
  monitor_labels         = { release = "prometheus" }
  monitoring_places      = [{ namespace = "monitoring", labels = { "app.kubernetes.io/name" = "prometheus" } }]
  otlp_endpoint          = "http://collector.monitoring.svc:4317"
  telemetry_places       = [{ namespace = "monitoring", labels = { app = "collector" } }]
}

run "plan" {
  command = plan
  override_module {
    target          = module.bucket
    override_during = plan
    outputs         = { name = "example-gotrs", access_policy = "{\"Statement\": []}" }
  }
  assert {
    condition     = yamldecode(output.values).network.clusterRanges == ["10.0.0.0/16", "172.20.0.0/16"]
    error_message = "pods, nodes and services"
  }
  assert {
    condition     = yamldecode(output.values).network.postgres[0].to.pods.labels == { "cnpg.io/cluster" = "tenants" }
    error_message = "the tenants' database"
  }
  assert {
    condition     = length(yamldecode(output.values).network.telemetry) == 1 && length(yamldecode(output.values).network.monitoring) == 1
    error_message = "ways for traces and metrics"
  }
  assert {
    condition     = output.console == "https://helpdesk.example.com"
    error_message = "console"
  }
}
