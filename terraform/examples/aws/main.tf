# GOTRS Cloud in an EKS cluster that is there already: see README.md for what it must have.
provider "aws" {
  region = var.region
  default_tags {
    tags = { application = "gotrs-cloud" }
  }
}

data "aws_eks_cluster" "this" {
  name = var.cluster_name
}

data "aws_eks_node_group" "this" {
  for_each        = var.node_groups
  cluster_name    = var.cluster_name
  node_group_name = each.value
}

data "aws_vpc" "this" {
  id = data.aws_eks_cluster.this.vpc_config[0].vpc_id
}

# The addresses of S3 in this region, for the walls around the pods.
data "aws_ec2_managed_prefix_list" "s3" {
  name = "com.amazonaws.${var.region}.s3"
}

locals {
  # A token of the moment instead of one in the state.
  credentials = {
    api_version = "client.authentication.k8s.io/v1beta1"
    command     = "aws"
    args        = ["eks", "get-token", "--region", var.region, "--cluster-name", var.cluster_name]
  }
  authority           = base64decode(data.aws_eks_cluster.this.certificate_authority[0].data)
  node_security_group = data.aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  network_ranges      = [for association in data.aws_vpc.this.cidr_block_associations : association.cidr_block]
  service_range       = data.aws_eks_cluster.this.kubernetes_network_config[0].service_ipv4_cidr
}

provider "kubernetes" {
  host                   = data.aws_eks_cluster.this.endpoint
  cluster_ca_certificate = local.authority
  exec {
    api_version = local.credentials.api_version
    command     = local.credentials.command
    args        = local.credentials.args
  }
}

provider "helm" {
  kubernetes = {
    host                   = data.aws_eks_cluster.this.endpoint
    cluster_ca_certificate = local.authority
    exec                   = local.credentials
  }
}

module "addons" {
  source                 = "../../modules/aws/addons"
  cluster_name           = var.cluster_name
  cloudnative_pg_version = var.cloudnative_pg_version
  barman_plugin_version  = var.barman_plugin_version
  backup = {
    service_account = { namespace = local.database_namespace, name = local.database_name }
    access_policy   = module.backups.access_policy
  }
}

locals {
  database_namespace = "gotrs-database"
  database_name      = "tenants"
}

module "bucket" {
  source = "../../modules/aws/bucket"
  name   = var.bucket
}

module "backups" {
  source = "../../modules/aws/bucket"
  name   = "${var.bucket}-backups"
}

# The platform signs URLs for runtimes with a key of its own, so it needs one; it opens this bucket and nothing else.
resource "aws_iam_user" "platform" {
  name = "${var.name}-platform"
}

resource "aws_iam_user_policy" "platform" {
  name   = "bucket"
  user   = aws_iam_user.platform.name
  policy = module.bucket.access_policy
}

resource "aws_iam_access_key" "platform" {
  user = aws_iam_user.platform.name
}

module "control_plane_database" {
  source                    = "../../modules/aws/database"
  name                      = "${var.name}-control-plane"
  vpc_id                    = data.aws_vpc.this.id
  subnet_ids                = var.private_subnet_ids
  client_security_group_ids = { nodes = local.node_security_group }
}

module "tenants_database" {
  source        = "../../modules/tenants-database"
  name          = local.database_name
  namespace     = local.database_namespace
  storage_class = module.addons.storage_class
  backup        = { destination = "s3://${module.backups.name}/tenants" }
  # The definitions of CloudNativePG, and the right to write backups.
  depends_on = [module.addons]
}

module "dns" {
  source      = "../../modules/aws/dns"
  base_domain = var.base_domain
  zone_id     = var.zone_id
}

module "certificate" {
  source      = "../../modules/aws/certificate"
  base_domain = var.base_domain
  zone_id     = module.dns.zone_id
}

module "entrance" {
  source                 = "../../modules/aws/entrance"
  name                   = var.name
  vpc_id                 = data.aws_vpc.this.id
  public_subnet_ids      = var.public_subnet_ids
  node_security_group_id = local.node_security_group
  autoscaling_groups     = { for name, group in data.aws_eks_node_group.this : name => group.resources[0].autoscaling_groups[0].name }
  certificate_arn        = module.certificate.arn
  base_domain            = var.base_domain
  zone_id                = module.dns.zone_id
}

module "values" {
  source                        = "../../modules/values"
  base_domain                   = var.base_domain
  tenants_database_secret       = { name = "tenants-database" }
  control_plane_database_secret = { name = "control-plane-database" }
  s3                            = { bucket = module.bucket.name, region = var.region, secret = "object-store" }
  mail                          = { secret = "mail", from = var.mail_from }
  cluster_ranges                = concat(local.network_ranges, [local.service_range])
  s3_ranges                     = data.aws_ec2_managed_prefix_list.s3.entries[*].cidr
  trusted_proxies               = local.network_ranges
  monitoring_places             = var.monitoring_places
  monitor_labels                = var.monitor_labels
  otlp_endpoint                 = var.otlp_endpoint
  telemetry_places              = var.telemetry_places
  postgres_places = concat(
    [module.tenants_database.place],
    # RDS moves within its subnets when it fails over.
    [for range in local.network_ranges : { range = range }],
  )
}

module "release" {
  source                     = "../../modules/release"
  chart                      = "${path.module}/../../../charts/gotrs-cloud"
  values                     = module.values.yaml
  tenants_database_url       = module.tenants_database.url
  control_plane_database_url = module.control_plane_database.url
  s3_access_key_id           = aws_iam_access_key.platform.id
  s3_secret_access_key       = aws_iam_access_key.platform.secret
  mail_url                   = var.mail_url
}
