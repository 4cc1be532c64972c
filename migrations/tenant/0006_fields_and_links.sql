-- What tickets carry beyond their columns: dynamic fields and links.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE dynamic_field (
    id serial NOT NULL,
    internal_field smallint NOT NULL DEFAULT 0,
    name varchar(200) NOT NULL,
    label varchar(200) NOT NULL,
    field_order integer NOT NULL,
    field_type varchar(200) NOT NULL,
    object_type varchar(100) NOT NULL,
    config text,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT dynamic_field_pkey PRIMARY KEY (id),
    CONSTRAINT dynamic_field_name UNIQUE (name),
    CONSTRAINT fk_dynamic_field_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_dynamic_field_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_dynamic_field_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE dynamic_field_value (
    id serial NOT NULL,
    field_id integer NOT NULL,
    object_id bigint NOT NULL,
    value_text varchar(3800),
    value_date timestamp(0),
    value_int bigint,
    CONSTRAINT dynamic_field_value_pkey PRIMARY KEY (id),
    CONSTRAINT fk_dynamic_field_value_field_id_id FOREIGN KEY (field_id) REFERENCES dynamic_field (id)
);
CREATE INDEX dynamic_field_value_field_values ON dynamic_field_value (object_id, field_id);
CREATE INDEX dynamic_field_value_search_date ON dynamic_field_value (field_id, value_date);
CREATE INDEX dynamic_field_value_search_int ON dynamic_field_value (field_id, value_int);
CREATE INDEX dynamic_field_value_search_text ON dynamic_field_value (field_id, value_text);

CREATE TABLE dynamic_field_obj_id_name (
    object_id serial NOT NULL,
    object_name varchar(200) NOT NULL,
    object_type varchar(100) NOT NULL,
    CONSTRAINT dynamic_field_obj_id_name_pkey PRIMARY KEY (object_id),
    CONSTRAINT dynamic_field_object_name UNIQUE (object_name, object_type)
);

CREATE TABLE link_type (
    id serial NOT NULL,
    name varchar(50) NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT link_type_pkey PRIMARY KEY (id),
    CONSTRAINT link_type_name UNIQUE (name),
    CONSTRAINT fk_link_type_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_link_type_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_link_type_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE link_state (
    id serial NOT NULL,
    name varchar(50) NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT link_state_pkey PRIMARY KEY (id),
    CONSTRAINT link_state_name UNIQUE (name),
    CONSTRAINT fk_link_state_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_link_state_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_link_state_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE link_object (
    id serial NOT NULL,
    name varchar(100) NOT NULL,
    CONSTRAINT link_object_pkey PRIMARY KEY (id),
    CONSTRAINT link_object_name UNIQUE (name)
);

CREATE TABLE link_relation (
    source_object_id smallint NOT NULL,
    source_key varchar(50) NOT NULL,
    target_object_id smallint NOT NULL,
    target_key varchar(50) NOT NULL,
    type_id smallint NOT NULL,
    state_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    CONSTRAINT link_relation_view UNIQUE (source_object_id, source_key, target_object_id, target_key, type_id),
    CONSTRAINT fk_link_relation_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_link_relation_source_object_id_id FOREIGN KEY (source_object_id) REFERENCES link_object (id),
    CONSTRAINT fk_link_relation_state_id_id FOREIGN KEY (state_id) REFERENCES link_state (id),
    CONSTRAINT fk_link_relation_target_object_id_id FOREIGN KEY (target_object_id) REFERENCES link_object (id),
    CONSTRAINT fk_link_relation_type_id_id FOREIGN KEY (type_id) REFERENCES link_type (id)
);
CREATE INDEX link_relation_list_source ON link_relation (source_object_id, source_key, state_id);
CREATE INDEX link_relation_list_target ON link_relation (target_object_id, target_key, state_id);
