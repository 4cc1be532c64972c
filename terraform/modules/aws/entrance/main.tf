# One load balancer in front of the router. It ends TLS for *.<base_domain>; custom domains of tenants need certificates of
# their own on the listener (aws_lb_listener_certificate).
resource "aws_security_group" "this" {
  name        = "${var.name}-entrance"
  description = "The load balancer in front of the router"
  vpc_id      = var.vpc_id
}

locals {
  open_ports = { http = 80, https = 443 }
  openings = { for pair in setproduct(keys(local.open_ports), var.allowed_ranges) :
    "${pair[0]} from ${pair[1]}" => { port = local.open_ports[pair[0]], range = pair[1] }
  }
}

resource "aws_vpc_security_group_ingress_rule" "public" {
  for_each          = local.openings
  security_group_id = aws_security_group.this.id
  cidr_ipv4         = each.value.range
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "nodes" {
  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = var.node_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.node_port
  to_port                      = var.node_port
}

resource "aws_vpc_security_group_ingress_rule" "nodes" {
  security_group_id            = var.node_security_group_id
  referenced_security_group_id = aws_security_group.this.id
  description                  = "${var.name}: load balancer to router"
  ip_protocol                  = "tcp"
  from_port                    = var.node_port
  to_port                      = var.node_port
}

resource "aws_lb" "this" {
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.public_subnet_ids
  security_groups    = [aws_security_group.this.id]
  # Streams and held requests (a tenant that wakes up) send a sign of life every 15 seconds.
  idle_timeout               = 120
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
}

resource "aws_lb_target_group" "router" {
  name                 = var.name
  vpc_id               = var.vpc_id
  target_type          = "instance"
  protocol             = "HTTP"
  port                 = var.node_port
  deregistration_delay = 60
  # Any answer of the router is a sign of life: what / says depends on the host.
  health_check {
    path                = "/"
    matcher             = "200-499"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_autoscaling_attachment" "router" {
  for_each               = var.autoscaling_groups
  autoscaling_group_name = each.value
  lb_target_group_arn    = aws_lb_target_group.router.arn
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.router.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_route53_record" "this" {
  for_each = toset([var.base_domain, "*.${var.base_domain}"])
  zone_id  = var.zone_id
  name     = each.value
  type     = "A"
  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }
}
