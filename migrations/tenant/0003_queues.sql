-- Where mail comes from, where it goes, and what is said in answer.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE system_address (
    id serial NOT NULL,
    value0 varchar(200) NOT NULL,
    value1 varchar(200) NOT NULL,
    value2 varchar(200),
    value3 varchar(200),
    queue_id integer NOT NULL,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT system_address_pkey PRIMARY KEY (id),
    CONSTRAINT fk_system_address_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_system_address_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_system_address_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE salutation (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    text varchar(3000) NOT NULL,
    content_type varchar(250),
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT salutation_pkey PRIMARY KEY (id),
    CONSTRAINT salutation_name UNIQUE (name),
    CONSTRAINT fk_salutation_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_salutation_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_salutation_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE signature (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    text varchar(3000) NOT NULL,
    content_type varchar(250),
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT signature_pkey PRIMARY KEY (id),
    CONSTRAINT signature_name UNIQUE (name),
    CONSTRAINT fk_signature_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_signature_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_signature_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE follow_up_possible (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT follow_up_possible_pkey PRIMARY KEY (id),
    CONSTRAINT follow_up_possible_name UNIQUE (name),
    CONSTRAINT fk_follow_up_possible_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_follow_up_possible_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_follow_up_possible_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE queue (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    group_id integer NOT NULL,
    unlock_timeout integer,
    first_response_time integer,
    first_response_notify smallint,
    update_time integer,
    update_notify smallint,
    solution_time integer,
    solution_notify smallint,
    system_address_id smallint NOT NULL,
    calendar_name varchar(100),
    default_sign_key varchar(100),
    salutation_id smallint NOT NULL,
    signature_id smallint NOT NULL,
    follow_up_id smallint NOT NULL,
    follow_up_lock smallint NOT NULL,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT queue_pkey PRIMARY KEY (id),
    CONSTRAINT queue_name UNIQUE (name),
    CONSTRAINT fk_queue_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_queue_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_queue_follow_up_id_id FOREIGN KEY (follow_up_id) REFERENCES follow_up_possible (id),
    CONSTRAINT fk_queue_group_id_id FOREIGN KEY (group_id) REFERENCES permission_groups (id),
    CONSTRAINT fk_queue_salutation_id_id FOREIGN KEY (salutation_id) REFERENCES salutation (id),
    CONSTRAINT fk_queue_signature_id_id FOREIGN KEY (signature_id) REFERENCES signature (id),
    CONSTRAINT fk_queue_system_address_id_id FOREIGN KEY (system_address_id) REFERENCES system_address (id),
    CONSTRAINT fk_queue_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);
CREATE INDEX queue_group_id ON queue (group_id);

CREATE TABLE queue_preferences (
    queue_id integer NOT NULL,
    preferences_key varchar(150) NOT NULL,
    preferences_value varchar(250),
    CONSTRAINT fk_queue_preferences_queue_id_id FOREIGN KEY (queue_id) REFERENCES queue (id)
);
CREATE INDEX queue_preferences_queue_id ON queue_preferences (queue_id);

CREATE TABLE personal_queues (
    user_id integer NOT NULL,
    queue_id integer NOT NULL,
    CONSTRAINT fk_personal_queues_queue_id_id FOREIGN KEY (queue_id) REFERENCES queue (id),
    CONSTRAINT fk_personal_queues_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX personal_queues_queue_id ON personal_queues (queue_id);
CREATE INDEX personal_queues_user_id ON personal_queues (user_id);

CREATE TABLE auto_response_type (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT auto_response_type_pkey PRIMARY KEY (id),
    CONSTRAINT auto_response_type_name UNIQUE (name),
    CONSTRAINT fk_auto_response_type_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_auto_response_type_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_auto_response_type_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE auto_response (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    text0 varchar(6000),
    text1 varchar(6000),
    type_id smallint NOT NULL,
    system_address_id smallint NOT NULL,
    content_type varchar(250),
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT auto_response_pkey PRIMARY KEY (id),
    CONSTRAINT auto_response_name UNIQUE (name),
    CONSTRAINT fk_auto_response_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_auto_response_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_auto_response_system_address_id_id FOREIGN KEY (system_address_id) REFERENCES system_address (id),
    CONSTRAINT fk_auto_response_type_id_id FOREIGN KEY (type_id) REFERENCES auto_response_type (id),
    CONSTRAINT fk_auto_response_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE queue_auto_response (
    id serial NOT NULL,
    queue_id integer NOT NULL,
    auto_response_id integer NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT queue_auto_response_pkey PRIMARY KEY (id),
    CONSTRAINT fk_queue_auto_response_auto_response_id_id FOREIGN KEY (auto_response_id) REFERENCES auto_response (id),
    CONSTRAINT fk_queue_auto_response_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_queue_auto_response_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_queue_auto_response_queue_id_id FOREIGN KEY (queue_id) REFERENCES queue (id)
);

CREATE TABLE standard_template (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    text varchar,
    content_type varchar(250),
    template_type varchar(100) NOT NULL DEFAULT 'Answer',
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT standard_template_pkey PRIMARY KEY (id),
    CONSTRAINT standard_template_name UNIQUE (name),
    CONSTRAINT fk_standard_template_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_standard_template_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_standard_template_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE standard_attachment (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    content_type varchar(250) NOT NULL,
    content text NOT NULL,
    filename varchar(250) NOT NULL,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT standard_attachment_pkey PRIMARY KEY (id),
    CONSTRAINT standard_attachment_name UNIQUE (name),
    CONSTRAINT fk_standard_attachment_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_standard_attachment_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_standard_attachment_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE standard_template_attachment (
    id serial NOT NULL,
    standard_attachment_id integer NOT NULL,
    standard_template_id integer NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT standard_template_attachment_pkey PRIMARY KEY (id),
    CONSTRAINT fk_standard_template_attachment_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_standard_template_attachment_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_standard_template_attachment_standard_attachment_id_id FOREIGN KEY (standard_attachment_id) REFERENCES standard_attachment (id),
    CONSTRAINT fk_standard_template_attachment_standard_template_id_id FOREIGN KEY (standard_template_id) REFERENCES standard_template (id)
);

CREATE TABLE queue_standard_template (
    queue_id integer NOT NULL,
    standard_template_id integer NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT fk_queue_standard_template_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_queue_standard_template_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_queue_standard_template_queue_id_id FOREIGN KEY (queue_id) REFERENCES queue (id),
    CONSTRAINT fk_queue_standard_template_standard_template_id_id FOREIGN KEY (standard_template_id) REFERENCES standard_template (id)
);

CREATE TABLE postmaster_filter (
    f_name varchar(200) NOT NULL,
    f_stop smallint,
    f_type varchar(20) NOT NULL,
    f_key varchar(200) NOT NULL,
    f_value varchar(200) NOT NULL,
    f_not smallint
);
CREATE INDEX postmaster_filter_f_name ON postmaster_filter (f_name);

CREATE TABLE oauth2_token_config (
    id serial NOT NULL,
    dbcrud_uuid varchar(36),
    name varchar(250) NOT NULL,
    config varchar NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT oauth2_token_config_pkey PRIMARY KEY (id),
    CONSTRAINT oauth2_token_config_name UNIQUE (name),
    CONSTRAINT oauth2_token_config_uuid UNIQUE (dbcrud_uuid),
    CONSTRAINT fk_oauth2_token_config_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_oauth2_token_config_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_oauth2_token_config_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE oauth2_token (
    id serial NOT NULL,
    dbcrud_uuid varchar(36),
    token_config_id integer NOT NULL,
    authorization_code varchar,
    token varchar,
    token_expiration_date timestamp(0),
    refresh_token varchar,
    refresh_token_expiration_date timestamp(0),
    error_message varchar,
    error_description varchar,
    error_code varchar(1000),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT oauth2_token_pkey PRIMARY KEY (id),
    CONSTRAINT oauth2_token_config_id UNIQUE (token_config_id),
    CONSTRAINT oauth2_token_uuid UNIQUE (dbcrud_uuid),
    CONSTRAINT fk_oauth2_token_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_oauth2_token_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_oauth2_token_token_config_id_id FOREIGN KEY (token_config_id) REFERENCES oauth2_token_config (id)
);

CREATE TABLE mail_account (
    id serial NOT NULL,
    login varchar(200) NOT NULL,
    pw varchar(255) NOT NULL,
    host varchar(200) NOT NULL,
    account_type varchar(20) NOT NULL,
    queue_id integer NOT NULL,
    trusted smallint NOT NULL,
    imap_folder varchar(250),
    authentication_type varchar(100) NOT NULL DEFAULT 'password',
    oauth2_token_config_id integer,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT mail_account_pkey PRIMARY KEY (id),
    CONSTRAINT fk_mail_account_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_mail_account_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_mail_account_oauth2_token_config_id_id FOREIGN KEY (oauth2_token_config_id) REFERENCES oauth2_token_config (id),
    CONSTRAINT fk_mail_account_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);
