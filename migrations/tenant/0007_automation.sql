-- What happens by itself: notifications, jobs, access control lists, processes.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE notification_event (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    valid_id smallint NOT NULL,
    comments varchar(250),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT notification_event_pkey PRIMARY KEY (id),
    CONSTRAINT notification_event_name UNIQUE (name),
    CONSTRAINT fk_notification_event_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_notification_event_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_notification_event_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE notification_event_item (
    notification_id integer NOT NULL,
    event_key varchar(200) NOT NULL,
    event_value varchar(200) NOT NULL,
    CONSTRAINT fk_notification_event_item_notification_id_id FOREIGN KEY (notification_id) REFERENCES notification_event (id)
);
CREATE INDEX notification_event_item_event_key ON notification_event_item (event_key);
CREATE INDEX notification_event_item_event_value ON notification_event_item (event_value);
CREATE INDEX notification_event_item_notification_id ON notification_event_item (notification_id);

CREATE TABLE notification_event_message (
    id serial NOT NULL,
    notification_id integer NOT NULL,
    subject varchar(200) NOT NULL,
    text varchar NOT NULL,
    content_type varchar(250) NOT NULL,
    language varchar(60) NOT NULL,
    CONSTRAINT notification_event_message_pkey PRIMARY KEY (id),
    CONSTRAINT notification_event_message_notification_id_language UNIQUE (notification_id, language),
    CONSTRAINT fk_notification_event_message_notification_id_id FOREIGN KEY (notification_id) REFERENCES notification_event (id)
);
CREATE INDEX notification_event_message_language ON notification_event_message (language);
CREATE INDEX notification_event_message_notification_id ON notification_event_message (notification_id);

CREATE TABLE generic_agent_jobs (
    job_name varchar(200) NOT NULL,
    job_key varchar(255) NOT NULL,
    job_value varchar(3800)
);
CREATE INDEX generic_agent_jobs_job_name ON generic_agent_jobs (job_name);

CREATE TABLE acl (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    comments varchar(250),
    description varchar(250),
    valid_id smallint NOT NULL,
    stop_after_match smallint,
    config_match text,
    config_change text,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT acl_pkey PRIMARY KEY (id),
    CONSTRAINT acl_name UNIQUE (name),
    CONSTRAINT fk_acl_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_acl_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_acl_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE acl_sync (
    acl_id varchar(200) NOT NULL,
    sync_state varchar(30) NOT NULL,
    create_time timestamp(0) NOT NULL,
    change_time timestamp(0) NOT NULL
);

CREATE TABLE acl_ticket_attribute_relations (
    id bigserial NOT NULL,
    filename varchar(255) NOT NULL,
    attribute_1 varchar(200) NOT NULL,
    attribute_2 varchar(200) NOT NULL,
    acl_data varchar NOT NULL,
    priority bigint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT acl_ticket_attribute_relations_pkey PRIMARY KEY (id),
    CONSTRAINT acl_tar_filename UNIQUE (filename),
    CONSTRAINT fk_acl_ticket_attribute_relations_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_acl_ticket_attribute_relations_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE pm_process (
    id serial NOT NULL,
    entity_id varchar(50) NOT NULL,
    name varchar(200) NOT NULL,
    state_entity_id varchar(50) NOT NULL,
    layout text NOT NULL,
    config text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT pm_process_pkey PRIMARY KEY (id),
    CONSTRAINT pm_process_entity_id UNIQUE (entity_id),
    CONSTRAINT fk_pm_process_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_pm_process_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE pm_activity (
    id serial NOT NULL,
    entity_id varchar(50) NOT NULL,
    name varchar(200) NOT NULL,
    config text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT pm_activity_pkey PRIMARY KEY (id),
    CONSTRAINT pm_activity_entity_id UNIQUE (entity_id),
    CONSTRAINT fk_pm_activity_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_pm_activity_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE pm_activity_dialog (
    id serial NOT NULL,
    entity_id varchar(50) NOT NULL,
    name varchar(200) NOT NULL,
    config text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT pm_activity_dialog_pkey PRIMARY KEY (id),
    CONSTRAINT pm_activity_dialog_entity_id UNIQUE (entity_id),
    CONSTRAINT fk_pm_activity_dialog_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_pm_activity_dialog_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE pm_transition (
    id serial NOT NULL,
    entity_id varchar(50) NOT NULL,
    name varchar(200) NOT NULL,
    config text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT pm_transition_pkey PRIMARY KEY (id),
    CONSTRAINT pm_transition_entity_id UNIQUE (entity_id),
    CONSTRAINT fk_pm_transition_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_pm_transition_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE pm_transition_action (
    id serial NOT NULL,
    entity_id varchar(50) NOT NULL,
    name varchar(200) NOT NULL,
    config text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT pm_transition_action_pkey PRIMARY KEY (id),
    CONSTRAINT pm_transition_action_entity_id UNIQUE (entity_id),
    CONSTRAINT fk_pm_transition_action_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_pm_transition_action_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE pm_entity_sync (
    entity_type varchar(30) NOT NULL,
    entity_id varchar(50) NOT NULL,
    sync_state varchar(30) NOT NULL,
    create_time timestamp(0) NOT NULL,
    change_time timestamp(0) NOT NULL,
    CONSTRAINT pm_entity_sync_list UNIQUE (entity_type, entity_id)
);
