terraform {
  required_version = ">= 1.9.0, < 2.0.0"
  required_providers {
    helm       = { source = "hashicorp/helm", version = ">= 3.0.0, < 4.0.0" }
    kubernetes = { source = "hashicorp/kubernetes", version = ">= 2.36.0, < 4.0.0" }
  }
}
