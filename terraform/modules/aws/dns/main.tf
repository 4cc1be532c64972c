resource "aws_route53_zone" "this" {
  count   = var.zone_id == null ? 1 : 0
  name    = var.base_domain
  comment = "GOTRS Cloud"
  lifecycle {
    # A zone that is made again has other name servers, and the delegation at its parent would point nowhere.
    prevent_destroy = true
  }
}

locals {
  zone_id = var.zone_id == null ? aws_route53_zone.this[0].zone_id : var.zone_id
}

resource "aws_route53_record" "caa" {
  zone_id = local.zone_id
  name    = var.base_domain
  type    = "CAA"
  ttl     = 3600
  records = flatten([for authority in var.certificate_authorities : [
    "0 issue \"${authority}\"", "0 issuewild \"${authority}\"",
  ]])
}
