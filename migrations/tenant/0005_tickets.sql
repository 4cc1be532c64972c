-- Tickets, their words and their history.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE ticket_priority (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT ticket_priority_pkey PRIMARY KEY (id),
    CONSTRAINT ticket_priority_name UNIQUE (name),
    CONSTRAINT fk_ticket_priority_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_priority_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE ticket_type (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT ticket_type_pkey PRIMARY KEY (id),
    CONSTRAINT ticket_type_name UNIQUE (name),
    CONSTRAINT fk_ticket_type_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_type_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_type_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE ticket_lock_type (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT ticket_lock_type_pkey PRIMARY KEY (id),
    CONSTRAINT ticket_lock_type_name UNIQUE (name),
    CONSTRAINT fk_ticket_lock_type_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_lock_type_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_lock_type_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE ticket_state_type (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    comments varchar(250),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT ticket_state_type_pkey PRIMARY KEY (id),
    CONSTRAINT ticket_state_type_name UNIQUE (name),
    CONSTRAINT fk_ticket_state_type_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_state_type_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE ticket_state (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    comments varchar(250),
    type_id smallint NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT ticket_state_pkey PRIMARY KEY (id),
    CONSTRAINT ticket_state_name UNIQUE (name),
    CONSTRAINT fk_ticket_state_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_state_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_state_type_id_id FOREIGN KEY (type_id) REFERENCES ticket_state_type (id),
    CONSTRAINT fk_ticket_state_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE ticket (
    id bigserial NOT NULL,
    tn varchar(50) NOT NULL,
    title varchar(255),
    queue_id integer NOT NULL,
    ticket_lock_id smallint NOT NULL,
    type_id smallint,
    service_id integer,
    sla_id integer,
    user_id integer NOT NULL,
    responsible_user_id integer NOT NULL,
    ticket_priority_id smallint NOT NULL,
    ticket_state_id smallint NOT NULL,
    customer_id varchar(150),
    customer_user_id varchar(250),
    timeout integer NOT NULL,
    until_time integer NOT NULL,
    escalation_time integer NOT NULL,
    escalation_update_time integer NOT NULL,
    escalation_response_time integer NOT NULL,
    escalation_solution_time integer NOT NULL,
    archive_flag smallint NOT NULL DEFAULT 0,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT ticket_pkey PRIMARY KEY (id),
    CONSTRAINT ticket_tn UNIQUE (tn),
    CONSTRAINT fk_ticket_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_queue_id_id FOREIGN KEY (queue_id) REFERENCES queue (id),
    CONSTRAINT fk_ticket_responsible_user_id_id FOREIGN KEY (responsible_user_id) REFERENCES users (id),
    CONSTRAINT fk_ticket_service_id_id FOREIGN KEY (service_id) REFERENCES service (id),
    CONSTRAINT fk_ticket_sla_id_id FOREIGN KEY (sla_id) REFERENCES sla (id),
    CONSTRAINT fk_ticket_ticket_lock_id_id FOREIGN KEY (ticket_lock_id) REFERENCES ticket_lock_type (id),
    CONSTRAINT fk_ticket_ticket_priority_id_id FOREIGN KEY (ticket_priority_id) REFERENCES ticket_priority (id),
    CONSTRAINT fk_ticket_ticket_state_id_id FOREIGN KEY (ticket_state_id) REFERENCES ticket_state (id),
    CONSTRAINT fk_ticket_type_id_id FOREIGN KEY (type_id) REFERENCES ticket_type (id),
    CONSTRAINT fk_ticket_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ticket_archive_flag ON ticket (archive_flag);
CREATE INDEX ticket_create_time ON ticket (create_time);
CREATE INDEX ticket_customer_id ON ticket (customer_id);
CREATE INDEX ticket_customer_user_id ON ticket (customer_user_id);
CREATE INDEX ticket_escalation_response_time ON ticket (escalation_response_time);
CREATE INDEX ticket_escalation_solution_time ON ticket (escalation_solution_time);
CREATE INDEX ticket_escalation_time ON ticket (escalation_time);
CREATE INDEX ticket_escalation_update_time ON ticket (escalation_update_time);
CREATE INDEX ticket_queue_id ON ticket (queue_id);
CREATE INDEX ticket_queue_view ON ticket (ticket_state_id, ticket_lock_id);
CREATE INDEX ticket_responsible_user_id ON ticket (responsible_user_id);
CREATE INDEX ticket_ticket_lock_id ON ticket (ticket_lock_id);
CREATE INDEX ticket_ticket_priority_id ON ticket (ticket_priority_id);
CREATE INDEX ticket_ticket_state_id ON ticket (ticket_state_id);
CREATE INDEX ticket_timeout ON ticket (timeout);
CREATE INDEX ticket_title ON ticket (title);
CREATE INDEX ticket_type_id ON ticket (type_id);
CREATE INDEX ticket_until_time ON ticket (until_time);
CREATE INDEX ticket_user_id ON ticket (user_id);

CREATE TABLE ticket_flag (
    ticket_id bigint NOT NULL,
    ticket_key varchar(50) NOT NULL,
    ticket_value varchar(50),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    CONSTRAINT ticket_flag_per_user UNIQUE (ticket_id, ticket_key, create_by),
    CONSTRAINT fk_ticket_flag_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_flag_ticket_id_id FOREIGN KEY (ticket_id) REFERENCES ticket (id)
);
CREATE INDEX ticket_flag_ticket_id ON ticket_flag (ticket_id);
CREATE INDEX ticket_flag_ticket_id_create_by ON ticket_flag (ticket_id, create_by);
CREATE INDEX ticket_flag_ticket_id_ticket_key ON ticket_flag (ticket_id, ticket_key);

CREATE TABLE ticket_watcher (
    ticket_id bigint NOT NULL,
    user_id integer NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT fk_ticket_watcher_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_watcher_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_watcher_ticket_id_id FOREIGN KEY (ticket_id) REFERENCES ticket (id),
    CONSTRAINT fk_ticket_watcher_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ticket_watcher_ticket_id ON ticket_watcher (ticket_id);
CREATE INDEX ticket_watcher_user_id ON ticket_watcher (user_id);

CREATE TABLE ticket_index (
    ticket_id bigint NOT NULL,
    queue_id integer NOT NULL,
    queue varchar(200) NOT NULL,
    group_id integer NOT NULL,
    s_lock varchar(200) NOT NULL,
    s_state varchar(200) NOT NULL,
    create_time timestamp(0) NOT NULL,
    CONSTRAINT fk_ticket_index_group_id_id FOREIGN KEY (group_id) REFERENCES permission_groups (id),
    CONSTRAINT fk_ticket_index_queue_id_id FOREIGN KEY (queue_id) REFERENCES queue (id),
    CONSTRAINT fk_ticket_index_ticket_id_id FOREIGN KEY (ticket_id) REFERENCES ticket (id)
);
CREATE INDEX ticket_index_group_id ON ticket_index (group_id);
CREATE INDEX ticket_index_queue_id ON ticket_index (queue_id);
CREATE INDEX ticket_index_ticket_id ON ticket_index (ticket_id);

CREATE TABLE ticket_lock_index (
    ticket_id bigint NOT NULL,
    CONSTRAINT fk_ticket_lock_index_ticket_id_id FOREIGN KEY (ticket_id) REFERENCES ticket (id)
);
CREATE INDEX ticket_lock_index_ticket_id ON ticket_lock_index (ticket_id);

CREATE TABLE ticket_loop_protection (
    sent_to varchar(250) NOT NULL,
    sent_date varchar(150) NOT NULL
);
CREATE INDEX ticket_loop_protection_sent_date ON ticket_loop_protection (sent_date);
CREATE INDEX ticket_loop_protection_sent_to ON ticket_loop_protection (sent_to);

CREATE TABLE ticket_number_counter (
    id bigserial NOT NULL,
    counter bigint NOT NULL,
    counter_uid varchar(32) NOT NULL,
    create_time timestamp(0),
    CONSTRAINT ticket_number_counter_pkey PRIMARY KEY (id),
    CONSTRAINT ticket_number_counter_uid UNIQUE (counter_uid)
);
CREATE INDEX ticket_number_counter_create_time ON ticket_number_counter (create_time);

CREATE TABLE article_sender_type (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT article_sender_type_pkey PRIMARY KEY (id),
    CONSTRAINT article_sender_type_name UNIQUE (name),
    CONSTRAINT fk_article_sender_type_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_article_sender_type_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_article_sender_type_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE communication_channel (
    id bigserial NOT NULL,
    name varchar(200) NOT NULL,
    module varchar(200) NOT NULL,
    package_name varchar(200) NOT NULL,
    channel_data text NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT communication_channel_pkey PRIMARY KEY (id),
    CONSTRAINT communication_channel_name UNIQUE (name),
    CONSTRAINT fk_communication_channel_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_communication_channel_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_communication_channel_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE article (
    id bigserial NOT NULL,
    ticket_id bigint NOT NULL,
    article_sender_type_id smallint NOT NULL,
    communication_channel_id bigint NOT NULL,
    is_visible_for_customer smallint NOT NULL,
    search_index_needs_rebuild smallint NOT NULL DEFAULT 1,
    insert_fingerprint varchar(64),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT article_pkey PRIMARY KEY (id),
    CONSTRAINT fk_article_article_sender_type_id_id FOREIGN KEY (article_sender_type_id) REFERENCES article_sender_type (id),
    CONSTRAINT fk_article_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_article_communication_channel_id_id FOREIGN KEY (communication_channel_id) REFERENCES communication_channel (id),
    CONSTRAINT fk_article_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_article_ticket_id_id FOREIGN KEY (ticket_id) REFERENCES ticket (id)
);
CREATE INDEX article_article_sender_type_id ON article (article_sender_type_id);
CREATE INDEX article_communication_channel_id ON article (communication_channel_id);
CREATE INDEX article_search_index_needs_rebuild ON article (search_index_needs_rebuild);
CREATE INDEX article_ticket_id ON article (ticket_id);

CREATE TABLE article_data_mime (
    id bigserial NOT NULL,
    article_id bigint NOT NULL,
    a_from varchar,
    a_reply_to varchar,
    a_to varchar,
    a_cc varchar,
    a_bcc varchar,
    a_subject varchar(3800),
    a_message_id varchar(3800),
    a_message_id_md5 varchar(32),
    a_in_reply_to varchar,
    a_references varchar,
    a_content_type varchar(250),
    a_body varchar,
    incoming_time integer NOT NULL,
    content_path varchar(250),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT article_data_mime_pkey PRIMARY KEY (id),
    CONSTRAINT fk_article_data_mime_article_id_id FOREIGN KEY (article_id) REFERENCES article (id),
    CONSTRAINT fk_article_data_mime_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_article_data_mime_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);
CREATE INDEX article_data_mime_article_id ON article_data_mime (article_id);
CREATE INDEX article_data_mime_message_id_md5 ON article_data_mime (a_message_id_md5);

CREATE TABLE article_data_mime_plain (
    id bigserial NOT NULL,
    article_id bigint NOT NULL,
    body text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT article_data_mime_plain_pkey PRIMARY KEY (id),
    CONSTRAINT fk_article_data_mime_plain_article_id_id FOREIGN KEY (article_id) REFERENCES article (id),
    CONSTRAINT fk_article_data_mime_plain_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_article_data_mime_plain_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);
CREATE INDEX article_data_mime_plain_article_id ON article_data_mime_plain (article_id);

CREATE TABLE article_data_mime_attachment (
    id bigserial NOT NULL,
    article_id bigint NOT NULL,
    filename varchar(250),
    content_size varchar(30),
    content_type varchar(450),
    content_id varchar(250),
    content_alternative varchar(50),
    disposition varchar(15),
    content text,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT article_data_mime_attachment_pkey PRIMARY KEY (id),
    CONSTRAINT fk_article_data_mime_attachment_article_id_id FOREIGN KEY (article_id) REFERENCES article (id),
    CONSTRAINT fk_article_data_mime_attachment_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_article_data_mime_attachment_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);
CREATE INDEX article_data_mime_attachment_article_id ON article_data_mime_attachment (article_id);

CREATE TABLE article_data_mime_send_error (
    id bigserial NOT NULL,
    article_id bigint NOT NULL,
    message_id varchar(200),
    log_message varchar,
    create_time timestamp(0) NOT NULL,
    CONSTRAINT article_data_mime_send_error_pkey PRIMARY KEY (id),
    CONSTRAINT fk_article_data_mime_send_error_article_id_id FOREIGN KEY (article_id) REFERENCES article (id)
);
CREATE INDEX article_data_mime_transmission_article_id ON article_data_mime_send_error (article_id);
CREATE INDEX article_data_mime_transmission_message_id ON article_data_mime_send_error (message_id);

CREATE TABLE article_data_otrs_chat (
    id bigserial NOT NULL,
    article_id bigint NOT NULL,
    chat_participant_id varchar(255) NOT NULL,
    chat_participant_name varchar(255) NOT NULL,
    chat_participant_type varchar(255) NOT NULL,
    message_text varchar(3800),
    system_generated smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    CONSTRAINT article_data_otrs_chat_pkey PRIMARY KEY (id),
    CONSTRAINT fk_article_data_otrs_chat_article_id_id FOREIGN KEY (article_id) REFERENCES article (id)
);
CREATE INDEX article_data_otrs_chat_article_id ON article_data_otrs_chat (article_id);

CREATE TABLE article_flag (
    article_id bigint NOT NULL,
    article_key varchar(50) NOT NULL,
    article_value varchar(50),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    CONSTRAINT fk_article_flag_article_id_id FOREIGN KEY (article_id) REFERENCES article (id),
    CONSTRAINT fk_article_flag_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);
CREATE INDEX article_flag_article_id ON article_flag (article_id);
CREATE INDEX article_flag_article_id_create_by ON article_flag (article_id, create_by);

CREATE TABLE article_search_index (
    id bigserial NOT NULL,
    ticket_id bigint NOT NULL,
    article_id bigint NOT NULL,
    article_key varchar(200) NOT NULL,
    article_value varchar,
    CONSTRAINT article_search_index_pkey PRIMARY KEY (id),
    CONSTRAINT fk_article_search_index_article_id_id FOREIGN KEY (article_id) REFERENCES article (id),
    CONSTRAINT fk_article_search_index_ticket_id_id FOREIGN KEY (ticket_id) REFERENCES ticket (id)
);
CREATE INDEX article_search_index_article_id ON article_search_index (article_id, article_key);
CREATE INDEX article_search_index_ticket_id ON article_search_index (ticket_id, article_key);

CREATE TABLE ticket_history_type (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT ticket_history_type_pkey PRIMARY KEY (id),
    CONSTRAINT ticket_history_type_name UNIQUE (name),
    CONSTRAINT fk_ticket_history_type_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_history_type_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_history_type_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE ticket_history (
    id bigserial NOT NULL,
    name varchar(200) NOT NULL,
    history_type_id smallint NOT NULL,
    ticket_id bigint NOT NULL,
    article_id bigint,
    type_id smallint NOT NULL,
    queue_id integer NOT NULL,
    owner_id integer NOT NULL,
    priority_id smallint NOT NULL,
    state_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT ticket_history_pkey PRIMARY KEY (id),
    CONSTRAINT fk_ticket_history_article_id_id FOREIGN KEY (article_id) REFERENCES article (id),
    CONSTRAINT fk_ticket_history_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_history_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_ticket_history_history_type_id_id FOREIGN KEY (history_type_id) REFERENCES ticket_history_type (id),
    CONSTRAINT fk_ticket_history_owner_id_id FOREIGN KEY (owner_id) REFERENCES users (id),
    CONSTRAINT fk_ticket_history_priority_id_id FOREIGN KEY (priority_id) REFERENCES ticket_priority (id),
    CONSTRAINT fk_ticket_history_queue_id_id FOREIGN KEY (queue_id) REFERENCES queue (id),
    CONSTRAINT fk_ticket_history_state_id_id FOREIGN KEY (state_id) REFERENCES ticket_state (id),
    CONSTRAINT fk_ticket_history_ticket_id_id FOREIGN KEY (ticket_id) REFERENCES ticket (id),
    CONSTRAINT fk_ticket_history_type_id_id FOREIGN KEY (type_id) REFERENCES ticket_type (id)
);
CREATE INDEX ticket_history_article_id ON ticket_history (article_id);
CREATE INDEX ticket_history_create_time ON ticket_history (create_time);
CREATE INDEX ticket_history_history_type_id ON ticket_history (history_type_id);
CREATE INDEX ticket_history_owner_id ON ticket_history (owner_id);
CREATE INDEX ticket_history_priority_id ON ticket_history (priority_id);
CREATE INDEX ticket_history_queue_id ON ticket_history (queue_id);
CREATE INDEX ticket_history_state_id ON ticket_history (state_id);
CREATE INDEX ticket_history_ticket_id ON ticket_history (ticket_id);
CREATE INDEX ticket_history_type_id ON ticket_history (type_id);

CREATE TABLE time_accounting (
    id bigserial NOT NULL,
    ticket_id bigint NOT NULL,
    article_id bigint,
    time_unit numeric(10, 2) NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT time_accounting_pkey PRIMARY KEY (id),
    CONSTRAINT fk_time_accounting_article_id_id FOREIGN KEY (article_id) REFERENCES article (id),
    CONSTRAINT fk_time_accounting_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_time_accounting_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_time_accounting_ticket_id_id FOREIGN KEY (ticket_id) REFERENCES ticket (id)
);
CREATE INDEX time_accounting_article_id ON time_accounting (article_id);
CREATE INDEX time_accounting_ticket_id ON time_accounting (ticket_id);

CREATE TABLE mail_queue (
    id bigserial NOT NULL,
    insert_fingerprint varchar(64),
    article_id bigint,
    attempts integer NOT NULL,
    sender varchar(200),
    recipient varchar NOT NULL,
    raw_message text NOT NULL,
    due_time timestamp(0),
    last_smtp_code integer,
    last_smtp_message varchar,
    create_time timestamp(0) NOT NULL,
    CONSTRAINT mail_queue_pkey PRIMARY KEY (id),
    CONSTRAINT mail_queue_article_id UNIQUE (article_id),
    CONSTRAINT mail_queue_insert_fingerprint UNIQUE (insert_fingerprint),
    CONSTRAINT fk_mail_queue_article_id_id FOREIGN KEY (article_id) REFERENCES article (id)
);
CREATE INDEX mail_queue_attempts ON mail_queue (attempts);

CREATE TABLE mention (
    id serial NOT NULL,
    user_id integer,
    ticket_id integer,
    article_id integer,
    create_time timestamp(0),
    CONSTRAINT mention_pkey PRIMARY KEY (id)
);
CREATE INDEX mention_article_id ON mention (article_id);
CREATE INDEX mention_ticket_id ON mention (ticket_id);
CREATE INDEX mention_user_id ON mention (user_id);
