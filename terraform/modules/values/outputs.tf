output "yaml" {
  description = "The values, for `helm install --values` and for the module release."
  value       = yamlencode(local.values)
}

output "values" {
  description = "The same as an object."
  value       = local.values
}
