variables {
  base_domain                   = "helpdesk.example.com"
  tenants_database_secret       = { name = "tenants-database" }
  control_plane_database_secret = { name = "control-plane-database", key = "uri" }
  s3                            = { bucket = "example-gotrs", region = "eu-central-1", secret = "object-store" }
  mail                          = { secret = "mail" }
  cluster_ranges                = ["10.0.0.0/16", "172.20.0.0/16"]
  s3_ranges                     = ["52.219.0.0/16"]
  trusted_proxies               = ["10.0.0.0/16"]
  postgres_places = [
    { namespace = "gotrs-database", labels = { "cnpg.io/cluster" = "tenants" } },
    { range = "10.0.7.0/24", port = 6432 },
  ]
}

run "what_is_given_is_there" {
  command = apply
  assert {
    condition     = yamldecode(output.yaml).baseDomain == "helpdesk.example.com"
    error_message = "the base domain is missing"
  }
  assert {
    condition     = yamldecode(output.yaml).database.controlPlane.key == "uri" && yamldecode(output.yaml).database.tenants.key == "url"
    error_message = "keys of the Secrets"
  }
  assert {
    condition = yamldecode(output.yaml).network.postgres == [
      { to = { pods = { namespace = "gotrs-database", labels = { "cnpg.io/cluster" = "tenants" } } }, port = 5432 },
      { to = { range = "10.0.7.0/24" }, port = 6432 },
    ]
    error_message = "places of PostgreSQL"
  }
}

run "traces_and_metrics_pass_the_walls" {
  command = apply
  variables {
    otlp_endpoint     = "http://collector.monitoring.svc:4317"
    telemetry_places  = [{ namespace = "monitoring", labels = { app = "collector" } }]
    monitor_labels    = { release = "prometheus" }
    monitoring_places = [{ namespace = "monitoring", labels = { app = "prometheus" } }, { range = "10.0.9.9/32" }]
  }
  assert {
    condition     = yamldecode(output.yaml).telemetry.otlpEndpoint == "http://collector.monitoring.svc:4317"
    error_message = "where traces go, for all parts"
  }
  assert {
    condition = yamldecode(output.yaml).network.telemetry == [
      { to = { pods = { namespace = "monitoring", labels = { app = "collector" } } }, port = 4317 },
    ]
    error_message = "places of the collector"
  }
  assert {
    condition = yamldecode(output.yaml).network.monitoring == [
      { pods = { namespace = "monitoring", labels = { app = "prometheus" } } }, { range = "10.0.9.9/32" },
    ]
    error_message = "places of Prometheus"
  }
}

run "traces_without_a_way_are_refused" {
  command = plan
  variables { otlp_endpoint = "http://collector.monitoring.svc:4317" }
  expect_failures = [var.otlp_endpoint]
}

run "monitors_whose_reader_is_walled_off_are_refused" {
  command = plan
  variables { monitor_labels = { release = "prometheus" } }
  expect_failures = [var.monitor_labels]
}

run "who_reads_metrics_is_somewhere" {
  command = plan
  variables { monitoring_places = [{ namespace = "monitoring" }] }
  expect_failures = [var.monitoring_places]
}

run "what_is_left_out_is_left_to_the_chart" {
  command = apply
  assert {
    condition     = yamldecode(output.yaml).image == {} && yamldecode(output.yaml).tenants == {} && yamldecode(output.yaml).telemetry == {}
    error_message = "null must not reach the chart: its schema refuses it"
  }
  assert {
    condition     = !can(yamldecode(output.yaml).s3.endpoint) && !can(yamldecode(output.yaml).mail.from)
    error_message = "an absent endpoint and sender must not reach the chart"
  }
}

run "a_bad_domain_is_refused" {
  command = plan
  variables { base_domain = "Helpdesk.example.com:443" }
  expect_failures = [var.base_domain]
}

run "a_cluster_without_ranges_is_refused" {
  command = plan
  variables { cluster_ranges = [] }
  expect_failures = [var.cluster_ranges]
}

run "ranges_are_ranges" {
  command = plan
  variables { trusted_proxies = ["loadbalancer"] }
  expect_failures = [var.trusted_proxies]
}

run "a_place_is_one_of_two_kinds" {
  command = plan
  variables { postgres_places = [{ range = "10.0.0.5/32", namespace = "databases", labels = { app = "postgresql" } }] }
  expect_failures = [var.postgres_places]
}

run "a_place_is_somewhere" {
  command = plan
  variables { postgres_places = [{ namespace = "databases" }] }
  expect_failures = [var.postgres_places]
}

run "a_node_port_is_one" {
  command = plan
  variables { node_port = 80 }
  expect_failures = [var.node_port]
}
