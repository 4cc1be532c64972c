variable "cluster_name" {
  description = "Name of the EKS cluster."
  type        = string
}

variable "addon_versions" {
  description = "Exact versions of EKS add-ons by name, such as {vpc-cni = \"v1.20.0-eksbuild.1\"}. For the others EKS chooses at the installation, and keeps it."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for version in values(var.addon_versions) : can(regex("^v[0-9]+[.][0-9]+[.][0-9]+", version))])
    error_message = "addon_versions must be versions as `aws eks describe-addon-versions` lists them, such as v1.20.0-eksbuild.1."
  }
  validation {
    condition = alltrue([for name in keys(var.addon_versions) : contains([
      "vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent", "aws-ebs-csi-driver", "metrics-server", "cert-manager",
    ], name)])
    error_message = "addon_versions may name vpc-cni, kube-proxy, coredns, eks-pod-identity-agent, aws-ebs-csi-driver, metrics-server and cert-manager; nothing else is installed here."
  }
}

variable "cloudnative_pg_version" {
  description = "Exact version of the chart cloudnative-pg (helm search repo cloudnative-pg)."
  type        = string
  validation {
    condition     = can(regex("^[0-9]+[.][0-9]+[.][0-9]+$", var.cloudnative_pg_version))
    error_message = "cloudnative_pg_version must be an exact version such as 0.26.0, so that an apply never upgrades by itself."
  }
}

variable "barman_plugin_version" {
  description = "Exact version of the chart plugin-barman-cloud; its notes say which CloudNativePG it goes with."
  type        = string
  validation {
    condition     = can(regex("^[0-9]+[.][0-9]+[.][0-9]+$", var.barman_plugin_version))
    error_message = "barman_plugin_version must be an exact version such as 0.3.0, so that an apply never upgrades by itself."
  }
}

variable "backup" {
  description = "Who may write the tenants' database's backups: its service account, and the policy of the backup's bucket."
  type = object({
    service_account = object({ namespace = string, name = string })
    access_policy   = string
  })
  validation {
    condition     = can(jsondecode(var.backup.access_policy).Statement)
    error_message = "backup.access_policy must be a policy document as JSON: the output access_policy of the module bucket."
  }
}
