-- Who works here: agents, groups, roles and what every other table refers to.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE valid (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT valid_pkey PRIMARY KEY (id),
    CONSTRAINT valid_name UNIQUE (name)
);

CREATE TABLE users (
    id serial NOT NULL,
    login varchar(200) NOT NULL,
    pw varchar(255) NOT NULL,
    title varchar(50),
    first_name varchar(100) NOT NULL,
    last_name varchar(100) NOT NULL,
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_login UNIQUE (login),
    CONSTRAINT fk_users_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_users_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_users_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE user_preferences (
    user_id integer NOT NULL,
    preferences_key varchar(150) NOT NULL,
    preferences_value text,
    CONSTRAINT fk_user_preferences_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX user_preferences_user_id ON user_preferences (user_id);

CREATE TABLE permission_groups (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT permission_groups_pkey PRIMARY KEY (id),
    CONSTRAINT groups_name UNIQUE (name),
    CONSTRAINT fk_permission_groups_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_permission_groups_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_permission_groups_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE roles (
    id serial NOT NULL,
    name varchar(200) NOT NULL,
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT roles_pkey PRIMARY KEY (id),
    CONSTRAINT roles_name UNIQUE (name),
    CONSTRAINT fk_roles_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_roles_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_roles_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE group_user (
    user_id integer NOT NULL,
    group_id integer NOT NULL,
    permission_key varchar(20) NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT fk_group_user_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_group_user_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_group_user_group_id_id FOREIGN KEY (group_id) REFERENCES permission_groups (id),
    CONSTRAINT fk_group_user_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX group_user_group_id ON group_user (group_id);
CREATE INDEX group_user_user_id ON group_user (user_id);

CREATE TABLE group_role (
    role_id integer NOT NULL,
    group_id integer NOT NULL,
    permission_key varchar(20) NOT NULL,
    permission_value smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT fk_group_role_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_group_role_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_group_role_group_id_id FOREIGN KEY (group_id) REFERENCES permission_groups (id),
    CONSTRAINT fk_group_role_role_id_id FOREIGN KEY (role_id) REFERENCES roles (id)
);
CREATE INDEX group_role_group_id ON group_role (group_id);
CREATE INDEX group_role_role_id ON group_role (role_id);

CREATE TABLE role_user (
    user_id integer NOT NULL,
    role_id integer NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT fk_role_user_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_role_user_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_role_user_user_id_id FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX role_user_role_id ON role_user (role_id);
CREATE INDEX role_user_user_id ON role_user (user_id);

CREATE TABLE sessions (
    id bigserial NOT NULL,
    session_id varchar(100) NOT NULL,
    data_key varchar(100) NOT NULL,
    data_value varchar,
    serialized smallint NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (id)
);
CREATE INDEX sessions_data_key ON sessions (data_key);
CREATE INDEX sessions_session_id_data_key ON sessions (session_id, data_key);

-- References in a circle can only be added when both tables exist.
ALTER TABLE valid ADD CONSTRAINT fk_valid_change_by_id FOREIGN KEY (change_by) REFERENCES users (id);
ALTER TABLE valid ADD CONSTRAINT fk_valid_create_by_id FOREIGN KEY (create_by) REFERENCES users (id);
