-- Calendars and appointments.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE calendar (
    id bigserial NOT NULL,
    group_id integer NOT NULL,
    name varchar(200) NOT NULL,
    salt_string varchar(64) NOT NULL,
    color varchar(7) NOT NULL,
    ticket_appointments text,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT calendar_pkey PRIMARY KEY (id),
    CONSTRAINT calendar_name UNIQUE (name),
    CONSTRAINT fk_calendar_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_calendar_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_calendar_group_id_id FOREIGN KEY (group_id) REFERENCES permission_groups (id),
    CONSTRAINT fk_calendar_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE calendar_appointment (
    id bigserial NOT NULL,
    parent_id bigint,
    calendar_id bigint NOT NULL,
    unique_id varchar(255) NOT NULL,
    title varchar(255) NOT NULL,
    description varchar(3800),
    location varchar(255),
    start_time timestamp(0) NOT NULL,
    end_time timestamp(0) NOT NULL,
    all_day smallint,
    notify_time timestamp(0),
    notify_template varchar(255),
    notify_custom varchar(255),
    notify_custom_unit_count bigint,
    notify_custom_unit varchar(255),
    notify_custom_unit_point varchar(255),
    notify_custom_date timestamp(0),
    team_id varchar(3800),
    resource_id varchar(3800),
    recurring smallint,
    recur_type varchar(20),
    recur_freq varchar(255),
    recur_count integer,
    recur_interval integer,
    recur_until timestamp(0),
    recur_id timestamp(0),
    recur_exclude varchar(3800),
    ticket_appointment_rule_id varchar(32),
    create_time timestamp(0),
    create_by integer,
    change_time timestamp(0),
    change_by integer,
    CONSTRAINT calendar_appointment_pkey PRIMARY KEY (id),
    CONSTRAINT fk_calendar_appointment_calendar_id_id FOREIGN KEY (calendar_id) REFERENCES calendar (id),
    CONSTRAINT fk_calendar_appointment_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_calendar_appointment_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_calendar_appointment_parent_id_id FOREIGN KEY (parent_id) REFERENCES calendar_appointment (id)
);

CREATE TABLE calendar_appointment_plugin (
    id serial NOT NULL,
    dbcrud_uuid varchar(36),
    appointment_id bigint NOT NULL,
    plugin_key varchar(1000) NOT NULL,
    config varchar,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT calendar_appointment_plugin_pkey PRIMARY KEY (id),
    CONSTRAINT calendar_appointment_plugin_uuid UNIQUE (dbcrud_uuid),
    CONSTRAINT fk_calendar_appointment_plugin_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_calendar_appointment_plugin_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE calendar_appointment_ticket (
    calendar_id bigint NOT NULL,
    ticket_id bigint NOT NULL,
    rule_id varchar(32) NOT NULL,
    appointment_id bigint NOT NULL,
    CONSTRAINT calendar_appointment_ticket_calendar_id_ticket_id_rule_id UNIQUE (calendar_id, ticket_id, rule_id),
    CONSTRAINT fk_calendar_appointment_ticket_appointment_id_id FOREIGN KEY (appointment_id) REFERENCES calendar_appointment (id),
    CONSTRAINT fk_calendar_appointment_ticket_calendar_id_id FOREIGN KEY (calendar_id) REFERENCES calendar (id),
    CONSTRAINT fk_calendar_appointment_ticket_ticket_id_id FOREIGN KEY (ticket_id) REFERENCES ticket (id)
);
CREATE INDEX calendar_appointment_ticket_appointment_id ON calendar_appointment_ticket (appointment_id);
CREATE INDEX calendar_appointment_ticket_calendar_id ON calendar_appointment_ticket (calendar_id);
CREATE INDEX calendar_appointment_ticket_rule_id ON calendar_appointment_ticket (rule_id);
CREATE INDEX calendar_appointment_ticket_ticket_id ON calendar_appointment_ticket (ticket_id);
