-- Scheduled work, mail logs, keys and stored things.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE scheduler_task (
    id bigserial NOT NULL,
    ident bigint NOT NULL,
    name varchar(150),
    task_type varchar(150) NOT NULL,
    task_data text NOT NULL,
    attempts smallint NOT NULL,
    lock_key bigint NOT NULL,
    lock_time timestamp(0),
    lock_update_time timestamp(0),
    create_time timestamp(0) NOT NULL,
    CONSTRAINT scheduler_task_pkey PRIMARY KEY (id),
    CONSTRAINT scheduler_task_ident UNIQUE (ident)
);
CREATE INDEX scheduler_task_ident_id ON scheduler_task (ident, id);
CREATE INDEX scheduler_task_lock_key_id ON scheduler_task (lock_key, id);

CREATE TABLE scheduler_future_task (
    id bigserial NOT NULL,
    ident bigint NOT NULL,
    execution_time timestamp(0) NOT NULL,
    name varchar(150),
    task_type varchar(150) NOT NULL,
    task_data text NOT NULL,
    attempts smallint NOT NULL,
    lock_key bigint NOT NULL,
    lock_time timestamp(0),
    create_time timestamp(0) NOT NULL,
    CONSTRAINT scheduler_future_task_pkey PRIMARY KEY (id),
    CONSTRAINT scheduler_future_task_ident UNIQUE (ident)
);
CREATE INDEX scheduler_future_task_ident_id ON scheduler_future_task (ident, id);
CREATE INDEX scheduler_future_task_lock_key_id ON scheduler_future_task (lock_key, id);

CREATE TABLE scheduler_recurrent_task (
    id bigserial NOT NULL,
    name varchar(150) NOT NULL,
    task_type varchar(150) NOT NULL,
    last_execution_time timestamp(0) NOT NULL,
    last_worker_task_id bigint,
    last_worker_status smallint,
    last_worker_running_time integer,
    lock_key bigint NOT NULL,
    lock_time timestamp(0),
    create_time timestamp(0) NOT NULL,
    change_time timestamp(0) NOT NULL,
    CONSTRAINT scheduler_recurrent_task_pkey PRIMARY KEY (id),
    CONSTRAINT scheduler_recurrent_task_name_task_type UNIQUE (name, task_type)
);
CREATE INDEX scheduler_recurrent_task_lock_key_id ON scheduler_recurrent_task (lock_key, id);
CREATE INDEX scheduler_recurrent_task_task_type_name ON scheduler_recurrent_task (task_type, name);

CREATE TABLE process_id (
    process_name varchar(200) NOT NULL,
    process_id varchar(200) NOT NULL,
    process_host varchar(200) NOT NULL,
    process_create integer NOT NULL,
    process_change integer NOT NULL
);

CREATE TABLE communication_log (
    id bigserial NOT NULL,
    insert_fingerprint varchar(64),
    transport varchar(200) NOT NULL,
    direction varchar(200) NOT NULL,
    status varchar(200) NOT NULL,
    account_type varchar(200),
    account_id varchar(200),
    start_time timestamp(0) NOT NULL,
    end_time timestamp(0),
    CONSTRAINT communication_log_pkey PRIMARY KEY (id)
);
CREATE INDEX communication_direction ON communication_log (direction);
CREATE INDEX communication_start_time ON communication_log (start_time);
CREATE INDEX communication_status ON communication_log (status);
CREATE INDEX communication_transport ON communication_log (transport);

CREATE TABLE communication_log_object (
    id bigserial NOT NULL,
    insert_fingerprint varchar(64),
    communication_id bigint NOT NULL,
    object_type varchar(50) NOT NULL,
    status varchar(200) NOT NULL,
    start_time timestamp(0) NOT NULL,
    end_time timestamp(0),
    CONSTRAINT communication_log_object_pkey PRIMARY KEY (id),
    CONSTRAINT fk_communication_log_object_communication_id_id FOREIGN KEY (communication_id) REFERENCES communication_log (id)
);
CREATE INDEX communication_log_object_object_type ON communication_log_object (object_type);
CREATE INDEX communication_log_object_status ON communication_log_object (status);

CREATE TABLE communication_log_object_entry (
    id bigserial NOT NULL,
    communication_log_object_id bigint NOT NULL,
    log_key varchar(200) NOT NULL,
    log_value varchar NOT NULL,
    priority varchar(50) NOT NULL,
    create_time timestamp(0) NOT NULL,
    CONSTRAINT communication_log_object_entry_pkey PRIMARY KEY (id),
    CONSTRAINT fk_communication_log_object_entry_communication_log_objectaa FOREIGN KEY (communication_log_object_id) REFERENCES communication_log_object (id)
);
CREATE INDEX communication_log_object_entry_key ON communication_log_object_entry (log_key);

CREATE TABLE communication_log_obj_lookup (
    id bigserial NOT NULL,
    communication_log_object_id bigint NOT NULL,
    object_type varchar(200) NOT NULL,
    object_id bigint NOT NULL,
    CONSTRAINT communication_log_obj_lookup_pkey PRIMARY KEY (id),
    CONSTRAINT fk_communication_log_obj_lookup_communication_log_object_i0f FOREIGN KEY (communication_log_object_id) REFERENCES communication_log_object (id)
);
CREATE INDEX communication_log_obj_lookup_target ON communication_log_obj_lookup (object_type, object_id);

CREATE TABLE smime_keys (
    id serial NOT NULL,
    key_hash varchar(8) NOT NULL,
    key_type varchar(255) NOT NULL,
    file_name varchar(255) NOT NULL,
    email_address varchar,
    expiration_date timestamp(0),
    fingerprint varchar(59),
    subject varchar,
    create_time timestamp(0),
    change_time timestamp(0),
    create_by integer,
    change_by integer,
    CONSTRAINT smime_keys_pkey PRIMARY KEY (id),
    CONSTRAINT fk_smime_keys_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_smime_keys_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);
CREATE INDEX smime_keys_file_name ON smime_keys (file_name);
CREATE INDEX smime_keys_key_hash ON smime_keys (key_hash);
CREATE INDEX smime_keys_key_type ON smime_keys (key_type);

CREATE TABLE smime_signer_cert_relations (
    id serial NOT NULL,
    cert_hash varchar(8) NOT NULL,
    cert_fingerprint varchar(59) NOT NULL,
    ca_hash varchar(8) NOT NULL,
    ca_fingerprint varchar(59) NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT smime_signer_cert_relations_pkey PRIMARY KEY (id),
    CONSTRAINT fk_smime_signer_cert_relations_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_smime_signer_cert_relations_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE search_profile (
    login varchar(200) NOT NULL,
    profile_name varchar(200) NOT NULL,
    profile_type varchar(30) NOT NULL,
    profile_key varchar(2000) NOT NULL,
    profile_value varchar(2000)
);
CREATE INDEX search_profile_login ON search_profile (login);
CREATE INDEX search_profile_profile_name ON search_profile (profile_name);

CREATE TABLE form_draft (
    id serial NOT NULL,
    object_type varchar(100) NOT NULL,
    object_id integer NOT NULL,
    action varchar(200) NOT NULL,
    title varchar(255),
    content text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT form_draft_pkey PRIMARY KEY (id),
    CONSTRAINT fk_form_draft_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_form_draft_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);
CREATE INDEX form_draft_object_type_object_id_action ON form_draft (object_type, object_id, action);

CREATE TABLE web_upload_cache (
    form_id varchar(250),
    filename varchar(250),
    content_id varchar(250),
    content_size varchar(30),
    content_type varchar(250),
    disposition varchar(15),
    content text NOT NULL,
    create_time_unix bigint NOT NULL,
    user_id varchar(250),
    user_type varchar(20)
);

CREATE TABLE virtual_fs (
    id bigserial NOT NULL,
    filename varchar(350) NOT NULL,
    backend varchar(60) NOT NULL,
    backend_key varchar(160) NOT NULL,
    create_time timestamp(0) NOT NULL,
    CONSTRAINT virtual_fs_pkey PRIMARY KEY (id)
);
CREATE INDEX virtual_fs_backend ON virtual_fs (backend);
CREATE INDEX virtual_fs_filename ON virtual_fs (filename);

CREATE TABLE virtual_fs_db (
    id bigserial NOT NULL,
    filename varchar(350) NOT NULL,
    content text,
    create_time timestamp(0) NOT NULL,
    CONSTRAINT virtual_fs_db_pkey PRIMARY KEY (id)
);
CREATE INDEX virtual_fs_db_filename ON virtual_fs_db (filename);

CREATE TABLE virtual_fs_preferences (
    virtual_fs_id bigint NOT NULL,
    preferences_key varchar(150) NOT NULL,
    preferences_value varchar(350),
    CONSTRAINT fk_virtual_fs_preferences_virtual_fs_id_id FOREIGN KEY (virtual_fs_id) REFERENCES virtual_fs (id)
);
CREATE INDEX virtual_fs_preferences_key_value ON virtual_fs_preferences (preferences_key, preferences_value);
CREATE INDEX virtual_fs_preferences_virtual_fs_id ON virtual_fs_preferences (virtual_fs_id);

CREATE TABLE xml_storage (
    xml_type varchar(200) NOT NULL,
    xml_key varchar(250) NOT NULL,
    xml_content_key varchar(250) NOT NULL,
    xml_content_value varchar
);
CREATE INDEX xml_storage_key_type ON xml_storage (xml_key, xml_type);
CREATE INDEX xml_storage_xml_content_key ON xml_storage (xml_content_key);
