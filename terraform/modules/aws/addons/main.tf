# What the platform needs in an EKS cluster: walls that are enforced, encrypted disks, metrics for autoscaling, certificates for
# webhooks, and CloudNativePG for the tenants' database.
locals {
  # Without this NetworkPolicies are accepted and do nothing.
  vpc_cni = { enableNetworkPolicy = "true" }

  addons = {
    kube-proxy             = null
    coredns                = null
    eks-pod-identity-agent = null
    metrics-server         = null
    cert-manager           = null
  }
}

resource "aws_eks_addon" "network" {
  cluster_name                = var.cluster_name
  addon_name                  = "vpc-cni"
  addon_version               = lookup(var.addon_versions, "vpc-cni", null)
  configuration_values        = jsonencode(local.vpc_cni)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

resource "aws_eks_addon" "this" {
  for_each                    = local.addons
  cluster_name                = var.cluster_name
  addon_name                  = each.key
  addon_version               = lookup(var.addon_versions, each.key, each.value)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

data "aws_iam_policy_document" "pods" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "disks" {
  name_prefix        = "${substr(var.cluster_name, 0, 20)}-disks-"
  assume_role_policy = data.aws_iam_policy_document.pods.json
}

resource "aws_iam_role_policy_attachment" "disks" {
  role       = aws_iam_role.disks.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
}

resource "aws_eks_addon" "disks" {
  cluster_name                = var.cluster_name
  addon_name                  = "aws-ebs-csi-driver"
  addon_version               = lookup(var.addon_versions, "aws-ebs-csi-driver", null)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  pod_identity_association {
    role_arn        = aws_iam_role.disks.arn
    service_account = "ebs-csi-controller-sa"
  }
  depends_on = [aws_iam_role_policy_attachment.disks, aws_eks_addon.this["eks-pod-identity-agent"]]
}

resource "kubernetes_storage_class_v1" "encrypted" {
  metadata {
    name = "gotrs-encrypted"
  }
  storage_provisioner    = "ebs.csi.aws.com"
  volume_binding_mode    = "WaitForFirstConsumer"
  allow_volume_expansion = true
  # A claim that is deleted by mistake leaves its disk.
  reclaim_policy = "Retain"
  parameters = {
    type      = "gp3"
    encrypted = "true"
  }
  depends_on = [aws_eks_addon.disks]
}

resource "aws_iam_role" "backup" {
  name_prefix        = "${substr(var.cluster_name, 0, 20)}-backup-"
  assume_role_policy = data.aws_iam_policy_document.pods.json
}

resource "aws_iam_role_policy" "backup" {
  name   = "bucket"
  role   = aws_iam_role.backup.id
  policy = var.backup.access_policy
}

resource "aws_eks_pod_identity_association" "backup" {
  cluster_name    = var.cluster_name
  namespace       = var.backup.service_account.namespace
  service_account = var.backup.service_account.name
  role_arn        = aws_iam_role.backup.arn
}

resource "helm_release" "cloudnative_pg" {
  name             = "cloudnative-pg"
  namespace        = "cnpg-system"
  create_namespace = true
  repository       = "https://cloudnative-pg.github.io/charts"
  chart            = "cloudnative-pg"
  version          = var.cloudnative_pg_version
  atomic           = true
  depends_on       = [aws_eks_addon.network, aws_eks_addon.this]
}

# In the same namespace as CloudNativePG, which talks to it by TLS with a certificate of cert-manager.
resource "helm_release" "barman" {
  name       = "plugin-barman-cloud"
  namespace  = helm_release.cloudnative_pg.namespace
  repository = "https://cloudnative-pg.github.io/charts"
  chart      = "plugin-barman-cloud"
  version    = var.barman_plugin_version
  atomic     = true
}
