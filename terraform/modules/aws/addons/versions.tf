terraform {
  required_version = ">= 1.9.0, < 2.0.0"
  required_providers {
    aws        = { source = "hashicorp/aws", version = ">= 6.0.0, < 7.0.0" }
    helm       = { source = "hashicorp/helm", version = ">= 3.0.0, < 4.0.0" }
    kubernetes = { source = "hashicorp/kubernetes", version = ">= 2.36.0, < 4.0.0" }
  }
}
