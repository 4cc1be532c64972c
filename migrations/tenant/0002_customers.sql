-- Who is helped: customers, their companies and what they may see.
-- Names, types and order are those of Znuny 6.5: existing reports and imports rely on them.

CREATE TABLE customer_company (
    customer_id varchar(150) NOT NULL,
    name varchar(200) NOT NULL,
    street varchar(200),
    zip varchar(200),
    city varchar(200),
    country varchar(200),
    url varchar(200),
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT customer_company_pkey PRIMARY KEY (customer_id),
    CONSTRAINT customer_company_name UNIQUE (name)
);

CREATE TABLE customer_user (
    id serial NOT NULL,
    login varchar(200) NOT NULL,
    email varchar(150) NOT NULL,
    customer_id varchar(150) NOT NULL,
    pw varchar(255),
    title varchar(50),
    first_name varchar(100) NOT NULL,
    last_name varchar(100) NOT NULL,
    phone varchar(150),
    fax varchar(150),
    mobile varchar(150),
    street varchar(150),
    zip varchar(200),
    city varchar(200),
    country varchar(200),
    comments varchar(250),
    valid_id smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT customer_user_pkey PRIMARY KEY (id),
    CONSTRAINT customer_user_login UNIQUE (login),
    CONSTRAINT fk_customer_user_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_customer_user_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_customer_user_valid_id_id FOREIGN KEY (valid_id) REFERENCES valid (id)
);

CREATE TABLE customer_preferences (
    user_id varchar(250) NOT NULL,
    preferences_key varchar(150) NOT NULL,
    preferences_value varchar(250)
);
CREATE INDEX customer_preferences_user_id ON customer_preferences (user_id);

CREATE TABLE customer_user_customer (
    user_id varchar(200) NOT NULL,
    customer_id varchar(150) NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT fk_customer_user_customer_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_customer_user_customer_create_by_id FOREIGN KEY (create_by) REFERENCES users (id)
);
CREATE INDEX customer_user_customer_customer_id ON customer_user_customer (customer_id);
CREATE INDEX customer_user_customer_user_id ON customer_user_customer (user_id);

CREATE TABLE group_customer (
    customer_id varchar(150) NOT NULL,
    group_id integer NOT NULL,
    permission_key varchar(20) NOT NULL,
    permission_value smallint NOT NULL,
    permission_context varchar(100) NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT fk_group_customer_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_group_customer_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_group_customer_group_id_id FOREIGN KEY (group_id) REFERENCES permission_groups (id)
);
CREATE INDEX group_customer_customer_id ON group_customer (customer_id);
CREATE INDEX group_customer_group_id ON group_customer (group_id);

CREATE TABLE group_customer_user (
    user_id varchar(100) NOT NULL,
    group_id integer NOT NULL,
    permission_key varchar(20) NOT NULL,
    permission_value smallint NOT NULL,
    create_time timestamp(0) NOT NULL,
    create_by integer NOT NULL,
    change_time timestamp(0) NOT NULL,
    change_by integer NOT NULL,
    CONSTRAINT fk_group_customer_user_change_by_id FOREIGN KEY (change_by) REFERENCES users (id),
    CONSTRAINT fk_group_customer_user_create_by_id FOREIGN KEY (create_by) REFERENCES users (id),
    CONSTRAINT fk_group_customer_user_group_id_id FOREIGN KEY (group_id) REFERENCES permission_groups (id)
);
CREATE INDEX group_customer_user_group_id ON group_customer_user (group_id);
CREATE INDEX group_customer_user_user_id ON group_customer_user (user_id);
