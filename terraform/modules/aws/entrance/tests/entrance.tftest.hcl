mock_provider "aws" {}

variables {
  name                   = "gotrs"
  vpc_id                 = "vpc-0a"
  public_subnet_ids      = ["subnet-0a", "subnet-0b"]
  node_security_group_id = "sg-0a"
  autoscaling_groups     = { workers = "eks-workers-1" }
  certificate_arn        = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
  base_domain            = "helpdesk.example.com"
  zone_id                = "Z0123456789ABCDEFGHIJ"
}

run "all_hosts_lead_here_by_tls" {
  command = plan
  assert {
    condition     = toset(keys(aws_route53_record.this)) == toset(["helpdesk.example.com", "*.helpdesk.example.com"])
    error_message = "the console and all tenants"
  }
  assert {
    condition     = aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS"
    error_message = "nothing is served without TLS"
  }
  assert {
    condition     = aws_lb_target_group.router.port == 30080 && aws_vpc_security_group_ingress_rule.nodes.from_port == 30080
    error_message = "one port on the nodes, and it is open"
  }
}

run "a_range_of_its_own_is_two_rules" {
  command = plan
  variables { allowed_ranges = ["203.0.113.0/24", "198.51.100.0/24"] }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.public) == 4
    error_message = "two ports from two ranges"
  }
}

run "a_node_port_is_one" {
  command = plan
  variables { node_port = 8080 }
  expect_failures = [var.node_port]
}
