-- Settings, web services and packages.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE sysconfig_default (
    id serial NOT NULL,
    name varchar(250) NOT NULL,
    description text NOT NULL,
    navigation varchar(200) NOT NULL,
    is_invisible smallint NOT NULL,
    is_readonly smallint NOT NULL,
    is_required smallint NOT NULL,
    is_valid smallint NOT NULL,
    has_configlevel smallint NOT NULL,
    user_modification_possible smallint NOT NULL,
    user_modification_active smallint NOT NULL,
    user_preferences_group varchar(250),
    xml_content_raw text NOT NULL,
    xml_content_parsed text NOT NULL,
    xml_filename varchar(250) NOT NULL,
    effective_value text NOT NULL,
    is_dirty smallint NOT NULL,
    exclusive_lock_guid varchar(32) NOT NULL,
    exclusive_lock_user_id integer,
    exclusive_lock_expiry_time timestamp(0),
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT sysconfig_default_pkey PRIMARY KEY (id),
    CONSTRAINT sysconfig_default_name UNIQUE (name),
    CONSTRAINT fk_sysconfig_default_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_sysconfig_default_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_sysconfig_default_exclusive_lock_user_id_id FOREIGN KEY (exclusive_lock_user_id) REFERENCES users (id)
);

CREATE TABLE sysconfig_default_version (
    id serial NOT NULL,
    sysconfig_default_id integer,
    name varchar(250) NOT NULL,
    description text NOT NULL,
    navigation varchar(200) NOT NULL,
    is_invisible smallint NOT NULL,
    is_readonly smallint NOT NULL,
    is_required smallint NOT NULL,
    is_valid smallint NOT NULL,
    has_configlevel smallint NOT NULL,
    user_modification_possible smallint NOT NULL,
    user_modification_active smallint NOT NULL,
    user_preferences_group varchar(250),
    xml_content_raw text NOT NULL,
    xml_content_parsed text NOT NULL,
    xml_filename varchar(250) NOT NULL,
    effective_value text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT sysconfig_default_version_pkey PRIMARY KEY (id),
    CONSTRAINT fk_sysconfig_default_version_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_sysconfig_default_version_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_sysconfig_default_version_sysconfig_default_id_id FOREIGN KEY (sysconfig_default_id) REFERENCES sysconfig_default (id)
);
CREATE INDEX scfv_sysconfig_default_id_name ON sysconfig_default_version (sysconfig_default_id, name);

CREATE TABLE sysconfig_modified (
    id serial NOT NULL,
    sysconfig_default_id integer NOT NULL,
    name varchar(250) NOT NULL,
    user_id integer,
    is_valid smallint NOT NULL,
    user_modification_active smallint NOT NULL,
    effective_value text NOT NULL,
    is_dirty smallint NOT NULL,
    reset_to_default smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT sysconfig_modified_pkey PRIMARY KEY (id),
    CONSTRAINT sysconfig_modified_per_user UNIQUE (sysconfig_default_id, user_id),
    CONSTRAINT fk_sysconfig_modified_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_sysconfig_modified_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_sysconfig_modified_sysconfig_default_id_id FOREIGN KEY (sysconfig_default_id) REFERENCES sysconfig_default (id),
    CONSTRAINT fk_sysconfig_modified_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE TABLE sysconfig_modified_version (
    id serial NOT NULL,
    sysconfig_default_version_id integer NOT NULL,
    name varchar(250) NOT NULL,
    user_id integer,
    is_valid smallint NOT NULL,
    user_modification_active smallint NOT NULL,
    effective_value text NOT NULL,
    reset_to_default smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT sysconfig_modified_version_pkey PRIMARY KEY (id),
    CONSTRAINT fk_sysconfig_modified_version_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_sysconfig_modified_version_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_sysconfig_modified_version_sysconfig_default_version_idaf FOREIGN KEY (sysconfig_default_version_id) REFERENCES sysconfig_default_version (id),
    CONSTRAINT fk_sysconfig_modified_version_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE TABLE sysconfig_deployment (
    id serial NOT NULL,
    comments varchar(250),
    user_id integer,
    effective_value text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    CONSTRAINT sysconfig_deployment_pkey PRIMARY KEY (id),
    CONSTRAINT fk_sysconfig_deployment_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_sysconfig_deployment_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE TABLE sysconfig_deployment_lock (
    id serial NOT NULL,
    exclusive_lock_guid varchar(32),
    exclusive_lock_user_id integer,
    exclusive_lock_expiry_time timestamp(0),
    CONSTRAINT sysconfig_deployment_lock_pkey PRIMARY KEY (id),
    CONSTRAINT fk_sysconfig_deployment_lock_exclusive_lock_user_id_id FOREIGN KEY (exclusive_lock_user_id) REFERENCES users (id)
);

CREATE TABLE system_data (
    data_key varchar(160) NOT NULL,
    data_value text,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT system_data_pkey PRIMARY KEY (data_key),
    CONSTRAINT fk_system_data_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_system_data_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE system_maintenance (
    id serial NOT NULL,
    start_date integer NOT NULL,
    stop_date integer NOT NULL,
    comments varchar(250) NOT NULL,
    login_message varchar(250),
    show_login_message smallint,
    notify_message varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT system_maintenance_pkey PRIMARY KEY (id),
    CONSTRAINT fk_system_maintenance_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_system_maintenance_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_system_maintenance_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE gi_webservice_config (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    config text NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT gi_webservice_config_pkey PRIMARY KEY (id),
    CONSTRAINT gi_webservice_config_name UNIQUE (name),
    CONSTRAINT fk_gi_webservice_config_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_gi_webservice_config_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_gi_webservice_config_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE gi_webservice_config_history (
    id bigserial NOT NULL,
    config_id integer NOT NULL,
    config text NOT NULL,
    config_md5 varchar(32) NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT gi_webservice_config_history_pkey PRIMARY KEY (id),
    CONSTRAINT gi_webservice_config_history_config_md5 UNIQUE (config_md5),
    CONSTRAINT fk_gi_webservice_config_history_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_gi_webservice_config_history_config_id_id FOREIGN KEY (config_id) REFERENCES gi_webservice_config (id),
    CONSTRAINT fk_gi_webservice_config_history_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);

CREATE TABLE gi_debugger_entry (
    id bigserial NOT NULL,
    communication_id varchar(32) NOT NULL,
    communication_type varchar(50) NOT NULL,
    remote_ip varchar(50),
    webservice_id integer NOT NULL,
    create_time timestamp(0) NOT NULL,
    CONSTRAINT gi_debugger_entry_pkey PRIMARY KEY (id),
    CONSTRAINT gi_debugger_entry_communication_id UNIQUE (communication_id),
    CONSTRAINT fk_gi_debugger_entry_webservice_id_id FOREIGN KEY (webservice_id) REFERENCES gi_webservice_config (id)
);
CREATE INDEX gi_debugger_entry_create_time ON gi_debugger_entry (create_time);

CREATE TABLE gi_debugger_entry_content (
    id bigserial NOT NULL,
    gi_debugger_entry_id bigint NOT NULL,
    debug_level varchar(50) NOT NULL,
    subject varchar(255) NOT NULL,
    content text,
    create_time timestamp(0) NOT NULL,
    CONSTRAINT gi_debugger_entry_content_pkey PRIMARY KEY (id),
    CONSTRAINT fk_gi_debugger_entry_content_gi_debugger_entry_id_id FOREIGN KEY (gi_debugger_entry_id) REFERENCES gi_debugger_entry (id)
);
CREATE INDEX gi_debugger_entry_content_create_time ON gi_debugger_entry_content (create_time);
CREATE INDEX gi_debugger_entry_content_debug_level ON gi_debugger_entry_content (debug_level);

CREATE TABLE cloud_service_config (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    config text NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT cloud_service_config_pkey PRIMARY KEY (id),
    CONSTRAINT cloud_service_config_name UNIQUE (name),
    CONSTRAINT fk_cloud_service_config_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_cloud_service_config_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_cloud_service_config_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE package_repository (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    version varchar(250) NOT NULL,
    vendor varchar(250) NOT NULL,
    install_status varchar(250) NOT NULL,
    filename varchar(250),
    content_type varchar(250),
    content text NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT package_repository_pkey PRIMARY KEY (id),
    CONSTRAINT fk_package_repository_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_package_repository_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);
